"""What clients of this format send, besides what the golden cases show."""

from typing import Any

import msgspec
import pytest
from msgspec import Raw

from omniroute.formats import ir
from omniroute.formats.openai_chat.request_decoding import decode_request


def read(messages: Any = None, **members: Any) -> ir.Request:
    given = [{"role": "user", "content": "hi"}] if messages is None else messages
    return decode_request(msgspec.json.encode({"model": "m", "messages": given, **members}))


def test_legacy_functions_become_tools_with_ids_by_place() -> None:
    request = read(
        [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": ""}},
            {"role": "function", "name": "f", "content": "done"},
        ],
        functions=[{"name": "f", "description": "d"}],
        function_call={"name": "f"},
    )
    call = request.messages[1].parts[0]
    result = request.messages[2].parts[0]
    assert isinstance(call, ir.ToolCall)
    assert isinstance(result, ir.ToolResult)
    assert call.arguments == "{}"
    assert result.call_id == call.id
    assert result.name == "f"
    assert request.tools == [ir.Tool("f", "d")]
    assert request.tool_choice == ir.ToolChoice("tool", "f")
    assert request.extra == {}


@pytest.mark.parametrize(
    ("given", "choice"),
    [
        ("auto", ir.ToolChoice()),
        ("none", ir.ToolChoice("none")),
        ("required", ir.ToolChoice("required")),
        ("any", ir.ToolChoice("required")),
        ({"type": "function", "function": {"name": "f"}}, ir.ToolChoice("tool", "f")),
        ({"type": "custom", "custom": {"name": "f"}}, ir.ToolChoice("tool", "f")),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {
                    "mode": "required",
                    "tools": [{"type": "function", "function": {"name": "f"}}, {"name": "g"}, {}],
                },
            },
            ir.ToolChoice("required", allowed=["f", "g"]),
        ),
    ],
)
def test_every_form_of_tool_choice(given: Any, choice: ir.ToolChoice) -> None:
    assert read(tool_choice=given).tool_choice == choice


def test_parallel_calls_are_a_choice_of_their_own() -> None:
    assert read(parallel_tool_calls=False).tool_choice == ir.ToolChoice(parallel=False)
    assert read().tool_choice is None


@pytest.mark.parametrize(
    ("given", "wish"),
    [
        ({"reasoning_effort": "low"}, ir.ReasoningWish("low")),
        (
            {"reasoning": {"effort": "high", "exclude": True}},
            ir.ReasoningWish("high", include=False),
        ),
        ({"reasoning": {"max_tokens": 900}}, ir.ReasoningWish(budget_tokens=900)),
        ({"reasoning": {"enabled": True}}, ir.ReasoningWish(budget_tokens=-1)),
        ({"reasoning": {"enabled": False}}, ir.ReasoningWish(budget_tokens=0)),
        ({}, None),
    ],
)
def test_the_wish_to_reason(given: dict[str, Any], wish: ir.ReasoningWish | None) -> None:
    assert read(**given).reasoning == wish


def test_max_completion_tokens_goes_before_its_old_name() -> None:
    assert read(max_tokens=5, max_completion_tokens=7).sampling.max_tokens == 7
    assert read(max_tokens=5).sampling.max_tokens == 5


def test_parts_that_are_not_known_stay_for_this_format() -> None:
    video = {"type": "video_url", "video_url": {"url": "u"}}
    request = read([{"role": "user", "content": [{"type": "text", "text": "a"}, video]}])
    part = request.messages[0].parts[1]
    assert isinstance(part, ir.Opaque)
    assert (part.origin, part.kind) == ("openai", "video_url")
    assert msgspec.json.decode(part.raw) == video


def test_tools_of_vendors_stay_for_this_format() -> None:
    search = {"type": "builtin_function", "function": {"name": "$web_search"}}
    (tool,) = read(tools=[search]).tools
    assert (tool.kind, tool.name, tool.origin) == ("builtin_function", "$web_search", "openai")
    assert msgspec.json.decode(tool.raw) == search


def test_results_of_one_turn_stay_together_and_custom_ones_are_known() -> None:
    custom = {"id": "b", "type": "custom", "custom": {"name": "p", "input": "x"}}
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    request = read(
        [
            {"role": "assistant", "tool_calls": [call, custom]},
            {"role": "tool", "tool_call_id": "a", "content": [{"type": "text", "text": "1"}]},
            {"role": "tool", "tool_call_id": "b", "content": "2"},
            {"role": "user", "content": "go on"},
        ]
    )
    assert request.messages[1].parts == [
        ir.ToolResult("a", [ir.Text("1")]),
        ir.ToolResult("b", [ir.Text("2")], custom=True),
    ]
    assert request.messages[2].parts == [ir.Text("go on")]


def test_metadata_that_is_not_text_stays_as_it_is() -> None:
    request = read(metadata={"a": 1})
    assert request.metadata == {}
    assert request.extra["metadata"] == Raw(b'{"a":1}')


def test_googles_proof_of_a_call_goes_back_to_gemini_only() -> None:
    call = {
        "id": "a",
        "type": "function",
        "function": {"name": "f", "arguments": "{}"},
        "extra_content": {"google": {"thought_signature": "sig"}},
    }
    request = read([{"role": "assistant", "tool_calls": [call]}])
    assert request.messages[0].parts == [ir.ToolCall("a", "f", "{}", "sig", "gemini")]


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"messages": "hi"}, "messages"),
        ({"messages": [{"role": "king", "content": ""}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0]"),
        ({"temperature": "warm"}, "temperature"),
        ({"tool_choice": "maybe"}, "tool_choice"),
        ({"tool_choice": {"type": "function"}}, "tool_choice"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tools": [5]}, "tools[0]"),
        ({"functions": [{}]}, "functions[0]"),
        ({"function_call": 5}, "function_call"),
        ({"response_format": {"type": "xml"}}, "response_format"),
        ({"response_format": {"type": "json_schema"}}, "response_format"),
        ({"reasoning_effort": "huge"}, "reasoning_effort"),
    ],
)
def test_what_is_wrong_is_named(members: dict[str, Any], param: str) -> None:
    with pytest.raises(ir.FormatError) as raised:
        read(**members)
    assert raised.value.param == param


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"{}", b"\xff", b'{"messages":' + b"[" * 9999])
def test_what_is_no_request_is_an_error_of_the_format(body: bytes) -> None:
    with pytest.raises(ir.FormatError):
        decode_request(body)
