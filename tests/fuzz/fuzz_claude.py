"""Fuzz Claude's stream decoder: no cut changes the events, and nothing but FormatError comes out.

python tests/fuzz/fuzz_claude.py --seconds 60 --seed 1
"""

import random
from itertools import pairwise
from pathlib import Path

import msgspec
from mutation import run

from omniroute.formats.base import Shown
from omniroute.formats.claude.decoder import ClaudeStreamDecoder
from omniroute.formats.claude.encoder import ClaudeStreamEncoder
from omniroute.formats.ir import Event, FormatError

GOLDEN = Path(__file__).parents[1] / "formats" / "golden" / "claude"
CORPUS = [path.read_bytes() for path in sorted(GOLDEN.glob("*/stream.sse"))]


def events_of(pieces: list[bytes], limit: int) -> tuple[list[Event], bool]:
    """The events, and whether they ended in a FormatError."""
    decoder = ClaudeStreamDecoder(limit)
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
    encoder = ClaudeStreamEncoder(Shown("m", "msg_1", 0))
    written = encoder.feed(whole) + encoder.finish()
    for event in written.split(b"\n\n")[:-1]:
        name, _, payload = event.partition(b"\n")
        kind = name.removeprefix(b"event: ").decode()
        assert payload.startswith(b'data: {"type":"%s"' % kind.encode()), event


if __name__ == "__main__":
    run(check, CORPUS)
