"""What a handler may return beside a value: text in pieces, a file, a feed of events; and how each
becomes bytes.

Memory stays bounded: rows and files are read in threads, a piece at a time, as fast as the client
takes them. A feed ends when its client leaves, when its session ends, and with the process.
"""

import csv
import io
import os
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import anyio
import anyio.to_thread
import msgspec
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

KEEPALIVE_S: Final = 15.0
_PIECE_BYTES: Final = 64 << 10
# A spreadsheet takes a cell that begins so for a formula (OWASP, "CSV Injection").
_FORMULA_SIGNS: Final = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Lines:
    """Bytes in pieces from a blocking iterator, each made in a thread. A `file_name` makes the
    browser save it. The iterator is closed at the end, and when the client leaves."""

    pieces: Iterator[bytes]
    media_type: str
    file_name: str = ""


@dataclass(frozen=True)
class File:
    """A file of this machine, sent whole; with `is_temporary` deleted afterwards."""

    path: Path
    media_type: str
    file_name: str
    is_temporary: bool = False


class Event(NamedTuple):
    """One event of a feed. `id` is what the client repeats in Last-Event-ID to go on after it."""

    data: Any  # JSON
    name: str = ""
    id: str = ""


class EventSource(Protocol):
    """Where a feed comes from. `next` waits for one event; when it is cancelled nothing is lost,
    since it is asked again after a keepalive. None: there are no more."""

    async def next(self) -> Event | None: ...

    async def aclose(self) -> None: ...


@dataclass(frozen=True)
class Events:
    """A feed by server-sent events (HTML Living Standard, 9.2)."""

    source: EventSource
    keepalive_s: float = KEEPALIVE_S


@dataclass(frozen=True)
class Piped:
    """Bytes as they come from elsewhere, such as an answer of the data plane passed on."""

    pieces: AsyncIterator[bytes]
    media_type: str
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


def csv_lines(file_name: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Lines:
    """A table as CSV (RFC 4180) with a head line; cells that look like formulas get a quote."""
    return Lines(_csv_pieces(columns, rows), "text/csv; charset=utf-8", file_name)


def _csv_pieces(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[bytes]:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(value) for value in row])
        if out.tell() >= _PIECE_BYTES:
            yield out.getvalue().encode()
            out.seek(0)
            out.truncate()
    yield out.getvalue().encode()


def _cell(value: object) -> object:
    if isinstance(value, str) and value.startswith(_FORMULA_SIGNS):
        return f"'{value}"
    return "" if value is None else value


def lines_response(lines: Lines) -> Response:
    async def pieces() -> AsyncIterator[bytes]:
        try:
            while (piece := await anyio.to_thread.run_sync(next, lines.pieces, None)) is not None:
                yield piece
        finally:
            close = getattr(lines.pieces, "close", None)
            if close is not None:
                with anyio.CancelScope(shield=True):
                    await anyio.to_thread.run_sync(close)

    return StreamingResponse(
        pieces(), media_type=lines.media_type, headers=_saved_as(lines.file_name)
    )


def file_response(file: File) -> Response:
    kind = _TemporaryFile if file.is_temporary else FileResponse
    headers = {"cache-control": "no-store"} | _saved_as(file.file_name)
    return kind(file.path, media_type=file.media_type, headers=headers)


class _TemporaryFile(FileResponse):
    """Gone afterwards, whether it was sent whole or its client left."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(os.unlink, self.path)


def piped_response(piped: Piped) -> Response:
    headers = {"cache-control": "no-store", **piped.headers}
    return StreamingResponse(piped.pieces, piped.status, headers, piped.media_type)


def _saved_as(file_name: str) -> dict[str, str]:
    headers = {"cache-control": "no-store"}
    if file_name:
        headers["content-disposition"] = f'attachment; filename="{file_name}"'
    return headers


class EventsResponse(Response):
    """Sends a feed. `is_admitted` is asked again and again: a session may end meanwhile."""

    media_type = "text/event-stream"

    def __init__(self, events: Events, is_admitted: Callable[[], bool]) -> None:
        super().__init__(headers={"cache-control": "no-store", "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._events = events
        self._is_admitted = is_admitted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = {"status": self.status_code, "headers": self.raw_headers}
        try:
            await send({"type": "http.response.start", **start})
            if scope["method"] == "HEAD":
                await send({"type": "http.response.body", "body": b""})
                return
            async with anyio.create_task_group() as group:
                group.start_soon(self._end_when_gone, receive, group.cancel_scope)
                await self._feed(send)
                group.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                await self._events.source.aclose()

    async def _end_when_gone(self, receive: Receive, scope: anyio.CancelScope) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        scope.cancel()

    async def _feed(self, send: Send) -> None:
        # The first bytes at once, so that the client knows that it is connected.
        await _send_piece(send, b": connected\n\n")
        while self._is_admitted():
            piece = b": keepalive\n\n"
            with anyio.move_on_after(self._events.keepalive_s):
                event = await self._events.source.next()
                if event is None:
                    break
                piece = encode_event(event)
            await _send_piece(send, piece)
        await send({"type": "http.response.body", "body": b""})


async def _send_piece(send: Send, piece: bytes) -> None:
    await send({"type": "http.response.body", "body": piece, "more_body": True})


def encode_event(event: Event) -> bytes:
    """An event as it is on the wire. JSON has no line ends of its own, so one `data:` line does."""
    head = ""
    if event.id:
        head += f"id: {event.id}\n"
    if event.name:
        head += f"event: {event.name}\n"
    return head.encode() + b"data: " + msgspec.json.encode(event.data) + b"\n\n"
