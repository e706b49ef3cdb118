"""The tap of a Responses stream that passes through."""

import json
from typing import Any

import pytest

from omniroute.formats.openai_responses.tap import StreamTap, answer_usage
from omniroute.usage import Usage
from omniroute.wire.sse import SseTooLong
from tests.formats.openai_responses.cases import ANSWERED, CASES, cuts, golden


def event(kind: str, **members: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **members})}\n\n".encode()


@pytest.mark.parametrize("case", ANSWERED)
def test_a_stream_passes_byte_for_byte_however_it_is_cut(case: str) -> None:
    stream = golden(case, "stream.sse")
    for pieces in cuts(stream):
        tap = StreamTap(1 << 20)
        assert b"".join(tap.feed(piece) for piece in pieces) + tap.finish() == stream
        assert tap.complete
        assert tap.generated
        assert tap.error is None
        assert tap.usage == answer_usage(golden(case, "response.json"))


def test_the_opening_events_are_nothing_generated_yet() -> None:
    tap = StreamTap(1 << 20)
    tap.feed(b": keepalive\n\n" + event("response.created") + event("response.in_progress"))
    assert not tap.generated
    tap.feed(event("response.output_text.delta", delta="four"))
    assert (tap.generated, tap.characters, tap.done) == (True, 4, False)


def test_errors_are_kept_back_and_the_first_is_told() -> None:
    tap = StreamTap(1 << 20)
    first = event("error", error={"message": "no", "type": "t", "code": "c", "param": "p"})
    failed = event("response.failed", response={"error": {"code": "x", "message": "y"}})
    assert tap.feed(first + failed) == b""
    assert tap.error == ("no", "t", "c", "p")
    assert not tap.complete


def test_a_golden_failure_is_told() -> None:
    assert "error" in CASES
    tap = StreamTap(1 << 20)
    tap.feed(golden("error", "stream.sse"))
    assert tap.error is not None
    assert tap.error.code == "rate_limit_exceeded"


def test_a_last_event_without_its_blank_line_counts() -> None:
    tap = StreamTap(1 << 20)
    end = event("response.completed", response={"usage": {"input_tokens": 3, "output_tokens": 2}})
    assert tap.feed(end[:-1]) == b""
    assert tap.finish() == end
    assert tap.usage == Usage(3, 0, 0, 2)


def test_an_event_that_is_too_long_ends_it_after_the_good_ones() -> None:
    tap = StreamTap(100)
    good = event("response.x")
    assert tap.feed(good + b"data: " + b"x" * 200) == good
    with pytest.raises(SseTooLong):
        tap.feed(b"x")


def test_usage_that_cannot_be_read_is_none() -> None:
    for body in (b"", b"[]", b'{"usage":5}', b"\xff"):
        assert answer_usage(body) is None
