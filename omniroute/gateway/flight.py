"""One answer on its way to several clients at once.

A `Flight` is a carrier: an exchange writes its answer to it once, and every client on board (a
`Passenger`) copies that to its own connection at its own pace. The exchange runs in a task of its
own, so it ends neither with the client that began it nor with any other; when the last one leaves,
it is cancelled, and with it the upstream call.

Memory: what was written is retained from its beginning, so that others can still board and the
answer can be kept, up to `limit_bytes` and as far as the `Hold` of the worker has room. Beyond that
the flight is closed: nobody boards any more, what all have copied is dropped, and once the slowest
lags `LAG_BYTES` behind, the exchange waits for it (`limits.write_s` ends a client that reads
nothing at all).

Invariants: frames are `Begin`, pieces and `End`, or one `Whole`; each passenger copies all of them
in order; the last frame is retained until everybody has left.
"""

from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import trio

from omniroute.errors import GatewayError
from omniroute.formats.base import Dialect
from omniroute.gateway import answers
from omniroute.gateway.keeping import KeptBytes, is_repeatable, lasting_headers
from omniroute.wire.http1 import Request

if TYPE_CHECKING:
    from omniroute.gateway.connection import ClientConnection
    from omniroute.gateway.passenger import Passenger
    from omniroute.gateway.server import Gateway

LAG_BYTES: Final = 262_144
_FRAME_BYTES: Final = 128  # of a frame beside its data, as Python keeps it


class Begin(NamedTuple):
    """The head of a stream with its first bytes."""

    status: int
    content_type: bytes
    extra: bytes
    data: bytes


class End(NamedTuple):
    """The last bytes of a stream."""

    data: bytes
    failed: bool


class Whole(NamedTuple):
    """An answer in one piece; `error`: it is one, and each client is told in its own shape."""

    status: int
    content_type: bytes
    extra: bytes
    data: bytes
    error: GatewayError | None


Frame: TypeAlias = Begin | bytes | End | Whole


class Hold:
    """What all flights of a worker together may retain."""

    __slots__ = ("limit_bytes", "taken_bytes")

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.taken_bytes = 0


class Flight:
    """A `Carrier` for those on board. Times and ids are those of the request that began it."""

    def __init__(self, leader: "ClientConnection", limit_bytes: int, hold: Hold) -> None:
        self.gateway: Gateway = leader.gateway
        self.clock: Callable[[], float] = leader.clock
        self.request_id: bytes = leader.request_id
        self.received_at: float = leader.received_at
        self.body_wait_s: float = leader.body_wait_s
        self.keep_alive = True  # each passenger's connection decides for itself
        self.due = inf
        self.on_overdue: Callable[[float], None] | None = None
        self.closed = False  # to further passengers, and to being kept
        self.ended = False  # the last frame has been written
        self.landed = trio.Event()  # the exchange is over and what is kept of it is kept
        self.scope = trio.CancelScope()
        self._passengers: set[Passenger] = set()
        self._waiting: set[Passenger] = set()
        self._frames: list[Frame] = []
        self._dropped = 0  # frames before the first retained one
        self._retained_bytes = 0
        self._limit_bytes = limit_bytes
        self._hold = hold
        self._news = trio.lowlevel.ParkingLot()
        self._progress = trio.lowlevel.ParkingLot()

    # --- the carrier ----------------------------------------------------------------------------

    @property
    def hung_up(self) -> bool:
        return not self._passengers and not self._waiting

    async def respond(
        self,
        request: Request,
        status: int,
        body: bytes,
        content_type: bytes = answers.JSON,
        extra: bytes = b"",
    ) -> None:
        await self._write(Whole(status, content_type, extra, body, None), len(body))

    async def respond_error(
        self, request: Request, error: GatewayError, dialect: Dialect, extra: bytes = b""
    ) -> None:
        body = dialect.error_body(error)
        await self._write(Whole(error.status, answers.JSON, extra, body, error), len(body))

    async def start_stream(
        self, request: Request, status: int, content_type: bytes, extra: bytes, first: bytes
    ) -> None:
        await self._write(Begin(status, content_type, extra, first), len(first))

    async def send_piece(self, request: Request, data: bytes) -> None:
        await self._write(data, len(data))

    async def end_stream(self, request: Request, last: bytes = b"") -> None:
        await self._write(End(last, failed=False), len(last))

    async def break_stream(self, request: Request, last: bytes) -> None:
        await self._write(End(last, failed=True), len(last))

    async def _write(self, frame: Frame, size: int) -> None:
        self._frames.append(frame)
        self.ended = isinstance(frame, End | Whole)
        self._retain(size + _FRAME_BYTES)
        self.closed = (
            self.closed
            or self._retained_bytes > self._limit_bytes
            or self._hold.taken_bytes > self._hold.limit_bytes
        )
        self._news.unpark_all()
        if self.closed:
            self._drop_copied()
            while self._retained_bytes > LAG_BYTES and self._passengers and not self.ended:
                await self._progress.park()
        await trio.lowlevel.checkpoint_if_cancelled()

    def _retain(self, size: int) -> None:
        self._retained_bytes += size
        self._hold.taken_bytes += size

    def _drop_copied(self) -> None:
        """What all on board have copied; those who still wait for the landing will not board."""
        end = self._dropped + len(self._frames)
        copied = min((each.position for each in self._passengers), default=end) - self._dropped
        gone = self._frames[: min(copied, len(self._frames) - self.ended)]
        del self._frames[: len(gone)]
        self._dropped += len(gone)
        self._retain(-sum(len(_data(frame)) + _FRAME_BYTES for frame in gone))

    # --- those on board -------------------------------------------------------------------------

    @property
    def open(self) -> bool:
        """May others board? Not once it is given up, or once its beginning is no longer there."""
        return not self.closed and not self.scope.cancel_called and not self.landed.is_set()

    @property
    def may_be_kept(self) -> bool:
        """Is it on its way, with something to be kept in the end as far as is known?"""
        return not self.closed and not self.landed.is_set()

    def board(self, passenger: "Passenger") -> None:
        self._passengers.add(passenger)

    def wait_for(self, passenger: "Passenger") -> None:
        """One who wants what is kept in the end, in another form: nothing is retained for it."""
        self._waiting.add(passenger)

    def leave(self, passenger: "Passenger") -> None:
        """Idempotent. The last to leave an answer that has not come to its end cancels it."""
        self._passengers.discard(passenger)
        self._waiting.discard(passenger)
        self.copied()
        if self.hung_up:
            if self.landed.is_set():
                self._let_go()
            elif not self.ended:
                self.scope.cancel()

    def cut(self) -> None:
        """The gateway stops: the exchange shall end now, and say so."""
        if not self.ended:
            self.scope.cancel()

    def at_hand(self, position: int) -> list[Frame]:
        """The frames from a position on, without waiting."""
        return self._frames[position - self._dropped :]

    def copied(self) -> None:
        """A passenger has come further."""
        if self.closed:
            self._drop_copied()
            self._progress.unpark_all()

    async def news(self) -> None:
        """Wait for the next frame, or for the landing."""
        await self._news.park()

    # --- the end --------------------------------------------------------------------------------

    def land(self) -> None:
        """The exchange is over, whatever came of it. Those on board copy what is left."""
        self.landed.set()
        self._news.unpark_all()
        if self.hung_up:
            self._let_go()

    def _let_go(self) -> None:
        self._retain(-self._retained_bytes)
        self._frames.clear()

    @property
    def is_good(self) -> bool:
        """Is it an answer, and has it come to its proper end?"""
        if not self.ended:
            return False
        match self._frames[-1]:
            case End(failed=failed):
                return not failed
            case Whole(status=status, error=error):
                return error is None and status < 300
        return False

    def whole(self) -> KeptBytes | None:
        """All of it, if it may be given to the same request again. Not for a closed flight."""
        if not self.ended or self.closed:
            return None
        last = self._frames[-1]
        if isinstance(last, Whole):
            if not is_repeatable(last.status):
                return None
            extra = lasting_headers(last.extra)
            return KeptBytes(last.status, last.content_type, extra, False, last.data)
        begin = self._frames[0]
        if not self.is_good or not isinstance(begin, Begin):
            return None
        body = b"".join(map(_data, self._frames))
        extra = lasting_headers(begin.extra)
        return KeptBytes(begin.status, begin.content_type, extra, True, body)


def _data(frame: Frame) -> bytes:
    return frame if isinstance(frame, bytes) else frame.data
