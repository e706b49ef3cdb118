"""What the simulator refuses of a Messages request, as Anthropic's service does."""

import json
from typing import Any

import pytest

from omniroute.simulator.claude_request import read_claude_request
from omniroute.simulator.claude_turns import SIGNATURE
from omniroute.simulator.dialect import Refusal
from omniroute.simulator.play import Ask

HELLO: dict[str, Any] = {"role": "user", "content": "Hello"}
TOOLS = [{"name": "weather", "input_schema": {"type": "object"}}]


def read(**fields: Any) -> Ask:
    request = {"model": "plain", "max_tokens": 4096, "messages": [HELLO]} | fields
    given = {name: value for name, value in request.items() if value is not ...}
    return read_claude_request(json.dumps(given).encode())


def refusal(**fields: Any) -> str:
    with pytest.raises(Refusal) as caught:
        read(**fields)
    assert caught.value.status == 400
    return caught.value.message


def call(name: str = "toolu_1") -> dict[str, Any]:
    return {"type": "tool_use", "id": name, "name": "weather", "input": {}}


def result(name: str = "toolu_1", content: Any = "sunny") -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": name, "content": content}


def turns(*contents: Any) -> list[dict[str, Any]]:
    return [
        {"role": "user" if index % 2 == 0 else "assistant", "content": content}
        for index, content in enumerate(contents)
    ]


def test_a_request_in_its_parts() -> None:
    ask = read(
        stream=True,
        tools=TOOLS,
        tool_choice={"type": "tool", "name": "weather", "disable_parallel_tool_use": True},
        messages=turns("Weather?", [call()], [result(), {"type": "text", "text": "And?"}]),
    )
    assert ask.stream
    assert ask.include_usage
    assert (ask.must_call, ask.parallel) == ("weather", False)
    assert ask.question == "And?"
    assert ask.results == ("sunny",)
    assert [tool.name for tool in ask.tools] == ["weather"]


def test_neighbours_of_one_role_are_one_turn() -> None:
    assert read(messages=[HELLO, {"role": "user", "content": "again"}]).question == "again"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"max_tokens": ...}, "max_tokens: Field required"),
        ({"model": ""}, "model"),
        ({"logit_bias": {}}, "logit_bias: Extra inputs"),
        ({"messages": []}, "at least one message"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, 'must use the "user" role'),
        ({"messages": [{"role": "tool", "content": "x"}]}, "Unexpected role"),
        ({"messages": [{"role": "user", "content": []}]}, "non-empty content"),
        ({"messages": turns([{"type": "text", "text": " "}])}, "non-whitespace"),
        ({"messages": turns("a", "b ")}, "trailing whitespace"),
        ({"messages": turns("a", [call()], "no result")}, "without `tool_result`"),
        ({"messages": turns("a", [call()])}, "without `tool_result`"),
        ({"messages": turns("a", [call()], [result("toolu_2")])}, "unexpected `tool_use_id`"),
        ({"messages": turns([result()])}, "unexpected `tool_use_id`"),
        ({"messages": turns("a", [call(), call()], [result()])}, "unique"),
        ({"messages": turns("a", [call("a b")], [result("a b")])}, "pattern"),
        (
            {"messages": turns("a", [call()], [{"type": "text", "text": "first"}, result()])},
            "come first",
        ),
        (
            {
                "messages": turns(
                    "a", [{"type": "thinking", "thinking": "x", "signature": "forged"}], "b"
                )
            },
            "Invalid `signature`",
        ),
        (
            {
                "messages": turns(
                    [{"type": "image", "source": {"type": "base64", "media_type": "image/bmp"}}]
                )
            },
            "image/png",
        ),
        ({"temperature": 1.5}, "range: 0..1"),
        ({"stop_sequences": [" "]}, "non-whitespace"),
        ({"tools": [{"name": "a.b", "input_schema": {"type": "object"}}]}, "pattern"),
        ({"tools": [{"name": "a", "input_schema": {"type": "string"}}]}, "'object'"),
        (
            {"tools": [{"name": "a", "input_schema": {"type": "object", "anyOf": []}}]},
            "top level",
        ),
        ({"tools": TOOLS * 2}, "unique"),
        ({"tool_choice": {"type": "auto"}}, "while providing tools"),
        ({"tools": TOOLS, "tool_choice": {"type": "tool", "name": "x"}}, "not found"),
        ({"thinking": {"type": "enabled", "budget_tokens": 100}}, "1024"),
        ({"thinking": {"type": "enabled", "budget_tokens": 4096}}, "must be greater"),
        ({"thinking": {"type": "adaptive", "budget_tokens": 4096}}, "Extra inputs"),
        (
            {"thinking": {"type": "enabled", "budget_tokens": 1024}, "temperature": 0.5},
            "set to 1",
        ),
        (
            {
                "thinking": {"type": "enabled", "budget_tokens": 1024},
                "tools": TOOLS,
                "tool_choice": {"type": "any"},
            },
            "forces tool use",
        ),
        (
            {
                "thinking": {"type": "enabled", "budget_tokens": 1024},
                "messages": turns("a", [call()], [result()]),
            },
            "must start with a thinking block",
        ),
        (
            {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}},
            "additionalProperties",
        ),
        ({"output_config": {"effort": "huge"}}, "effort"),
        (
            {
                "system": [
                    {"type": "text", "text": str(n), "cache_control": {"type": "ephemeral"}}
                    for n in range(5)
                ]
            },
            "maximum of 4",
        ),
        ({"messages": [HELLO, *turns("b", "a")[1:], {"role": "system", "content": "s"}]}, "follow"),
    ],
)
def test_what_the_service_refuses_is_refused(fields: dict[str, Any], words: str) -> None:
    assert words in refusal(**fields)


def test_thinking_of_its_own_is_taken_back_in_a_tool_loop() -> None:
    thinking = {"type": "thinking", "thinking": "hm", "signature": SIGNATURE}
    ask = read(
        thinking={"type": "enabled", "budget_tokens": 1024},
        messages=turns("a", [thinking, call()], [result()]),
    )
    assert ask.results == ("sunny",)


def test_a_body_that_is_no_object_is_refused() -> None:
    for body in (b"{", b"[]", b"\xff"):
        with pytest.raises(Refusal):
            read_claude_request(body)
