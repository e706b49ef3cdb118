"""One client that is answered by a flight, or from what is kept, instead of by its own exchange.

Contract: the client is answered once, in its own dialect and with its own headers; its record is
settled once, before its last bytes go out, unless it leads: then its ledger belongs to the exchange
that runs in the flight. What a passenger gets, it did not cost: its usage is nothing.
"""

from contextlib import suppress
from typing import TYPE_CHECKING, Final

import trio

from omniroute.errors import ErrorKind, GatewayError
from omniroute.formats.base import Dialect
from omniroute.gateway import answers
from omniroute.gateway.flight import Begin, End, Flight, Frame, Whole
from omniroute.gateway.keeping import KeptBytes, lasting_headers
from omniroute.gateway.reply import CLIENT_GONE, LAST_WORDS_S
from omniroute.wire.http1 import Request

if TYPE_CHECKING:
    from omniroute.gateway.connection import ClientConnection
    from omniroute.gateway.ledger import Ledger

# What the record says of the cache -> what the client is told; a replay is not the cache's work.
_SHOWN: Final = {
    "hit": b"hit",
    "collapsed": b"hit",
    "semantic-hit": b"semantic-hit",
    "miss": b"miss",
}


class Passenger:
    """`personal`: header lines that are this client's own, as `reply.personal_headers` makes them.

    `keepalive_s`: after so much silence a stream gets a keepalive while it waits; 0: none, as the
    client did not ask for a stream.
    """

    __slots__ = (
        "_begun",
        "_begun_early",
        "_connection",
        "_dialect",
        "_keepalive_s",
        "_ledger",
        "_personal",
        "_request",
        "_silent_since",
        "_sse",
        "_writing",
        "leads",
        "position",
    )

    def __init__(
        self,
        connection: "ClientConnection",
        request: Request,
        dialect: Dialect,
        ledger: "Ledger",
        *,
        personal: bytes,
        keepalive_s: float,
        sse: bool,
    ) -> None:
        self._connection = connection
        self._request = request
        self._dialect = dialect
        self._ledger = ledger
        self._personal = personal
        self._keepalive_s = keepalive_s
        self._sse = sse
        self._begun = False  # status and headers are sent
        self._begun_early = False  # by a keepalive, before it was known who answers
        self._writing = False
        self._silent_since = connection.clock()
        self.leads = False
        self.position = 0  # of the next frame to copy

    @property
    def connection(self) -> "ClientConnection":
        return self._connection

    @property
    def ledger(self) -> "Ledger":
        return self._ledger

    # --- waiting --------------------------------------------------------------------------------

    async def pause(self, seconds: float) -> None:
        """Wait, and tell the client that we are still there when that is due."""
        await trio.sleep(seconds)
        self._ledger.upstream_wait_s += seconds
        now = self._connection.clock()
        if self._keepalive_s and now - self._silent_since >= self._keepalive_s:
            self._silent_since = now
            data = self._dialect.keepalive(sse=self._sse)
            content_type = self._dialect.stream_content_type(sse=self._sse)
            self._begun_early = self._begun_early or not self._begun
            await self._stream(200, content_type, answers.STREAM_HEADERS, data)

    # --- being answered -------------------------------------------------------------------------

    async def ride(self, flight: Flight, mark: str) -> None:
        """Copy an answer while it is written. `mark`: what the record says of the cache."""
        self._ledger.cache = mark
        flight.board(self)
        try:
            await self._copy(flight)
        except trio.Cancelled:
            if not self._connection.hung_up and not self._writing:
                with trio.move_on_after(LAST_WORDS_S, shield=True), suppress(OSError):
                    flight.cut()
                    await self._copy(flight)
            raise
        finally:
            flight.leave(self)

    async def _copy(self, flight: Flight) -> None:
        clock = self._connection.clock
        while True:
            if frames := flight.at_hand(self.position):
                await self._send(frames)
                self.position += len(frames)
                flight.copied()
                if isinstance(frames[-1], End | Whole):
                    return
            elif flight.landed.is_set():
                raise GatewayError(ErrorKind.INTERNAL, "The shared call ended without an answer.")
            else:
                began = clock()
                await flight.news()
                if not self.leads:
                    self._ledger.upstream_wait_s += clock() - began

    async def give(self, kept: KeptBytes, mark: str) -> None:
        """Answer with what is kept."""
        self._ledger.cache = mark
        if kept.streamed:
            begin = Begin(kept.status, kept.content_type, kept.extra, kept.body)
            await self._send([begin, End(b"", failed=False)])
            return
        error = None
        if kept.status >= 400 and self._begun:
            said = self._dialect.upstream_error(kept.body)
            error = GatewayError(
                ErrorKind.UPSTREAM_ERROR,
                said.message,
                status=kept.status,
                error_type=said.type,
                code=said.code,
                param=said.param,
            )
        await self._send([Whole(kept.status, kept.content_type, kept.extra, kept.body, error)])

    async def refuse(self, error: GatewayError) -> None:
        """Answer with an error of our own, which is this client's alone."""
        await self._send([Whole(error.status, answers.JSON, b"", b"", error)])

    async def cancelled(self) -> None:
        """The client left, or the gateway stops; what a flight could still say has been said."""
        self._connection.keep_alive = False
        if self.leads:
            return
        if self._connection.hung_up or self._writing:
            self.lost("the client left")
            return
        with trio.move_on_after(LAST_WORDS_S, shield=True), suppress(OSError):
            await self.refuse(GatewayError(ErrorKind.OVERLOADED, "The gateway is shutting down."))

    def lost(self, why: str) -> None:
        """The client is gone; only the record is left to write."""
        self._connection.keep_alive = False
        self._settle("cancelled", 200 if self._begun else CLIENT_GONE, why)

    # --- writing --------------------------------------------------------------------------------

    async def _send(self, frames: list[Frame]) -> None:
        """Frames that follow each other, in as few writes as may be."""
        self._writing = True  # stays so where a write was cut: nothing fits behind half of one
        last = frames[-1]
        if isinstance(last, Whole):
            await self._send_whole(last)
        else:
            begin = frames[0] if isinstance(frames[0], Begin) else None
            data = b"".join(
                frame if isinstance(frame, bytes) else frame.data
                for frame in frames
                if not isinstance(frame, End)
            )
            if begin is not None:
                await self._stream(begin.status, begin.content_type, begin.extra, data)
            elif data:
                await self._stream(200, b"", b"", data)
            if isinstance(last, End):
                await self._end(last)
        self._writing = False

    async def _end(self, end: End) -> None:
        data = end.data
        if self._begun_early and self._sse and (shown := self._shown()):
            data = b": %b\n\n" % shown.strip() + data
        self._count(data)
        if end.failed:
            self._settle("failed", 200, "the call that it shared failed in mid-stream")
            await self._connection.break_stream(self._request, data)
        else:
            self._settle("ok", 200, "")
            await self._connection.end_stream(self._request, data)

    async def _stream(self, status: int, content_type: bytes, extra: bytes, data: bytes) -> None:
        self._count(data)
        if self._begun:
            if data:
                await self._connection.send_piece(self._request, data)
            return
        self._begun = True
        headers = self._headers(extra, self._shown())
        if not self.leads:
            headers += answers.STREAM_HEADERS
        await self._connection.start_stream(self._request, status, content_type, headers, data)

    async def _send_whole(self, whole: Whole) -> None:
        error = whole.error
        data = whole.data
        if error is not None and self._begun:
            data = self._dialect.error_event(error, sse=self._sse)
        self._count(data)
        if error is not None:
            self._settle("failed", 200 if self._begun else error.status, error.message)
        else:
            self._settle("ok" if whole.status < 400 else "failed", whole.status, "")
        if self._begun and error is not None:
            await self._connection.break_stream(self._request, data)
        elif self._begun:
            await self._connection.end_stream(self._request, data)
        elif error is not None:
            extra = self._headers(whole.extra, b"")  # a cache neither hits nor misses an error
            await self._connection.respond_error(self._request, error, self._dialect, extra)
        else:
            extra = self._headers(whole.extra, self._shown())
            await self._connection.respond(
                self._request, whole.status, data, whole.content_type, extra
            )

    def _headers(self, extra: bytes, shown: bytes) -> bytes:
        """The answer's own headers: all of them for who began it, else those that still hold."""
        if self.leads:
            return extra + self._personal + shown
        self._ledger.note_first_byte()
        overhead = b"x-omniroute-overhead-us: %d\r\n" % self._ledger.overhead_us
        return lasting_headers(extra) + self._personal + shown + overhead

    def _shown(self) -> bytes:
        shown = _SHOWN.get(self._ledger.cache)
        return b"" if shown is None else b"x-omniroute-cache: %b\r\n" % shown

    def _count(self, data: bytes) -> None:
        if not self.leads:
            self._ledger.answer_bytes += len(data)

    def _settle(self, outcome: str, status: int, error: str) -> None:
        if not self.leads:
            self._ledger.settle(outcome, status, error)
