"""Fuzz the Responses codec: nothing but its own errors, and no cut changes a stream's events.

python tests/fuzz/fuzz_openai_responses.py --seconds 60 --seed 1
"""

import contextlib
import random
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from mutation import run

from omniroute.errors import GatewayError
from omniroute.formats import ir
from omniroute.formats.base import PathFacts, Shown, TargetModel
from omniroute.formats.openai_responses import codec, dialect

GOLDEN = Path(__file__).parents[1] / "formats" / "golden" / "openai_responses"
CORPUS = [path.read_bytes() for path in sorted(GOLDEN.glob("*/[rs]*.[js]*"))]
CODEC = codec()
DIALECT = dialect()
SHOWN = Shown("m", "resp_1", 1)
TARGET = TargetModel("m")


def events(pieces: Sequence[bytes]) -> list[ir.Event] | None:
    decoder = CODEC.stream_decoder(1 << 20)
    found: list[ir.Event] = []
    try:
        for piece in pieces:
            found += decoder.feed(piece)
        return found + decoder.finish()
    except ir.FormatError:
        return None


def check(data: bytes, dice: random.Random) -> None:
    try:
        request = CODEC.decode_request(data, PathFacts())
        CODEC.encode_request(request, TARGET)
        request.origin = "openai"
        CODEC.encode_request(request, TARGET)
    except (ir.FormatError, ir.CannotCarry):
        pass
    with contextlib.suppress(ir.FormatError):
        CODEC.encode_response(CODEC.decode_response(data), SHOWN)
    with contextlib.suppress(GatewayError):
        DIALECT.upstream_body(data, DIALECT.peek(data, PathFacts()), "other", ask_usage=True)
    DIALECT.upstream_error(data)
    whole = events([data])
    cuts = [0, *sorted(dice.choices(range(len(data) + 1), k=dice.randrange(6))), len(data)]
    assert events([data[a:b] for a, b in pairwise(cuts)]) == whole
    if whole is not None:
        encoder = CODEC.stream_encoder(SHOWN)
        encoder.feed(whole)
        encoder.finish()


if __name__ == "__main__":
    run(check, CORPUS)
