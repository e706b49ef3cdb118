"""How the data plane speaks to a peer: receive, send, wait; over a socket, TLS, or memory.

Contract of `Transport`: `recv` returns the bytes that are there (b"" once the peer has ended),
`send` returns when all bytes are handed over, `wait` returns when `recv` would not wait (or the
peer is gone). One task receives and one sends. `interrupt` raises a given exception in the task
that is waiting to receive; nothing is lost by it, the next `recv` goes on where it was. Errors of
the peer are `OSError`s. `close` is idempotent and never waits.
"""

import socket
import ssl
from collections.abc import Callable
from typing import Final, Protocol

import trio

from omniroute.net.readiness import Readiness

RECV_BYTES: Final = 65536
GREEDY_READS: Final = 32  # reads without waiting before other tasks get their turn


class Transport(Protocol):
    """One duplex byte stream."""

    @property
    def hung_up(self) -> bool:
        """The peer has ended its side or the connection is broken, as far as is known."""
        ...

    @property
    def has_unread(self) -> bool:
        """Something (bytes or the end) is known to be there to be received."""
        ...

    async def recv(self) -> bytes: ...

    async def send(self, data: bytes) -> None: ...

    async def wait(self) -> None: ...

    def interrupt(self, reason: BaseException) -> bool: ...

    def on_hangup(self, callback: Callable[[], None] | None) -> None: ...

    def close(self) -> None: ...

    def abort(self) -> None:
        """Close so that the peer sees a reset instead of a tidy end, where that can be done."""
        ...


class SocketTransport:
    """A non-blocking stream socket driven directly.

    Send first and wait only when the kernel says so; before receiving, ask the readiness, which
    knows without a system call. `write_limit_s` bounds how long a `send` may wait for a slow peer.
    """

    __slots__ = ("_greed", "_readiness", "_waiter", "sock", "write_limit_s")

    def __init__(
        self, sock: socket.socket, readiness: Readiness, *, write_limit_s: float = 60.0
    ) -> None:
        sock.setblocking(False)
        if sock.family != getattr(socket, "AF_UNIX", None):
            # Nagle and delayed acknowledgements together make 40 ms out of nothing.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = sock
        self.write_limit_s = write_limit_s
        self._readiness = readiness
        self._waiter = readiness.add(sock)
        self._greed = 0

    @property
    def hung_up(self) -> bool:
        return self._waiter.hung_up

    @property
    def has_unread(self) -> bool:
        return self._waiter.has_unread()

    async def recv(self) -> bytes:
        waiter = self._waiter
        while True:
            if not waiter.readable:
                self._greed = 0
                await waiter.wait_readable()
            elif self._greed >= GREEDY_READS:
                self._greed = 0
                await trio.lowlevel.checkpoint()
            try:
                data = self.sock.recv(RECV_BYTES)
            except (BlockingIOError, InterruptedError):
                waiter.readable = False
                continue
            self._greed += 1
            if len(data) < RECV_BYTES and not waiter.hung_up:
                # A short read has emptied the buffer; an edge will tell of more (epoll(7)).
                waiter.readable = False
            return data

    async def send(self, data: bytes) -> None:
        try:
            sent = self.sock.send(data)
        except (BlockingIOError, InterruptedError):
            sent = 0
        if sent < len(data):
            await self._send_rest(memoryview(data)[sent:])

    async def _send_rest(self, rest: memoryview) -> None:
        waiter = self._waiter
        with trio.move_on_after(self.write_limit_s) as limit:
            while rest:
                waiter.writable = False
                # The edge may have come between the failed send and this line: try once more.
                try:
                    sent = self.sock.send(rest)
                except (BlockingIOError, InterruptedError):
                    await waiter.wait_writable()
                    continue
                rest = rest[sent:]
                limit.deadline = trio.current_time() + self.write_limit_s
        if limit.cancelled_caught:
            raise TimeoutError(f"the peer took no bytes for {self.write_limit_s:g} s")

    async def wait(self) -> None:
        await self._waiter.wait_readable()

    def interrupt(self, reason: BaseException) -> bool:
        return self._waiter.interrupt(reason)

    def on_hangup(self, callback: Callable[[], None] | None) -> None:
        self._waiter.on_hangup = callback

    def close(self) -> None:
        if self.sock.fileno() >= 0:
            self._readiness.remove(self._waiter)
            self.sock.close()

    def abort(self) -> None:
        if self.sock.fileno() >= 0:
            linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"  # struct linger {on, 0 s}: send RST
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.close()


class TlsTransport:
    """TLS over another transport, by `ssl.MemoryBIO`; the handshake is awaited first."""

    __slots__ = ("_ended", "_flushing", "_incoming", "_inner", "_outgoing", "tls")

    def __init__(
        self,
        inner: Transport,
        context: ssl.SSLContext,
        server_hostname: str,
        session: ssl.SSLSession | None = None,
    ) -> None:
        self._inner = inner
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._ended = False
        self._flushing = trio.Lock()
        self.tls = context.wrap_bio(
            self._incoming, self._outgoing, server_hostname=server_hostname, session=session
        )

    @property
    def hung_up(self) -> bool:
        return self._inner.hung_up or self._ended

    @property
    def has_unread(self) -> bool:
        return self._ended or self._incoming.pending > 0 or self._inner.has_unread

    async def handshake(self) -> None:
        """Raises `ssl.SSLError` (or its certificate variant) when the peer cannot be trusted."""
        while True:
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._flush()
                data = await self._inner.recv()
                if data:
                    self._incoming.write(data)
                else:
                    raise ConnectionResetError("the peer ended during the TLS handshake") from None
            else:
                await self._flush()
                return

    async def recv(self) -> bytes:
        while True:
            try:
                data = self.tls.read(RECV_BYTES)
            except ssl.SSLWantReadError:
                await self._flush()  # a key update or a session ticket may want an answer
                received = await self._inner.recv()
                if received:
                    self._incoming.write(received)
                else:
                    self._ended = True
                    self._incoming.write_eof()
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                self._ended = True
                return b""
            else:
                # A close_notify is told as b"", however long the socket below stays open.
                self._ended = not data
                return data

    async def send(self, data: bytes) -> None:
        # MemoryBIO grows as needed, so a write never has to wait for the network.
        self.tls.write(data)
        await self._flush()

    async def _flush(self) -> None:
        if not self._outgoing.pending:
            return
        # The receiving task may have an answer to send (a key update) while the sending one waits
        # for the peer: records must not be cut into each other.
        try:
            self._flushing.acquire_nowait()
        except trio.WouldBlock:
            await self._flushing.acquire()
        try:
            if pending := self._outgoing.read():
                await self._inner.send(pending)
        finally:
            self._flushing.release()

    async def wait(self) -> None:
        if not self._incoming.pending and not self._ended:
            await self._inner.wait()

    def interrupt(self, reason: BaseException) -> bool:
        return self._inner.interrupt(reason)

    def on_hangup(self, callback: Callable[[], None] | None) -> None:
        self._inner.on_hangup(callback)

    def close(self) -> None:
        self._inner.close()

    def abort(self) -> None:
        self._inner.abort()


class MemoryTransport:
    """One end of an in-memory pair, for tests with a mock clock: no socket, no system call.

    `window_bytes` bounds what may be under way, so that a slow reader holds the sender back.
    """

    def __init__(self, window_bytes: int = 65536) -> None:
        self._buffer = bytearray()
        self._window_bytes = window_bytes
        self._ended = False
        self._reset = False
        self._closed = False
        self._lot = trio.lowlevel.ParkingLot()
        self._interruption: BaseException | None = None
        self._waiting = False
        self._callback: Callable[[], None] | None = None
        self._peer: MemoryTransport | None = None

    @property
    def hung_up(self) -> bool:
        return self._ended

    @property
    def has_unread(self) -> bool:
        return bool(self._buffer) or self._ended

    async def recv(self) -> bytes:
        await self.wait()
        if self._reset:
            raise ConnectionResetError("reset by the peer")
        data = bytes(self._buffer)
        self._buffer.clear()
        if self._peer is not None:
            self._peer._lot.unpark_all()
        return data

    async def send(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            peer = self._peer
            if peer is None or peer._closed or self._closed:
                raise BrokenPipeError("the peer is gone")
            room = peer._window_bytes - len(peer._buffer)
            if room <= 0:
                await self._lot.park()
                continue
            peer._buffer += rest[:room]
            rest = rest[room:]
            peer._lot.unpark_all()
        await trio.lowlevel.checkpoint_if_cancelled()

    async def wait(self) -> None:
        while not self._buffer and not self._ended:
            if self._closed:
                raise trio.ClosedResourceError("closed already")
            self._waiting = True
            try:
                await self._lot.park()
            finally:
                self._waiting = False
            if self._interruption is not None:
                reason, self._interruption = self._interruption, None
                raise reason

    def interrupt(self, reason: BaseException) -> bool:
        if not self._waiting:
            return False
        self._interruption = reason
        self._lot.unpark_all()
        return True

    def on_hangup(self, callback: Callable[[], None] | None) -> None:
        self._callback = callback

    def close(self) -> None:
        self._shut(reset=False)

    def abort(self) -> None:
        self._shut(reset=True)

    def _shut(self, *, reset: bool) -> None:
        if self._closed:
            return
        self._closed = True
        self._lot.unpark_all()
        peer = self._peer
        if peer is not None and not peer._ended:
            peer._ended = True
            peer._reset = reset
            peer._lot.unpark_all()
            if peer._callback is not None:
                peer._callback()


def memory_pair(window_bytes: int = 65536) -> tuple[MemoryTransport, MemoryTransport]:
    """Two connected in-memory transports."""
    one, other = MemoryTransport(window_bytes), MemoryTransport(window_bytes)
    one._peer, other._peer = other, one
    return one, other
