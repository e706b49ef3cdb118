"""The golden cases of this format, and how the tests read streams of it."""

from pathlib import Path

from omniroute.formats import ir
from omniroute.formats.openai_chat import codec

GOLDEN = Path(__file__).parents[1] / "golden" / "openai_chat"
CASES = sorted(path.name for path in GOLDEN.iterdir() if path.is_dir())
ANSWERED = [name for name in CASES if name != "error"]
MAX_EVENT_BYTES = 1 << 20


def golden(case: str, file: str) -> bytes:
    return (GOLDEN / case / file).read_bytes()


def decoded(pieces: list[bytes]) -> list[ir.Event]:
    decoder = codec().stream_decoder(MAX_EVENT_BYTES)
    events = [event for piece in pieces for event in decoder.feed(piece)]
    return events + decoder.finish()
