"""Whole answers: what vendors make of them, and what other formats' answers become."""

from typing import Any

import msgspec
import pytest
from msgspec import Raw

from omniroute.formats import ir
from omniroute.formats.base import Shown
from omniroute.formats.openai_chat.answers import decode_response, encode_response, finish_word

SHOWN = Shown("acme/m", "chatcmpl-1", 7)


def read(message: dict[str, Any], finish: str | None = "stop", **more: Any) -> ir.Choice:
    choice = {"index": 0, "message": message, "finish_reason": finish, **more}
    return decode_response(msgspec.json.encode({"id": "x", "choices": [choice]})).choices[0]


def written(choice: ir.Choice, **members: Any) -> dict[str, Any]:
    response = ir.Response(choices=[choice], origin="claude", **members)
    return msgspec.json.decode(encode_response(response, SHOWN))["choices"][0]


def test_content_as_a_list() -> None:
    content = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
        {"type": "text", "text": "hi"},
        {"type": "refusal", "refusal": "no"},
        {"type": "image_url", "image_url": {"url": "u"}},
        {"type": "other"},
    ]
    assert read({"content": content}).parts == [
        ir.Reasoning("hm"),
        ir.Text("hi"),
        ir.Refusal("no"),
        ir.Image(url="u"),
    ]


def test_the_legacy_function_call() -> None:
    choice = read({"function_call": {"name": "f", "arguments": "{}"}}, "function_call")
    assert choice.parts == [ir.ToolCall("call_0_0", "f", "{}")]
    assert choice.finish == "tool_calls"


@pytest.mark.parametrize(("word", "reason"), [(None, "stop"), ("", "stop"), ("novel", "other")])
def test_a_finish_reason_that_is_missing_or_new(word: str | None, reason: str) -> None:
    assert read({"content": "a"}, word).finish == reason


def test_a_call_is_a_reason_to_go_on_whatever_the_upstream_says() -> None:
    call = {"id": "a", "function": {"name": "f", "arguments": ""}}
    choice = read({"tool_calls": [call]}, "stop")
    assert choice.finish == "tool_calls"
    assert choice.parts == [ir.ToolCall("a", "f", "{}")]


def test_an_annotation_that_is_not_known_stays_as_it_is() -> None:
    note = {"type": "file_citation", "file_id": "f"}
    (text,) = read({"content": "a", "annotations": [note]}).parts
    assert isinstance(text, ir.Text)
    choice = ir.Choice([text])
    assert written(choice)["message"]["annotations"] == [note]


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[]", b'{"error":{"message":"no"}}', b'{"choices":null}', b'{"choices":[5]}'],
)
def test_what_is_no_answer_is_an_error_of_the_format(body: bytes) -> None:
    with pytest.raises(ir.FormatError):
        decode_response(body)


def test_citations_are_counted_in_the_whole_content() -> None:
    first = ir.Text("abc", citations=[ir.Citation("u1", "t1")])
    second = ir.Text("de", citations=[ir.Citation("u2", start=1, end=2)])
    message = written(ir.Choice([first, second]))["message"]
    assert message["content"] == "abcde"
    spans = [
        (note["url_citation"]["start_index"], note["url_citation"]["end_index"])
        for note in message["annotations"]
    ]
    assert spans == [(0, 3), (4, 5)]


@pytest.mark.parametrize(
    ("reason", "refused", "word"),
    [
        ("refusal", True, "stop"),
        ("refusal", False, "content_filter"),
        ("stop_sequence", False, "stop"),
        ("pause", False, "stop"),
        ("length", False, "length"),
    ],
)
def test_finish_words(reason: ir.FinishReason, refused: bool, word: str) -> None:
    assert finish_word(reason, refused=refused) == word


def test_an_answer_of_another_format_has_the_name_and_id_that_the_client_expects() -> None:
    response = ir.Response(
        id="msg_1", model="claude", origin="claude", extra={"container": Raw(b"1")}
    )
    whole = msgspec.json.decode(encode_response(response, SHOWN))
    assert (whole["id"], whole["model"], whole["created"]) == ("chatcmpl-1", "acme/m", 7)
    assert "container" not in whole
    assert whole["choices"][0]["message"]["content"] == "", "an answer has a choice"


def test_parts_without_a_place_are_left_out_and_the_rest_stays() -> None:
    opaque = ir.Opaque("gemini", Raw(b"{}"))
    image = ir.Image("image/png", "AA==")
    choice = ir.Choice([opaque, image, ir.ToolCall("", "f", "x", custom=True)], "tool_calls")
    message = written(choice)["message"]
    assert message["images"][0]["image_url"]["url"] == "data:image/png;base64,AA=="
    assert message["tool_calls"][0]["custom"] == {"name": "f", "input": "x"}
    assert message["tool_calls"][0]["id"]
