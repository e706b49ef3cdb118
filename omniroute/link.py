"""The line between the supervisor and one child: newline-separated JSON objects over a socketpair.

Contract: a message is a JSON object with a string member "type", written as one line of at most
`MAX_LINE_BYTES`. Both ends may send at any time; order is kept. End of file means that the other
process is gone: nothing else closes a link, so a child that reads end of file knows that its
supervisor died, and the supervisor that reads it knows that the child did.

Two ends exist: `SyncLink` for the part of a process that runs before its Trio loop, `Link` for
Trio. A process may begin with the first and continue with the second on the same descriptor
(`SyncLink.detach`), as long as nothing was received in between.

This module imports the standard library only; Trio is imported when a `Link` is made, because
the supervisor spawns its children before it pays for that import.
"""

import json
import os
import select
import socket
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

Message = dict[str, Any]

# Messages are a few hundred bytes; the largest (the state of all workers) grows by 150 bytes a
# worker. A line beyond this is a fault of the sender, and holding more would be unbounded memory.
MAX_LINE_BYTES = 65536

_RECEIVE_BYTES = 16384

# How often a process that does something long looks whether the other is still there.
_LOOK_EVERY_MS = 50


class LinkError(Exception):
    """What came over the link, or was to be sent over it, is not a message."""


def pair() -> tuple[socket.socket, socket.socket]:
    """A new link as (parent's end, child's end). Neither is inheritable until it is passed on."""
    return socket.socketpair()


def encode(type_: str, fields: Mapping[str, Any]) -> bytes:
    """One message as a line. Raises LinkError when it is larger than a line may be."""
    line = json.dumps({"type": type_, **fields}, separators=(",", ":")).encode() + b"\n"
    if len(line) > MAX_LINE_BYTES:
        raise LinkError(f"message {type_!r} of {len(line)} bytes exceeds {MAX_LINE_BYTES}")
    return line


class LineReader:
    """Bytes in, messages out; holds at most one unfinished line."""

    def __init__(self) -> None:
        self._tail = b""

    def feed(self, data: bytes) -> list[Message]:
        """The messages completed by `data`. Raises LinkError on anything that is not one."""
        *lines, self._tail = (self._tail + data).split(b"\n")
        messages = [_decode(line) for line in lines]
        if len(self._tail) >= MAX_LINE_BYTES:
            raise LinkError(f"line longer than {MAX_LINE_BYTES} bytes")
        return messages


def _decode(line: bytes) -> Message:
    if len(line) >= MAX_LINE_BYTES:
        raise LinkError(f"line longer than {MAX_LINE_BYTES} bytes")
    try:
        message = json.loads(line)
    except ValueError as error:
        raise LinkError(f"not a JSON line: {error}") from error
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise LinkError("not an object with a type")
    return message


class SyncLink:
    """One end of a link for code that may block."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(True)
        self._socket = sock
        self._reader = LineReader()
        self._pending: deque[Message] = deque()

    def send(self, type_: str, **fields: Any) -> None:
        """Blocks until the kernel has the message. Raises BrokenPipeError: the other is gone."""
        self._socket.sendall(encode(type_, fields))

    def receive(self, timeout_s: float | None = None) -> Message | None:
        """The next message, or None at end of file. Raises TimeoutError, LinkError."""
        self._socket.settimeout(timeout_s)
        try:
            while not self._pending:
                try:
                    data = self._socket.recv(_RECEIVE_BYTES)
                except ConnectionResetError:
                    # A Unix socket whose peer died with unread bytes says so instead of EOF.
                    return None
                if not data:
                    return None
                self._pending.extend(self._reader.feed(data))
        finally:
            self._socket.settimeout(None)
        return self._pending.popleft()

    @contextmanager
    def leaving_with_the_other(self) -> Iterator[None]:
        """Within it, work that does not look at the link (a long import): when the other process
        goes away meanwhile, this one ends at once, for what it holds (a port) is wanted anew."""
        is_over = threading.Event()

        def watch() -> None:
            poll = select.poll()
            poll.register(self._socket, 0)  # a hang-up is told though nothing is asked for
            while not is_over.is_set():
                if poll.poll(_LOOK_EVERY_MS):
                    os._exit(1)

        watcher = threading.Thread(target=watch, name="link", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            is_over.set()
            watcher.join()

    def detach(self) -> socket.socket:
        """The socket itself, for a `Link` to go on with. Messages already read must be taken."""
        if self._pending or self._reader._tail:
            raise LinkError("messages were received that nobody took")
        return self._socket

    def close(self) -> None:
        self._socket.close()


class Link:
    """One end of a link for Trio. One task receives; any task may send."""

    def __init__(self, sock: socket.socket) -> None:
        import trio

        sock.setblocking(False)
        self._stream = trio.SocketStream(trio.socket.from_stdlib_socket(sock))
        self._sending = trio.Lock()
        self._reader = LineReader()
        self._pending: deque[Message] = deque()
        self._broken: tuple[type[Exception], ...] = (
            trio.BrokenResourceError,
            trio.ClosedResourceError,
        )

    async def send(self, type_: str, **fields: Any) -> bool:
        """Send one message; False when the other process is gone (its receiver learns it too).

        Waits only when the kernel's buffer is full, that is, when the other end has stopped
        reading for some hundred messages: bound it with a timeout where that must not hold you up.
        A send that was cancelled half-way leaves a cut line behind, so the link must be given up.
        """
        line = encode(type_, fields)
        async with self._sending:
            try:
                await self._stream.send_all(line)
            except self._broken:
                return False
        return True

    async def receive(self) -> Message | None:
        """The next message, or None at end of file. Raises LinkError."""
        while not self._pending:
            try:
                data = await self._stream.receive_some(_RECEIVE_BYTES)
            except self._broken:
                return None
            if not data:
                return None
            self._pending.extend(self._reader.feed(bytes(data)))
        return self._pending.popleft()

    async def aclose(self) -> None:
        await self._stream.aclose()
