"""Requests of Responses clients, where the golden cases do not say it."""

import json
from typing import Any

import pytest

from omniroute.formats import ir
from omniroute.formats.openai_responses import sealed
from omniroute.formats.openai_responses.request_decoding import decode_request
from tests.formats.openai_responses.cases import told


def decode(**members: Any) -> ir.Request:
    return decode_request(json.dumps({"model": "m", "input": "hi", **members}).encode())


def roles(request: ir.Request) -> list[str]:
    return [message.role for message in request.messages]


def call(call_id: str) -> dict[str, str]:
    return {"type": "function_call", "call_id": call_id, "name": "read", "arguments": "{}"}


def said(role: str, text: str) -> dict[str, str]:
    return {"role": role, "content": text}


def test_a_bare_string_is_what_the_user_says() -> None:
    assert told(decode().messages) == [
        {"is": "Message", "role": "user", "parts": [{"is": "Text", "text": "hi"}]}
    ]


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("previous_response_id", "resp_1"),
        ("conversation", {"id": "conv_1"}),
        ("prompt", {"id": "pmpt_1"}),
        ("background", True),
    ],
)
def test_what_only_the_service_can_resolve_is_refused(member: str, value: object) -> None:
    with pytest.raises(ir.FormatError) as caught:
        decode(**{member: value})
    assert caught.value.param == member


def test_unset_state_is_no_state() -> None:
    decode(previous_response_id=None, conversation=None, prompt=None, background=False)


def test_a_reference_to_an_item_is_refused_but_one_to_reasoning_is_missed_by_nobody() -> None:
    with pytest.raises(ir.FormatError, match="stored"):
        decode(input=[{"type": "item_reference", "id": "msg_1"}])
    request = decode(input=[{"type": "item_reference", "id": "rs_1"}, said("user", "hi")])
    assert roles(request) == ["assistant", "user"]


def test_parallel_calls_stay_in_one_turn_whatever_is_said_between_them() -> None:
    request = decode(
        input=[said("assistant", "a"), call("1"), said("assistant", "b"), call("2")]
        + [{"type": "function_call_output", "call_id": one, "output": one} for one in "12"]
    )
    assert roles(request) == ["assistant", "user"]
    assert [type(part).__name__ for part in request.messages[0].parts] == [
        "Text",
        "ToolCall",
        "Text",
        "ToolCall",
    ]


def test_a_result_knows_the_name_of_its_call() -> None:
    output = {"type": "function_call_output", "call_id": "1", "output": "x"}
    result = decode(input=[call("1"), output]).messages[-1].parts[0]
    assert isinstance(result, ir.ToolResult)
    assert result.name == "read"


def test_sealed_reasoning_goes_back_to_its_origin() -> None:
    seal = sealed.closed(sealed.Seal("claude", "signed", "data"))
    thought = {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "hm"}],
        "encrypted_content": seal,
    }
    part = decode(input=[thought, said("assistant", "x")]).messages[0].parts[0]
    assert part == ir.Reasoning("hm", "signed", "data", "claude", "rs_1", True)


def test_a_sealed_signature_goes_back_to_its_call() -> None:
    seal = sealed.closed(sealed.Seal("gemini", "signed", call_id="1"))
    thought = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": seal}
    (message,) = decode(input=[call("1"), thought]).messages
    (part,) = message.parts
    assert isinstance(part, ir.ToolCall)
    assert (part.signature, part.origin) == ("signed", "gemini")


def test_a_damaged_seal_is_nobodys() -> None:
    thought = {"type": "reasoning", "summary": [], "encrypted_content": "omni1.%%%"}
    (part,) = decode(input=[thought]).messages[0].parts
    assert part == ir.Reasoning(summary=True)


def test_unknown_members_are_kept() -> None:
    request = decode(client_metadata={"a": 1}, text={"verbosity": "high"})
    assert told(request.extra) == {"client_metadata": {"a": 1}}
    assert request.verbosity == "high"


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"input": None}, "input"),
        ({"input": 5}, "input"),
        ({"input": [{"type": "function_call", "name": "x"}]}, "input[0]"),
        ({"input": [{"role": "robot", "content": "x"}]}, "input[0]"),
        ({"temperature": "hot"}, "temperature"),
        ({"tools": [{"name": "x"}]}, "tools[0].type"),
        ({"tools": [{"type": "function"}]}, "tools[0]"),
        ({"tool_choice": "maybe"}, "tool_choice"),
        ({"reasoning": {"effort": "much"}}, "reasoning.effort"),
        ({"text": {"format": {"type": "xml"}}}, "text.format.type"),
    ],
)
def test_an_error_names_the_member_that_is_wrong(members: dict[str, Any], param: str) -> None:
    with pytest.raises(ir.FormatError) as caught:
        decode(**members)
    assert caught.value.param == param


def test_the_output_of_a_tool_may_be_anything() -> None:
    output = b'{"type":"function_call_output","call_id":"1","output":{"x":"\xff"}}'
    request = decode_request(b'{"model":"m","input":[' + output + b"]}")
    assert told(request.messages[0].parts[0])["parts"] == [{"is": "Text", "text": '{"x":"\ufffd"}'}]
