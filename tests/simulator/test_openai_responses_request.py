"""What the simulator's Responses endpoint refuses, as the real service does."""

import json
from typing import Any

import pytest

from omniroute.simulator.dialect import Refusal
from omniroute.simulator.openai_responses_request import read_responses_request
from omniroute.simulator.play import Ask

USER = {"role": "user", "content": "hi"}
CALL = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "c", "output": "done"}
TOOL = {"type": "function", "name": "f", "parameters": {"type": "object"}}


def read(**members: Any) -> Ask:
    return read_responses_request(json.dumps({"model": "plain", "input": "hi", **members}).encode())


def test_a_request_is_read_in_neutral_terms() -> None:
    ask = read(
        input=[USER, CALL, OUTPUT],
        instructions="Be brief.",
        tools=[TOOL, {"type": "web_search"}],
        tool_choice={"type": "function", "name": "f"},
        parallel_tool_calls=False,
        max_output_tokens=100,
        stream=True,
        text={"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}}},
    )
    assert (ask.question, ask.results, ask.must_call) == ("hi", ("done",), "f")
    assert (ask.stream, ask.parallel, ask.max_output_tokens) == (True, False, 100)
    assert [tool.name for tool in ask.tools] == ["f"]
    assert ask.json_schema == {"type": "object"}
    assert read(tool_choice="none").must_call == ""


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"model": ""}, "model"),
        ({"input": None}, "input"),
        ({"messages": []}, "messages"),
        ({"max_tokens": 5}, "max_tokens"),
        ({"max_output_tokens": 15}, "max_output_tokens"),
        ({"temperature": 2.5}, "temperature"),
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"input": [OUTPUT]}, "input"),
        ({"input": [CALL]}, "input"),
        ({"input": [CALL, OUTPUT | {"type": "custom_tool_call_output"}]}, "input"),
        ({"input": [CALL | {"call_id": "x" * 65}]}, "input[0].call_id"),
        ({"input": [CALL | {"name": "a.b"}]}, "input[0].name"),
        ({"input": [{"role": "tool", "content": "x"}]}, "input[0].role"),
        ({"input": [{"role": "user", "content": [{"type": "text"}]}]}, "input[0].content[0]"),
        (
            {"input": [{"role": "assistant", "content": [{"type": "input_text", "text": "x"}]}]},
            "input[0].content[0]",
        ),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image"}]}]},
            "input[0].content[0].image_url",
        ),
        ({"input": [{"type": "reasoning"}]}, "input[0].summary"),
        (
            {"input": [{"type": "reasoning", "summary": [], "encrypted_content": "foreign"}]},
            "input[0]",
        ),
        ({"input": [{"type": "reasoning", "id": "rs", "summary": []}], "store": False}, "input"),
        ({"input": [{"type": "novelty"}]}, "input[0].type"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools[0].name"),
        ({"tools": [{"type": "novelty"}]}, "tools[0].type"),
        ({"tool_choice": {"type": "function", "name": "g"}}, "tool_choice"),
        ({"text": {"format": {"type": "json_schema", "name": "x"}}}, "text.format.schema"),
        ({"stream": "yes"}, "stream"),
    ],
)
def test_a_wrong_translation_fails_loudly(members: dict[str, Any], param: str) -> None:
    with pytest.raises(Refusal) as caught:
        read(**members)
    assert caught.value.param == param
    assert caught.value.status in (400, 404)


def test_what_is_no_json_object_is_refused() -> None:
    for body in (b"{", b"[]"):
        with pytest.raises(Refusal):
            read_responses_request(body)
