"""Whole answers of the Responses format, where the golden cases do not say it."""

import json
from typing import Any

import pytest

from omniroute.formats import ir
from omniroute.formats.base import Shown
from omniroute.formats.openai_responses.answers import decode_response, encode_response

SHOWN = Shown("acme/m", "resp_1", 1)


def encode(*parts: ir.Part, finish: ir.FinishReason = "stop") -> list[dict[str, Any]]:
    response = ir.Response(choices=[ir.Choice(list(parts), finish)])
    output: list[dict[str, Any]] = json.loads(encode_response(response, SHOWN))["output"]
    return output


@pytest.mark.parametrize(
    "body",
    [
        b'{"status":"failed","output":[],"error":{"code":"x","message":"broken"}}',
        b'{"status":"cancelled","output":[]}',
        b'{"id":"x"}',
        b'{"error":{"message":"m"}}',
        b"[]",
        b"<html>",
    ],
)
def test_what_is_no_answer_is_an_error(body: bytes) -> None:
    with pytest.raises(ir.FormatError):
        decode_response(body)


def test_only_the_last_message_of_a_cut_answer_is_incomplete() -> None:
    output = encode(ir.Text("a"), ir.ToolCall("1", "f"), ir.Text("b"), finish="length")
    assert [item["status"] for item in output] == ["completed", "completed", "incomplete"]


def test_neighbouring_texts_share_a_message() -> None:
    (message,) = encode(ir.Text("a"), ir.Refusal("no"))
    assert [part["type"] for part in message["content"]] == ["output_text", "refusal"]


def test_what_this_format_has_no_item_for_leaves_none() -> None:
    assert encode(ir.Audio("audio/wav", "aGk="), ir.Opaque("claude", ir.NULL, "x")) == []


def test_summary_and_text_of_one_origin_share_an_item() -> None:
    own = "openai-responses"
    (item,) = encode(
        ir.Reasoning("short", origin=own, id="rs", summary=True),
        ir.Reasoning("long", data="enc", origin=own, id="rs"),
    )
    assert item["summary"] == [{"type": "summary_text", "text": "short"}]
    assert item["content"] == [{"type": "reasoning_text", "text": "long"}]
    assert item["encrypted_content"] == "enc"
