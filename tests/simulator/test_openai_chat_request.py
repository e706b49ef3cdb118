"""A chat completions request is read, or refused, as the real service does it."""

import json
from typing import Any

import pytest

from omniroute.simulator.dialect import Refusal
from omniroute.simulator.openai_chat import OpenAIChat
from omniroute.simulator.openai_chat_request import read_chat_request
from omniroute.simulator.play import Ask

HELLO = [{"role": "user", "content": "Hello"}]
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]
CALL = {
    "role": "assistant",
    "content": None,
    "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
}


def read(**fields: Any) -> Ask:
    request = {"model": "plain", "messages": HELLO} | fields
    return read_chat_request(json.dumps(request).encode())


def refusal(**fields: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        read(**fields)
    return caught.value


def test_a_request_is_read_in_neutral_terms() -> None:
    ask = read(
        messages=[
            {"role": "system", "content": "Be brief."},
            {
                "role": "user",
                "content": [{"type": "text", "text": "What "}, {"type": "text", "text": "now?"}],
            },
        ],
        stream=True,
        stream_options={"include_usage": True},
        tools=TOOLS,
        tool_choice={"type": "function", "function": {"name": "weather"}},
        max_completion_tokens=9,
        n=2,
        vendor_extension={"kept": True},
    )
    assert ask.question == "What now?"
    assert ask.stream
    assert ask.include_usage
    assert ask.must_call == "weather"
    assert (ask.choices, ask.max_output_tokens) == (2, 9)


def test_the_trailing_results_are_read_in_order() -> None:
    call = CALL | {"tool_calls": [{"id": "c1"}, {"id": "c2"}]}
    results = [
        {"role": "tool", "tool_call_id": "c2", "content": "two"},
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "one"}]},
    ]
    assert read(messages=[*HELLO, call, *results]).results == ("two", "one")
    assert read(messages=[*HELLO, call, *results, *HELLO]).results == ()
    reminder = {"role": "developer", "content": "Mind the tests."}
    assert read(messages=[*HELLO, call, *results, reminder]).results == ("two", "one")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": None}, "model"),
        ({"model": 3}, "model"),
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": "hello"}, "messages"),
        ({"messages": ["hello"]}, "messages[0]"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": ["user"], "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": []}]}, "messages[0].content"),
        (
            {"messages": [{"role": "user", "content": [{"type": "smell"}]}]},
            "messages[0].content[0]",
        ),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id"),
        (
            {"messages": [{"role": "tool", "tool_call_id": "c1", "content": "x"}]},
            "messages[0].role",
        ),
        ({"messages": [*HELLO, CALL]}, "messages"),
        ({"messages": [CALL, *HELLO]}, "messages[1]"),
        (
            {"messages": [CALL, {"role": "tool", "tool_call_id": "c9", "content": "x"}]},
            "messages[1].role",
        ),
        ({"messages": [CALL | {"tool_calls": []}]}, "messages[0].tool_calls"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"stream": True, "stream_options": {"include_usage": 1}}, "stream_options"),
        ({"temperature": 3}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"n": 0}, "n"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"max_tokens": 1, "max_completion_tokens": 1}, "max_tokens"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
        ({"tools": []}, "tools"),
        ({"tools": [{"type": "wrench"}]}, "tools[0].type"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools[0].function.name"),
        ({"tool_choice": "auto"}, "tool_choice"),
        ({"tools": TOOLS, "tool_choice": "maybe"}, "tool_choice"),
        ({"tools": TOOLS, "tool_choice": {"function": {"name": "x"}}}, "tool_choice"),
        ({"parallel_tool_calls": True}, "parallel_tool_calls"),
        ({"response_format": "json"}, "response_format"),
        ({"response_format": {"type": "xml"}}, "response_format"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema.schema"),
    ],
)
def test_what_the_service_refuses_is_refused(fields: dict[str, Any], param: str) -> None:
    error = refusal(**fields)
    assert error.status == 400
    assert error.param == param
    body = json.loads(OpenAIChat().error(error))["error"]
    assert body["type"] == "invalid_request_error"
    assert body["message"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b'"x"'])
def test_a_body_that_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(Refusal) as caught:
        read_chat_request(body)
    assert "JSON" in caught.value.message
