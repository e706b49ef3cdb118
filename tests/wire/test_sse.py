"""Splitting and reading server-sent events: one suite for both twins."""

import importlib
import os
import random
from importlib.util import find_spec
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute._speedups import SseTooLong
from omniroute._speedups import sse_py as reference
from omniroute.wire import sse

TWINS = ["sse_py"]
REQUIRED = os.environ.get("OMNIROUTE_REQUIRE_EXTENSIONS", "") not in ("", "0")
if REQUIRED or find_spec("omniroute._speedups.sse_c"):
    TWINS.append("sse_c")

LIMIT = 1 << 20


@pytest.fixture(params=TWINS, scope="module")
def twin(request: pytest.FixtureRequest) -> ModuleType:
    return importlib.import_module(f"omniroute._speedups.{request.param}")


def split(twin: ModuleType, chunks: list[bytes], limit: int = LIMIT) -> tuple[list[bytes], bytes]:
    reader = twin.SseReader(limit)
    events = [event for chunk in chunks for event in reader.feed(chunk)]
    events += reader.finish()
    return events, reader.tail


def feed_pieces(reader: sse.SseReader, stream: bytes, size: int, events: list[bytes]) -> None:
    for start in range(0, len(stream), size):
        events += reader.feed(stream[start : start + size])


def split_however_cut(twin: ModuleType, stream: bytes) -> tuple[list[bytes], bytes]:
    """Split the stream whole, byte by byte, and cut once at every place; all must agree."""
    whole = split(twin, [stream])
    assert split(twin, [stream[i : i + 1] for i in range(len(stream))]) == whole
    for cut in range(len(stream) + 1):
        assert split(twin, [stream[:cut], stream[cut:]]) == whole
    return whole


def test_wire_offers_what_the_chooser_chose() -> None:
    import omniroute._speedups as chosen

    assert sse.SseReader is chosen.SseReader
    assert sse.event_data is chosen.event_data
    assert sse.event_type is chosen.event_type
    assert sse.SseTooLong is chosen.SseTooLong


@pytest.mark.parametrize(
    ("stream", "events", "tail"),
    [
        (b"", [], b""),
        (b"data: a\n\ndata: b\n\n", [b"data: a\n\n", b"data: b\n\n"], b""),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", [b"data: a\r\n\r\n", b"data: b\r\n\r\n"], b""),
        (b"data: a\r\rdata: b\r\r", [b"data: a\r\r", b"data: b\r\r"], b""),
        (b"data: a\n\r\ndata: b\r\n\n", [b"data: a\n\r\n", b"data: b\r\n\n"], b""),
        (b"data: a\r\n\rdata: b\r\r\n", [b"data: a\r\n\r", b"data: b\r\r\n"], b""),
        (b"data: a\ndata: b\n\n: k\n\n", [b"data: a\ndata: b\n\n", b": k\n\n"], b""),
        (b"data: a\n\n\n\ndata: b\n\n", [b"data: a\n\n", b"\n", b"\n", b"data: b\n\n"], b""),
        (b"\r\n\r\n\r", [b"\r\n", b"\r\n", b"\r"], b""),
        (b"data: a\n", [], b"data: a\n"),
        (b"data: a\r\n", [], b"data: a\r\n"),
        (b"data: a\r", [], b"data: a\r"),
        (b"data: a\n\ndata", [b"data: a\n\n"], b"data"),
        (b"\xef\xbb\xbfdata: a\n\n", [b"data: a\n\n"], b""),
        (b"\xef\xbb\xbf\n\xef\xbb\xbf\n\n", [b"\n", b"\xef\xbb\xbf\n\n"], b""),
        (b"\xef\xbb\xbf", [], b""),
        (b"\xef\xbb", [], b"\xef\xbb"),
        (b"\xef\xbbdata: a\n\n", [b"\xef\xbbdata: a\n\n"], b""),
        (
            b"data: \xe2\x80\xa8\x00\x0b\x0c\x85\n\n",
            [b"data: \xe2\x80\xa8\x00\x0b\x0c\x85\n\n"],
            b"",
        ),
    ],
)
def test_events_end_at_blank_lines_of_any_kind_and_cut(
    twin: ModuleType, stream: bytes, events: list[bytes], tail: bytes
) -> None:
    assert split_however_cut(twin, stream) == (events, tail)


def test_a_line_feed_after_a_chunk_that_ends_in_carriage_return_belongs_to_the_event(
    twin: ModuleType,
) -> None:
    reader = twin.SseReader(LIMIT)
    assert reader.feed(b"data: a\r\n\r") == []
    assert reader.tail == b"data: a\r\n\r"
    assert reader.feed(b"\ndata") == [b"data: a\r\n\r\n"]
    assert reader.tail == b"data"


def test_a_final_carriage_return_completes_the_event_when_the_stream_ends(
    twin: ModuleType,
) -> None:
    reader = twin.SseReader(LIMIT)
    assert reader.feed(b"data: a\r\r") == []
    assert reader.finish() == [b"data: a\r\r"]
    assert reader.tail == b""
    assert reader.finish() == []


def test_a_stream_cut_inside_an_event_leaves_it_in_the_tail(twin: ModuleType) -> None:
    reader = twin.SseReader(LIMIT)
    assert reader.feed(b"data: a\n") == []
    assert reader.finish() == []
    assert reader.tail == b"data: a\n"


def test_events_are_available_as_soon_as_their_blank_line_is(twin: ModuleType) -> None:
    reader = twin.SseReader(LIMIT)
    assert [len(reader.feed(bytes([byte]))) for byte in b"data: a\n\ndata: b\r\n\r\n"] == (
        [0] * 8 + [1] + [0] * 10 + [1]
    )


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n", b"\r\r"])
def test_the_bound_holds_however_the_stream_is_cut(twin: ModuleType, end: bytes) -> None:
    fits = b"data: " + b"x" * (30 - 6 - len(end)) + end
    assert split(twin, [fits, fits], limit=30)[0] == [fits, fits]
    stream = fits + fits[:6] + b"x" + fits[6:] + fits
    for size in (1, 2, 7, 29, 30, 31, 45, 61, len(stream)):
        reader = twin.SseReader(30)
        events: list[bytes] = []
        with pytest.raises(SseTooLong) as caught:
            feed_pieces(reader, stream, size, events)
        assert events + caught.value.events == [fits]
        assert caught.value.max_event_bytes == 30
        assert reader.tail == b""
        with pytest.raises(SseTooLong) as again:
            reader.feed(b"\n\n")
        assert again.value.events == []
        assert reader.finish() == []


def test_an_endless_event_is_refused_before_it_ends(twin: ModuleType) -> None:
    reader = twin.SseReader(100)
    assert reader.feed(b"data: " + b"x" * 94) == []
    with pytest.raises(SseTooLong):
        reader.feed(b"x")


def test_a_dropped_byte_order_mark_does_not_count(twin: ModuleType) -> None:
    assert split(twin, [b"\xef\xbb", b"\xbfa\n\n"], limit=3) == ([b"a\n\n"], b"")


def test_a_huge_event_does_not_disturb_those_after_it(twin: ModuleType) -> None:
    huge = b"data: " + b"x" * 300_000 + b"\n\n"
    stream = huge + b"data: b\n\n" + huge + b"data: c\n\nrest"
    for size in (1000, 65_536, 299_999):
        chunks = [stream[i : i + size] for i in range(0, len(stream), size)]
        assert split(twin, chunks) == ([huge, b"data: b\n\n", huge, b"data: c\n\n"], b"rest")


def test_only_bytes_are_taken(twin: ModuleType) -> None:
    reader = twin.SseReader(LIMIT)
    for wrong in ("data", bytearray(b"data"), None):
        with pytest.raises(TypeError):
            reader.feed(wrong)
    with pytest.raises(ValueError, match="at least 1"):
        twin.SseReader(0)
    assert twin.SseReader(7).max_event_bytes == 7


@pytest.mark.parametrize(
    ("raw", "data", "kind"),
    [
        (b"data: a\n\n", b"a", b""),
        (b"data:a\n\n", b"a", b""),
        (b"data:  a \n\n", b" a ", b""),
        (b"data: a\r\n\r\n", b"a", b""),
        (b"data: a\r\r", b"a", b""),
        (b"data: a\rdata: b\n\n", b"a\nb", b""),
        (b"data: a\ndata: b\r\ndata\ndata:\ndata: c\n\n", b"a\nb\n\n\nc", b""),
        (b"event: x\ndata: a\nid: 1\n\n", b"a", b"x"),
        (b"event: x\nevent:y\r\ndata: a\n\n", b"a", b"y"),
        (b"event: x\nevent\ndata: a\n\n", b"a", b""),
        (b": data: a\n\n", b"", b""),
        (b":data: a\ndata: b\n\n", b"b", b""),
        (b"data\n\n", b"", b""),
        (b"data:\n\n", b"", b""),
        (b"data: \n\n", b"", b""),
        (b"data : a\nDATA: b\ndatas: c\ndat: d\n data: e\nevents: f\n\n", b"", b""),
        (b"data:a:b: c\n\n", b"a:b: c", b""),
        (b"\n", b"", b""),
        (b"\r\n", b"", b""),
        (b"", b"", b""),
        (b"data: [DONE]", b"[DONE]", b""),
        (b"data: a\ndat", b"a", b""),
        (b"data: a\n\ndata: b\n\n", b"a", b""),
        (b"event: x\n\nevent: y\n\n", b"", b"x"),
        (b"data: \xe2\x80\xa8\x00\x0b\x0c\x85\n\n", b"\xe2\x80\xa8\x00\x0b\x0c\x85", b""),
    ],
)
def test_fields_are_read_as_the_standard_says(
    twin: ModuleType, raw: bytes, data: bytes, kind: bytes
) -> None:
    assert twin.event_data(raw) == data
    assert twin.event_type(raw) == kind


def standard_events(stream: bytes) -> list[tuple[bytes, bytes]]:
    """(type, data) of each dispatched event: the standard's text followed to the letter, with
    none of the reader's ideas. What ends without a blank line is not dispatched."""
    text = stream.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    dispatched = []
    kind, data = b"", b""
    for line in text.split(b"\n")[:-1]:
        if line == b"":
            if data:
                dispatched.append((kind, data[:-1]))
            kind, data = b"", b""
        elif not line.startswith(b":"):
            field, _, value = line.partition(b":")
            value = value.removeprefix(b" ")
            if field == b"data":
                data += value + b"\n"
            elif field == b"event":
                kind = value
    return dispatched


LINE_ENDS = [b"\n", b"\r", b"\r\n", b"\n\n", b"\r\n\r\n"]
WORDS = [b"data", b"event", b": ", b":", b" ", b"x", b"\xef\xbb\xbf", b"\xef", b"\xbb", b"\x00"]
EVENTS = [b'data: {"choices":[]}\n\n', b": ping\n\n"]
PIECES = st.sampled_from([*LINE_ENDS, *WORDS, *EVENTS])
STREAMS = st.lists(PIECES, max_size=40).map(b"".join)


@given(stream=STREAMS, random=st.randoms(use_true_random=False))
def test_random_cuts_change_nothing_and_nothing_is_lost(
    twin: ModuleType, stream: bytes, random: random.Random
) -> None:
    cuts = sorted(random.choices(range(len(stream) + 1), k=random.randrange(8)))
    chunks = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    whole = split(twin, [stream])
    assert split(twin, chunks) == whole
    assert split(twin, [stream[i : i + 1] for i in range(len(stream))]) == whole
    events, tail = whole
    assert b"".join(events) + tail == stream.removeprefix(b"\xef\xbb\xbf")


@given(stream=STREAMS)
def test_the_events_are_those_of_the_standard(twin: ModuleType, stream: bytes) -> None:
    has_data = [event for event in split(twin, [stream])[0] if is_dispatched(event)]
    read = [(twin.event_type(event), twin.event_data(event)) for event in has_data]
    assert read == standard_events(stream)


def is_dispatched(event: bytes) -> bool:
    return any(line == b"data" or line.startswith(b"data:") for line in event.splitlines())


@given(raw=STREAMS)
def test_any_bytes_read_as_an_event_give_the_same_fields_in_both_twins(
    twin: ModuleType, raw: bytes
) -> None:
    assert twin.event_data(raw) == reference.event_data(raw)
    assert twin.event_type(raw) == reference.event_type(raw)
