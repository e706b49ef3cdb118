"""The one thing that passthrough changes in a Messages stream: whose answer it says it is."""

import json
from typing import Any

import pytest

from omniroute.formats.claude import dialect
from omniroute.formats.claude.tap import ClaudeTap
from tests.formats.claude.cases import ANSWERED, MAX_EVENT_BYTES, cuts, golden

DELTA = b'event: message_delta\ndata: {"type":"message_delta","model":"m"}\n\n'


def start(**message: Any) -> bytes:
    body = {"type": "message_start", "message": {"id": "msg_1", **message}}
    return b"event: message_start\ndata: %b\n\n" % json.dumps(body).encode()


def passed(data: bytes, model: str) -> bytes:
    tap = ClaudeTap(MAX_EVENT_BYTES, model)
    return tap.feed(data) + tap.finish()


def test_an_answer_is_of_the_model_that_was_asked_for() -> None:
    """Claude Code drops the thinking of answers that name another model."""
    given = start(model="m-20261101", usage={"input_tokens": 3}) + DELTA
    assert passed(given, "acme/m") == given.replace(b"m-20261101", b"acme/m")


def test_the_dialect_hands_the_name_on() -> None:
    tap = dialect().tap(strip_usage=False, max_event_bytes=MAX_EVENT_BYTES, model="acme/m")
    assert tap.feed(start(model="m")) == start(model="acme/m")


def test_a_name_that_is_right_changes_nothing() -> None:
    given = start(model="m") + DELTA
    assert passed(given, "m") == given
    assert passed(given, "") == given


@pytest.mark.parametrize(
    "event",
    [
        start(),
        b'data: {"type":"message_start","message":{"model":"a","model":"b"}}\n\n',
        b'data: {"type":"message_start",\ndata: "message":{"model":"a"}}\n\n',
        b'data: {"type":"message_start","message":null}\n\n',
    ],
)
def test_where_the_name_cannot_be_found_the_event_is_as_it_was(event: bytes) -> None:
    assert passed(event, "acme/m") == event


@pytest.mark.parametrize("case", ANSWERED)
def test_names_change_the_same_way_however_a_stream_is_cut(case: str) -> None:
    stream = golden(case, "stream.sse")
    whole = passed(stream, "acme/m")
    for pieces in cuts(stream):
        tap = ClaudeTap(MAX_EVENT_BYTES, "acme/m")
        assert b"".join([tap.feed(piece) for piece in pieces]) + tap.finish() == whole
