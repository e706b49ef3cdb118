"""Streams for Responses clients, beyond what the SDK judges."""

import json
from typing import Any

from omniroute.formats import ir
from omniroute.formats.base import Shown
from omniroute.formats.openai_responses.stream_encoding import ResponsesStreamEncoder
from omniroute.usage import Usage

SHOWN = Shown("acme/m", "resp_1", 1)


def events(stream: bytes) -> list[dict[str, Any]]:
    return [json.loads(raw.partition(b"\ndata: ")[2]) for raw in stream.split(b"\n\n")[:-1]]


def encode(*given: ir.Event) -> list[dict[str, Any]]:
    encoder = ResponsesStreamEncoder(SHOWN)
    return events(encoder.feed(given) + encoder.finish())


def test_a_delta_is_written_at_once() -> None:
    encoder = ResponsesStreamEncoder(SHOWN)
    encoder.feed([ir.Start(), ir.PartStart(0, ir.Text(""))])
    (delta,) = events(encoder.feed([ir.TextDelta(0, 'a "b" \u2028')]))
    assert delta == {
        "type": "response.output_text.delta",
        "item_id": "msg_1_0",
        "output_index": 0,
        "content_index": 0,
        "delta": 'a "b" \u2028',
        "logprobs": [],
        "sequence_number": 4,
    }


def test_an_upstreams_own_id_is_kept_where_it_is_one_of_this_format() -> None:
    assert encode(ir.Start("resp_up"))[0]["response"]["id"] == "resp_up"
    assert encode(ir.Start("chatcmpl-1"))[0]["response"]["id"] == "resp_1"


def test_interleaved_calls_keep_their_places() -> None:
    found = encode(
        ir.PartStart(0, ir.ToolCall("a", "f", "")),
        ir.PartStart(1, ir.ToolCall("b", "f", "")),
        ir.ToolCallDelta(1, "[]"),
        ir.ToolCallDelta(0, "{}"),
        ir.PartEnd(1),
        ir.PartEnd(0),
        ir.Finish("tool_calls"),
    )
    done = {e["output_index"]: e["item"] for e in found if e["type"].endswith("item.done")}
    assert [done[0]["arguments"], done[1]["arguments"]] == ["{}", "[]"]
    assert found[-1]["response"]["output"] == [done[0], done[1]]


def test_parts_that_were_not_ended_are_ended_with_the_stream() -> None:
    found = encode(ir.PartStart(0, ir.Text("")), ir.TextDelta(0, "cut"), ir.Finish("length"))
    assert found[-1]["type"] == "response.incomplete"
    (message,) = found[-1]["response"]["output"]
    assert (message["status"], message["content"][0]["text"]) == ("incomplete", "cut")


def test_only_the_first_candidate_is_written() -> None:
    found = encode(
        ir.PartStart(0, ir.Text(""), choice=1),
        ir.TextDelta(0, "other", choice=1),
        ir.PartEnd(0, choice=1),
        ir.Finish("length", choice=1),
    )
    assert found[-1]["response"]["output"] == []
    assert found[-1]["type"] == "response.completed"


def test_the_last_usage_holds() -> None:
    found = encode(ir.UsageEvent(Usage(1)), ir.UsageEvent(Usage(7, 0, 0, 2)))
    assert found[-1]["response"]["usage"]["total_tokens"] == 9


def test_reasoning_without_words_or_proof_leaves_no_item() -> None:
    found = encode(ir.PartStart(0, ir.Reasoning()), ir.PartEnd(0))
    assert found[-1]["response"]["output"] == []


def test_what_the_end_of_a_part_brings_replaces_its_deltas() -> None:
    whole = ir.Text("Whole.", citations=[ir.Citation("https://e.com", "E", start=0, end=5)])
    found = encode(
        ir.PartStart(0, ir.Text("")),
        ir.TextDelta(0, "Whol"),
        ir.PartEnd(0, whole),
        ir.Finish("stop"),
    )
    kinds = [event["type"] for event in found]
    assert "response.output_text.annotation.added" in kinds
    (message,) = found[-1]["response"]["output"]
    assert message["content"][0]["text"] == "Whole."
    assert message["content"][0]["annotations"][0]["url"] == "https://e.com"


def test_a_failure_among_the_events_ends_the_stream() -> None:
    encoder = ResponsesStreamEncoder(SHOWN)
    found = events(encoder.feed([ir.Failure("broken", code="server_error")]))
    assert [event["type"] for event in found[-2:]] == ["error", "response.failed"]
    assert encoder.finish() == b""


def test_a_call_may_begin_before_the_text_ends() -> None:
    found = encode(
        ir.PartStart(0, ir.Text("")),
        ir.TextDelta(0, "a"),
        ir.PartStart(1, ir.ToolCall("c", "f", "")),
        ir.TextDelta(0, "b"),
        ir.PartEnd(0),
        ir.PartEnd(1),
        ir.Finish("tool_calls"),
    )
    message, call = found[-1]["response"]["output"]
    assert message["content"][0]["text"] == "ab"
    assert call["arguments"] == "{}"
