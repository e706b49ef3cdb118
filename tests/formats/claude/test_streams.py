"""Streams in odd shapes: from services that imitate the format, and for clients that rely on it."""

import json
from typing import Any

import pytest

from omniroute.errors import ErrorKind, GatewayError
from omniroute.formats import ir
from omniroute.formats.base import Shown
from omniroute.formats.claude.decoder import ClaudeStreamDecoder
from omniroute.formats.claude.encoder import ClaudeStreamEncoder
from omniroute.formats.claude.identity import ANSWER_TOOL, Sealed, seal
from omniroute.formats.fold import fold
from omniroute.usage import Usage

SHOWN = Shown("shown", "msg_x", 0)


def frame(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


def start(block: dict[str, Any], index: int = 0) -> bytes:
    return frame("content_block_start", index=index, content_block=block)


def delta(index: int = 0, **fields: Any) -> bytes:
    return frame("content_block_delta", index=index, delta=fields)


def stop(index: int = 0) -> bytes:
    return frame("content_block_stop", index=index)


def end(reason: str, **usage: int) -> bytes:
    return frame("message_delta", delta={"stop_reason": reason}, usage=usage) + frame(
        "message_stop"
    )


def read(*frames: bytes) -> list[ir.Event]:
    decoder = ClaudeStreamDecoder(1 << 20)
    events = decoder.feed(b"".join(frames))
    return events + decoder.finish()


def written(*events: ir.Event, finish: bool = True) -> list[dict[str, Any]]:
    encoder = ClaudeStreamEncoder(SHOWN)
    data = b"".join(encoder.feed([event]) for event in events)
    if finish:
        data += encoder.finish()
    return [json.loads(part.split(b"data: ", 1)[1]) for part in data.split(b"\n\n") if part]


# --- decoding -----------------------------------------------------------------------------------


def test_counts_of_the_end_replace_those_of_the_start_and_the_rest_of_them_stays() -> None:
    usage = {"input_tokens": 5, "cache_read_input_tokens": 7, "output_tokens": 1}
    events = read(
        frame("message_start", message={"usage": usage}), end("end_turn", output_tokens=9)
    )
    reported = [event.usage for event in events if isinstance(event, ir.UsageEvent)]
    assert reported == [Usage(12, 7, 0, 1), Usage(12, 7, 0, 9)]


def test_zeros_at_the_start_are_no_report() -> None:
    usage = {"input_tokens": 0, "output_tokens": 0}
    events = read(
        frame("message_start", message={"usage": usage}), end("end_turn", output_tokens=0)
    )
    assert not any(isinstance(event, ir.UsageEvent) for event in events)


def test_a_delta_without_its_block_opens_one_and_the_end_closes_all() -> None:
    events = read(delta(type="text_delta", text="Hi"), end("end_turn", output_tokens=1))
    kinds = [type(event).__name__ for event in events]
    assert kinds == ["PartStart", "TextDelta", "PartEnd", "UsageEvent", "Finish"]


def test_an_input_given_at_once_is_told_once() -> None:
    call = {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}}
    (choice,) = fold(read(start(call), stop(), end("tool_use"))).choices
    assert choice.parts == [ir.ToolCall("a", "f", '{"x": 1}', origin="claude")]
    fragments = delta(type="input_json_delta", partial_json='{"x": 2}')
    (choice,) = fold(read(start(call), fragments, stop(), end("tool_use"))).choices
    assert choice.parts == [ir.ToolCall("a", "f", '{"x": 2}', origin="claude")]


def test_a_call_without_arguments_has_an_empty_object() -> None:
    call = {"type": "tool_use", "id": "a", "name": "f", "input": {}}
    assert ir.ToolCallDelta(0, "{}") in read(start(call), stop())


def test_the_forced_answer_is_text_that_streams() -> None:
    call = {"type": "tool_use", "id": "a", "name": ANSWER_TOOL, "input": {}}
    events = read(
        start(call),
        delta(type="input_json_delta", partial_json='{"a":'),
        delta(type="input_json_delta", partial_json="1}"),
        stop(),
        end("tool_use"),
    )
    assert [event.text for event in events if isinstance(event, ir.TextDelta)] == ['{"a":', "1}"]
    assert fold(events).choices == [ir.Choice([ir.Text('{"a":1}')], "stop")]


def test_a_sealed_signature_of_a_gateway_like_this_is_opened() -> None:
    sealed = seal(Sealed("gemini", "proof"))
    events = read(
        start({"type": "thinking", "thinking": "", "signature": ""}),
        delta(type="thinking_delta", thinking="hm"),
        delta(type="signature_delta", signature=sealed),
        stop(),
    )
    assert fold(events).choices[0].parts == [ir.Reasoning("hm", "proof", origin="gemini")]


def test_nothing_follows_the_end_or_an_error() -> None:
    late = delta(type="text_delta", text="late")
    assert read(end("end_turn"), late) == read(end("end_turn"))
    failed = read(frame("error", error={"type": "api_error", "message": "no"}), late)
    assert failed == [ir.Failure("no", "api_error", status=500)]


def test_pings_comments_unknown_events_and_done_are_passed_over() -> None:
    assert read(frame("ping"), b": hi\n\n", frame("thread_started"), b"data: [DONE]\n\n") == []


def test_what_is_no_stream_of_this_format_is_a_format_error() -> None:
    for bad in (b"data: {\n\n", b'data: {"type":1}\n\n', b"data: []\n\n", start({})):
        with pytest.raises(ir.FormatError):
            read(bad)
    with pytest.raises(ir.FormatError):
        ClaudeStreamDecoder(8).feed(b"data: " + b"x" * 100)


# --- encoding -----------------------------------------------------------------------------------


def test_usage_behind_the_finish_is_in_the_last_delta() -> None:
    out = written(ir.Start(), ir.Finish("length"), ir.UsageEvent(Usage(10, 4, 1, 5, 2)))
    assert out[0]["message"]["usage"] == {"input_tokens": 0, "output_tokens": 0}
    assert out[-2]["delta"]["stop_reason"] == "max_tokens"
    assert out[-2]["usage"] == {
        "input_tokens": 5,
        "cache_creation_input_tokens": 1,
        "cache_read_input_tokens": 4,
        "output_tokens": 5,
        "output_tokens_details": {"thinking_tokens": 2},
    }


def test_an_empty_stream_is_a_whole_message() -> None:
    kinds = [event["type"] for event in written()]
    assert kinds == ["message_start", "message_delta", "message_stop"]


def test_calls_that_interleave_are_told_one_behind_the_other() -> None:
    out = written(
        ir.PartStart(0, ir.ToolCall("a", "f", "")),
        ir.ToolCallDelta(0, '{"x":'),
        ir.PartStart(1, ir.ToolCall("b", "g", "")),
        ir.ToolCallDelta(1, "{"),
        ir.ToolCallDelta(0, "1}"),
        ir.ToolCallDelta(1, "}"),
        ir.PartEnd(0),
        ir.PartEnd(1),
        ir.Finish("stop"),
    )
    order = [
        (event["type"].removeprefix("content_block_"), event["index"])
        for event in out
        if "index" in event
    ]
    first = [("start", 0), ("delta", 0), ("delta", 0), ("stop", 0)]
    assert order == [*first, ("start", 1), ("delta", 1), ("delta", 1), ("stop", 1)]
    assert out[-2]["delta"]["stop_reason"] == "tool_use"


def test_a_call_whose_arguments_are_whole_is_closed_by_the_next_at_once() -> None:
    out = written(
        ir.PartStart(0, ir.ToolCall("a", "f", "")),
        ir.ToolCallDelta(0, "{}"),
        ir.PartStart(1, ir.ToolCall("b", "g", "")),
        finish=False,
    )
    kinds = [event["type"] for event in out]
    assert kinds[-2:] == ["content_block_stop", "content_block_start"]


def test_calls_that_are_never_ended_are_all_told() -> None:
    out = written(
        ir.PartStart(0, ir.ToolCall("a", "f", "")),
        ir.PartStart(1, ir.ToolCall("b", "g", "")),
        ir.ToolCallDelta(1, "{}"),
    )
    names = [e["content_block"]["name"] for e in out if e["type"] == "content_block_start"]
    assert names == ["f", "g"]


def test_a_refusal_is_shown_and_said() -> None:
    out = written(ir.PartStart(0, ir.Refusal("I will not.")), ir.PartEnd(0), ir.Finish("stop"))
    assert out[2]["delta"]["text"] == "I will not."
    assert out[-2]["delta"] == {
        "stop_reason": "refusal",
        "stop_sequence": None,
        "stop_details": {"type": "refusal", "category": None, "explanation": "I will not."},
    }


def test_only_the_first_candidate_is_shown() -> None:
    out = written(
        ir.PartStart(0, ir.Text(""), choice=1),
        ir.TextDelta(0, "other", choice=1),
        ir.PartEnd(0, choice=1),
        ir.Finish("length", choice=1),
    )
    assert [event["type"] for event in out] == ["message_start", "message_delta", "message_stop"]
    assert out[-2]["delta"]["stop_reason"] == "end_turn"


def test_a_failure_is_an_error_event_and_the_last() -> None:
    encoder = ClaudeStreamEncoder(SHOWN)
    out = encoder.fail(GatewayError(ErrorKind.UPSTREAM_BROKEN, "cut"))
    assert out == (
        b'event: error\ndata: {"error":{"type":"api_error","message":"cut"},"type":"error"}\n\n'
    )
