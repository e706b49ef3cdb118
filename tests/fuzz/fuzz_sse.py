"""Fuzz the SSE reader: no cut changes the events, nothing is lost, both twins agree.

python tests/fuzz/fuzz_sse.py --seconds 60 --seed 1
"""

import random
from importlib.util import find_spec
from itertools import pairwise
from typing import Any

from mutation import run

from omniroute._speedups import SseTooLong, sse_py

TWINS: list[Any] = [sse_py]
if find_spec("omniroute._speedups.sse_c"):
    from omniroute._speedups import sse_c

    TWINS.append(sse_c)

CORPUS = [
    b'data: {"choices":[{"delta":{"content":"a"}}]}\n\ndata: [DONE]\n\n',
    b'event: message_start\r\ndata: {"type":"message_start"}\r\n\r\n: ping\r\n\r\n',
    b"\xef\xbb\xbfid: 1\rretry: 10\rdata: a\rdata: b\r\r",
    b"\n\r\n\r\r\n\n",
    b"data\n\ndata:\n\nevent\ndata: \xe2\x80\xa8\n\n",
]


def split(twin: Any, chunks: list[bytes], limit: int) -> tuple[list[bytes], bytes | None]:
    """The events and the tail; no tail where an event was too long."""
    reader = twin.SseReader(limit)
    events: list[bytes] = []
    try:
        for chunk in chunks:
            events += reader.feed(chunk)
    except SseTooLong as error:
        return events + error.events, None
    return events + reader.finish(), reader.tail


def check(data: bytes, dice: random.Random) -> None:
    limit = dice.choice((1, 8, 64, 1 << 20))
    events, tail = split(sse_py, [data], limit)
    cuts = [0, *sorted(dice.choices(range(len(data) + 1), k=dice.randrange(6))), len(data)]
    pieces = [data[a:b] for a, b in pairwise(cuts)]
    for twin in TWINS:
        for chunks in ([data], pieces, [data[i : i + 1] for i in range(len(data))]):
            assert split(twin, chunks, limit) == (events, tail), (twin, limit, chunks)
        for raw in (*events, tail or b"", data):
            assert twin.event_data(raw) == sse_py.event_data(raw), (twin, raw)
            assert twin.event_type(raw) == sse_py.event_type(raw), (twin, raw)
    assert all(0 < len(raw) <= limit for raw in events)
    if tail is not None:
        assert b"".join(events) + tail == data.removeprefix(b"\xef\xbb\xbf")


if __name__ == "__main__":
    run(check, CORPUS)
