"""Ids and objects of the answers that clients of this format get."""

import json

import pytest
from msgspec import Raw

from omniroute.formats import ir
from omniroute.formats.openai_responses import objects


def test_ids_have_this_formats_form_and_length() -> None:
    names = objects.Names("chatcmpl-1", "resp_" + "x" * 100 + "ü")
    assert names.response.startswith("resp_")
    for made in (names.response, names.item("msg", 123)):
        assert len(made) <= 64
        assert made.isascii()
    assert objects.Names("resp_up", "resp_own").response == "resp_up"
    assert objects.Names("", "").response == "resp_0"


def test_a_call_without_an_id_gets_one_that_is_always_the_same() -> None:
    names = objects.Names("resp_1", "")
    assert names.call("", 2) == objects.Names("resp_1", "").call("", 2) == "call_1_2"
    assert names.call("toolu_1", 2) == "toolu_1"


@pytest.mark.parametrize(
    ("finish", "status", "reason"),
    [
        ("stop", "completed", ""),
        ("tool_calls", "completed", ""),
        ("length", "incomplete", "max_output_tokens"),
        ("content_filter", "incomplete", "content_filter"),
    ],
)
def test_an_ending_is_a_status(finish: ir.FinishReason, status: str, reason: str) -> None:
    assert objects.ending(finish) == (status, reason)


def test_a_citation_without_a_place_spans_the_text() -> None:
    made = objects.annotation(ir.Citation("https://e.com", "E"), "four")
    assert isinstance(made, dict)
    assert (made["start_index"], made["end_index"]) == (0, 4)


def test_logprobs_of_another_shape_are_left_out() -> None:
    assert objects.logprobs(Raw(b'{"tokens":[]}')) == []
    assert objects.logprobs(Raw(b"[1]")) == []
    assert objects.logprobs(Raw(b'{"content":[{"token":"a"}]}')) == [Raw(b'{"token":"a"}')]


def test_the_frame_is_one_json_object_whatever_stands_in_it() -> None:
    frame = objects.Frame("resp_1", 'm"\n', 5)
    whole = json.loads(frame.json("incomplete", [b"{}"], incomplete="content_filter"))
    assert (whole["model"], whole["output"]) == ('m"\n', [{}])
    assert whole["incomplete_details"] == {"reason": "content_filter"}
