"""Drives the readers for tests and fuzzing, and tells what they gave as short strings.

A message reads `POST / [body]` or `200 [body]`, a refusal `!400`. A refusal that falls into a body
is told without the part of the body before it, since how much of that was given out depends on the
cuts; everything else may not depend on them.
"""

import random
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from omniroute.wire.http1 import (
    Limits,
    ParserName,
    ProtocolError,
    Request,
    RequestReader,
    Response,
    ResponseReader,
)

CORPUS = Path(__file__).parent / "corpus"
LIMITS = Limits()


def corpus(name: str) -> list[dict[str, Any]]:
    """The cases of one table; `data` as bytes, one per character."""
    cases: list[dict[str, Any]] = tomllib.loads((CORPUS / name).read_text("utf-8"))["case"]
    for case in cases:
        case["data"] = case["data"].encode("latin-1")
    return cases


def cuts(data: bytes, seed: int = 0) -> Iterator[list[bytes]]:
    """The same bytes whole, one by one, and cut at random."""
    yield [data]
    yield [data[i : i + 1] for i in range(len(data))]
    generator = random.Random(seed)
    for _ in range(3):
        places = sorted(generator.sample(range(len(data) + 1), min(len(data), 5)))
        yield [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True) if a != b]


def told_requests(
    pieces: Iterable[bytes], parser: ParserName, limits: Limits = LIMITS, *, end: bool = True
) -> list[str]:
    """What a RequestReader makes of the pieces, and of the end after them."""
    reader = RequestReader(limits, parser)
    told: list[str] = []
    try:
        for request, body in requests(reader, pieces, end=end):
            told.append(f"{request.method.decode()} {request.target.decode()} [{_text(body)}]")
    except ProtocolError as error:
        told.append(f"!{error.status}")
    return told


def requests(
    reader: RequestReader, pieces: Iterable[bytes], *, end: bool = True
) -> Iterator[tuple[Request, bytes]]:
    """Each complete request with its body."""
    request: Request | None = None
    body = b""
    for piece in [*pieces, None] if end else pieces:
        if piece is None:
            reader.eof()
        else:
            reader.feed(piece)
        while True:
            if request is None:
                request = reader.next_request()
                if request is None:
                    break
                body = b""
            while data := reader.next_body():
                body += data
            if data is None:
                break
            yield request, body
            request = None


def told_response(
    pieces: Iterable[bytes],
    parser: ParserName,
    method: bytes = b"POST",
    *,
    end: bool = False,
    reader: ResponseReader | None = None,
) -> list[str]:
    """What a ResponseReader makes of the pieces: the message or refusal, then `reusable`.

    `reader`: one that has read other messages before; else a fresh one.
    """
    reader = ResponseReader(LIMITS, parser) if reader is None else reader
    reader.start(method)
    told: list[str] = []
    response: Response | None = None
    body = b""
    try:
        for piece in [*pieces, None] if end else pieces:
            if piece is None:
                reader.eof()
            else:
                reader.feed(piece)
            if response is None:
                response = reader.next_response()
            if response is not None:
                while data := reader.next_body():
                    body += data
        if response is not None and reader.complete:
            told.append(f"{response.status} [{_text(body)}]")
        else:
            told.append("more")
    except ProtocolError as error:
        told.append(f"!{error.status}")
    if reader.reusable:
        told.append("reusable")
    return told


def _text(body: bytes) -> str:
    return body.decode("latin-1")
