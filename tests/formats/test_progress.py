"""Progress is an event of its own that every SSE reader can tell apart."""

import json

from omniroute.formats.progress import progress_event
from omniroute.wire.sse import SseReader, event_data, event_type


def read(event: bytes) -> tuple[bytes, object]:
    (whole,) = SseReader(1000).feed(event)
    return event_type(whole), json.loads(event_data(whole))


def test_progress_counts_tokens_and_time() -> None:
    told = {"tokens_generated": 12, "elapsed_ms": 340}
    assert read(progress_event(12, 340)) == (b"progress", told)
    assert read(progress_event(12, 340, done=True)) == (b"progress", {**told, "done": True})


def test_a_stream_that_is_one_array_has_no_place_for_it() -> None:
    assert progress_event(12, 340, sse=False) == b""
