"""Fuzz Gemini's stream decoder: no cut changes the events, and nothing but FormatError comes out.

python tests/fuzz/fuzz_gemini.py --seconds 60 --seed 1
"""

import random
from itertools import pairwise
from pathlib import Path

import msgspec
from mutation import run

from omniroute.formats.base import Shown
from omniroute.formats.gemini.reading import StreamDecoder
from omniroute.formats.gemini.writing import StreamEncoder
from omniroute.formats.ir import Event, FormatError

GOLDEN = Path(__file__).parents[1] / "formats" / "golden" / "gemini"
CORPUS = [path.read_bytes() for path in sorted(GOLDEN.glob("*/stream.sse"))]


def events_of(pieces: list[bytes], limit: int) -> tuple[list[Event], bool]:
    """The events, and whether they ended in a FormatError."""
    decoder = StreamDecoder(limit)
    events: list[Event] = []
    try:
        for piece in pieces:
            events += decoder.feed(piece)
        events += decoder.finish()
    except FormatError:
        return events, True
    return events, False


def check(data: bytes, dice: random.Random) -> None:
    limit = dice.choice((64, 1 << 20))
    whole, refused = events_of([data], limit)
    cuts = [0, *sorted(dice.choices(range(len(data) + 1), k=dice.randrange(6))), len(data)]
    for pieces in (
        [data[a:b] for a, b in pairwise(cuts)],
        [data[i : i + 1] for i in range(len(data))],
    ):
        events, broken = events_of(pieces, limit)
        assert broken == refused
        if not refused:
            assert msgspec.json.encode(events) == msgspec.json.encode(whole)
    encoder = StreamEncoder(Shown("m", "i", 0, sse=False))
    msgspec.json.decode(encoder.feed(whole) + encoder.finish())


if __name__ == "__main__":
    run(check, CORPUS)
