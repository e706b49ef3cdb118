"""Connections to upstreams and the pool that keeps them.

Contract of the pool: one last-in-first-out stack of idle connections per `Origin`, everything O(1).
Two origins never share a connection, so different proxies or TLS settings never do. At most
`size` connections per origin exist; who comes later waits in line, and what is given back goes to
the first in line, past whoever comes later still. An idle connection whose peer hung up is closed
at once; one on which something arrived is never handed out. A connection goes back only when its
framing ended beyond doubt; everything else is closed.

Invariant: while anybody waits for an origin, `size` connections (or attempts at one) exist and none
is idle. A place that becomes free while somebody waits is not counted down but handed on.
"""

from collections import OrderedDict, deque
from collections.abc import Callable
from functools import partial
from typing import Final

import trio

from omniroute.net.connector import ConnectFailed, Connector, Origin
from omniroute.net.transport import Transport
from omniroute.wire.http1 import Limits, Response, ResponseReader

# Answers of upstreams: generous, since some send long policy headers.
HEAD_LIMITS: Final = Limits(head_bytes=65536, header_count=200)


class Upstream:
    """One connection to an upstream: one exchange at a time."""

    __slots__ = ("_reader", "exchanges", "idle_since", "origin", "resting", "transport")

    def __init__(self, origin: Origin, transport: Transport) -> None:
        self.origin = origin
        self.exchanges = 0
        self.resting = False  # in the pool
        self.idle_since = 0.0
        self.transport = transport
        self._reader = ResponseReader(HEAD_LIMITS)

    async def send(self, method: bytes, data: bytes) -> None:
        """Start an exchange: the head, with the whole body or its beginning."""
        self.exchanges += 1
        self._reader.start(method)
        await self.transport.send(data)

    async def send_more(self, data: bytes) -> None:
        """Further bytes of the request body, framed by the caller."""
        await self.transport.send(data)

    async def head(self) -> Response:
        """The head of the answer (1xx are passed over). OSError or ProtocolError when it fails."""
        reader = self._reader
        while True:
            await self._fill()  # nothing can be there yet: an exchange starts with empty hands
            if (response := reader.next_response()) is not None:
                return response

    def body_at_hand(self) -> bytes | None:
        """What `body` would return if that needs no waiting, else None."""
        return self._reader.next_body()

    async def body(self) -> bytes:
        """The next bytes of the answer's body; b"" at its proper end."""
        reader = self._reader
        while (data := reader.next_body()) is None:
            await self._fill()
        return data

    async def _fill(self) -> None:
        data = await self.transport.recv()
        if data:
            self._reader.feed(data)
        elif self._reader.answered:
            self._reader.eof()
        else:
            # Like a reset: an idle connection often ends just as it is taken up again.
            raise ConnectionResetError("it closed the connection without an answer")

    @property
    def answered(self) -> bool:
        """Has any byte of an answer arrived in the present exchange?"""
        return self._reader.answered

    @property
    def reusable(self) -> bool:
        return self._reader.reusable and not self.transport.hung_up

    def close(self) -> None:
        self.transport.on_hangup(None)
        self.transport.close()


class _InLine:
    """Somebody who waits; once `turn` is set, either for this connection or for a bare place."""

    __slots__ = ("turn", "upstream")

    def __init__(self) -> None:
        self.turn = trio.Event()
        self.upstream: Upstream | None = None


class Pool:
    """The upstream connections of one worker."""

    def __init__(
        self,
        connector: Connector,
        *,
        size: int = 1024,
        idle_s: float = 55.0,
        clock: Callable[[], float] = trio.current_time,
    ) -> None:
        self._clock = clock
        self._connector = connector
        self.size = size
        self.idle_s = idle_s
        self._idle: dict[Origin, OrderedDict[Upstream, None]] = {}  # the oldest first
        self._open: dict[Origin, int] = {}  # idle, in use, or being opened
        self._waiting: dict[Origin, deque[_InLine]] = {}

    async def acquire(self, origin: Origin, *, fresh: bool = False) -> Upstream:
        """An idle connection if there is a live one, else a new one. Raises ConnectFailed.

        `fresh` asks for a new one: the request has already died on one that looked alive.
        """
        idle = self._idle.get(origin)
        if idle and fresh and self._open[origin] >= self.size:
            self._drop(idle.popitem(last=False)[0])  # make place for the fresh one
        while idle and not fresh:
            upstream, _ = idle.popitem()
            upstream.resting = False
            if not upstream.transport.has_unread:
                return upstream
            self._drop(upstream)  # it closed, or sent what nobody asked for
        count = self._open.get(origin, 0)
        if count < self.size:
            self._open[origin] = count + 1
        else:
            given = await self._wait_in_line(origin)
            if given is not None:
                if not fresh and not given.transport.has_unread:
                    return given
                given.close()  # its place stays ours
        return await self._open_new(origin)

    async def _open_new(self, origin: Origin) -> Upstream:
        """A new connection in a place that is already counted."""
        try:
            transport = await self._connector.connect(origin)
        except BaseException:
            self._leave(origin)
            raise
        upstream = Upstream(origin, transport)
        transport.on_hangup(partial(self._lost, upstream))
        return upstream

    async def _wait_in_line(self, origin: Origin) -> Upstream | None:
        """Wait for our turn: a connection, or None for the place of one."""
        own = _InLine()
        self._waiting.setdefault(origin, deque()).append(own)
        try:
            with trio.move_on_after(self._connector.connect_s):
                await own.turn.wait()
        finally:
            if not own.turn.is_set():
                self._give_up(origin, own)
        if not own.turn.is_set():
            raise ConnectFailed(
                f"all {self.size} connections to {origin.host} stayed busy for "
                f"{self._connector.connect_s:g} s; raise upstream.pool_size"
            )
        return own.upstream

    def _give_up(self, origin: Origin, own: _InLine) -> None:
        queue = self._waiting[origin]
        queue.remove(own)
        if not queue:
            del self._waiting[origin]

    def _next_in_line(self, origin: Origin) -> _InLine | None:
        queue = self._waiting.get(origin)
        if queue is None:
            return None
        first = queue.popleft()
        if not queue:
            del self._waiting[origin]
        return first

    def release(self, upstream: Upstream) -> None:
        """Take a connection back after its exchange; it is closed if it cannot serve again."""
        if not upstream.reusable:
            self._drop(upstream)
            return
        if upstream.exchanges == 1:
            self._connector.remember_session(upstream.origin, upstream.transport)
        origin = upstream.origin
        if self._waiting and (waiter := self._next_in_line(origin)) is not None:
            waiter.upstream = upstream
            waiter.turn.set()
            return
        idle = self._idle.get(origin)
        if idle is None:
            idle = self._idle[origin] = OrderedDict()
        idle[upstream] = None
        upstream.resting = True
        upstream.idle_since = self._clock()

    def discard(self, upstream: Upstream) -> None:
        """Close a connection whose exchange did not end properly."""
        self._drop(upstream)

    def _lost(self, upstream: Upstream) -> None:
        """The peer hung up; while an exchange is under way, that is for its reader to find."""
        if upstream.resting:
            del self._idle[upstream.origin][upstream]
            self._drop(upstream)

    def _drop(self, upstream: Upstream) -> None:
        upstream.resting = False
        upstream.close()
        self._leave(upstream.origin)

    def _leave(self, origin: Origin) -> None:
        """A connection is gone: its place goes to the next in line, if anybody waits."""
        if self._waiting and (waiter := self._next_in_line(origin)) is not None:
            waiter.turn.set()
            return
        self._open[origin] -= 1
        if not self._open[origin]:
            del self._open[origin]
            self._idle.pop(origin, None)  # empty by now

    def expire(self, now: float) -> None:
        """Close what has been idle too long."""
        oldest_allowed = now - self.idle_s
        for idle in list(self._idle.values()):
            while idle and next(iter(idle)).idle_since < oldest_allowed:
                self._drop(idle.popitem(last=False)[0])

    def close(self) -> None:
        """Close every idle connection."""
        for idle in list(self._idle.values()):
            while idle:
                self._drop(idle.popitem(last=False)[0])

    @property
    def idle_count(self) -> int:
        return sum(len(idle) for idle in self._idle.values())

    @property
    def open_count(self) -> int:
        return sum(self._open.values())
