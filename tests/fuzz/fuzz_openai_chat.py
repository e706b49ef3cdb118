"""Fuzz the chat stream decoder: no cut changes the events, and nothing but FormatError comes out.

python tests/fuzz/fuzz_openai_chat.py --seconds 60 --seed 1
"""

import random
from itertools import pairwise
from pathlib import Path

import msgspec
from mutation import run

from omniroute.formats.base import Shown
from omniroute.formats.fold import fold
from omniroute.formats.ir import Event, Failure, FormatError
from omniroute.formats.openai_chat import codec, sanitise

GOLDEN = Path(__file__).parents[1] / "formats" / "golden" / "openai_chat"
CORPUS = [path.read_bytes() for path in sorted(GOLDEN.glob("*/stream.sse"))]
CODEC = codec()


def events_of(pieces: list[bytes], limit: int) -> tuple[list[Event], bool]:
    """The events, and whether they ended in a FormatError."""
    decoder = CODEC.stream_decoder(limit)
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
        assert msgspec.json.encode(events) == msgspec.json.encode(whole)
    encoder = CODEC.stream_encoder(Shown("m", "chatcmpl-1", 0))
    written = encoder.feed(whole) + encoder.finish()
    for event in written.split(b"\n\n")[:-2]:
        assert event.startswith(b"data: {"), event
        assert b"\n" not in event, event
        # What stays raw keeps its bytes, be they text or not.
        msgspec.json.decode(event[6:].decode("utf-8", "replace"))
    if not any(isinstance(event, Failure) for event in whole):
        again, broken = events_of([written], 1 << 24)
        assert not broken
        fold(again)
    sanitise(data)


if __name__ == "__main__":
    run(check, CORPUS)
