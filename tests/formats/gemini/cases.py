"""The golden cases of the Gemini format, and how the tests tell what an IR object means."""

import random
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec

from omniroute.formats.gemini.reading import StreamDecoder
from omniroute.formats.ir import Event

GOLDEN = Path(__file__).parents[1] / "golden" / "gemini"
CASES = sorted(path.name for path in GOLDEN.iterdir() if path.is_dir())
ANSWERED = [name for name in CASES if name != "error"]
MAX_EVENT_BYTES = 1 << 20


def golden(case: str, file: str) -> bytes:
    return (GOLDEN / case / file).read_bytes()


def told(value: Any) -> Any:
    """An IR object as plain JSON, without the members that stand at their default."""
    if isinstance(value, msgspec.Raw):
        return msgspec.json.decode(value)
    if isinstance(value, msgspec.Struct):
        members = {"is": type(value).__name__}
        for info in msgspec.structs.fields(value):
            member = getattr(value, info.name)
            if member == info.default:
                continue
            if info.default_factory is not msgspec.NODEFAULT and member == info.default_factory():
                continue
            members[info.name] = told(member)
        if members.get("arguments") and not members.get("custom"):
            members["arguments"] = msgspec.json.decode(members["arguments"])
        return members
    if isinstance(value, dict):
        return {name: told(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [told(member) for member in value]
    return value


def cuts(stream: bytes) -> Iterator[list[bytes]]:
    """The same bytes whole, one by one, and cut at random places."""
    yield [stream]
    yield [stream[at : at + 1] for at in range(len(stream))]
    chosen = random.Random(len(stream))
    for _ in range(5):
        places = sorted(chosen.sample(range(len(stream) + 1), min(9, len(stream))))
        edges = [0, *places, len(stream)]
        yield [stream[start:end] for start, end in pairwise(edges)]


def decoded(pieces: list[bytes]) -> list[Event]:
    decoder = StreamDecoder(MAX_EVENT_BYTES)
    events = [event for piece in pieces for event in decoder.feed(piece)]
    return events + decoder.finish()
