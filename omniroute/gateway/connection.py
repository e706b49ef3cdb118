"""One client connection: reads requests in order, has each served, decides whether to go on.

Contract: at most one request is served at a time; what a client pipelines stays unread in the
reader's bounded buffer until its turn. Every wait has a deadline, kept as a plain number in `due`
and enforced by the server's sweep (`expire`), which interrupts the waiting task: no cancel scope
per request. When the client hangs up while a request is served, the whole task is cancelled, and
with it the upstream call.
"""

import logging
from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import trio

from omniroute.errors import ErrorKind, GatewayError
from omniroute.formats.base import Dialect
from omniroute.formats.table import DEFAULT_FORMAT, DIALECTS
from omniroute.gateway import answers
from omniroute.gateway.decoding import (
    Decoder,
    DecodingError,
    TooLarge,
    UnknownCoding,
    is_identity,
)
from omniroute.net.transport import Transport
from omniroute.wire.http1 import LAST_CHUNK, Limits, ProtocolError, Request, RequestReader, chunk

if TYPE_CHECKING:
    from omniroute.gateway.capture import Capture
    from omniroute.gateway.ledger import Ledger
    from omniroute.gateway.server import Gateway
    from omniroute.gateway.view import Principal, View

LINGER_S: Final = 2.0
LINGER_BYTES: Final = 1 << 20

_log = logging.getLogger("omniroute.gateway")


class Overdue(Exception):
    """Raised in a task that waits for a peer when the sweep finds its deadline passed."""


# Words and not members of an Enum, each of which costs as much to look up as three calls.
Phase: TypeAlias = Literal["idle", "head", "body", "serving", "closing"]
"""What a connection is doing; names the deadline that holds."""


class ClientConnection:
    """One accepted connection."""

    __slots__ = (
        "_body_complete",
        "_reader",
        "_scope",
        "address",
        "body_wait_s",
        "capture",
        "client_address",
        "clock",
        "credential",
        "due",
        "endless",
        "gateway",
        "keep_alive",
        "ledger",
        "on_overdue",
        "phase",
        "received_at",
        "request_id",
        "transport",
    )

    def __init__(self, gateway: "Gateway", transport: Transport, address: str) -> None:
        limits = gateway.view.limits
        self.gateway = gateway
        self.transport = transport
        self.address = address
        self.client_address = address  # another one behind a trusted proxy
        self.clock = gateway.clock
        self.due = inf
        self.phase: Phase = "idle"
        self.keep_alive = True
        self.received_at = 0.0
        self.body_wait_s = 0.0
        self.request_id = b""
        self.on_overdue: Callable[[float], None] | None = None
        self.ledger: Ledger | None = None  # of the request that is served
        self.capture: Capture | None = None  # where its bodies are kept
        self.endless = False  # what is served ends only when somebody leaves: a live feed
        self.credential: tuple[View, bytes, Principal] | None = None  # the last judged
        self._reader = RequestReader(Limits(limits.head_bytes, limits.header_count))
        self._scope = trio.CancelScope()
        self._body_complete = True
        transport.on_hangup(self._hung_up)

    # --- from outside the connection's own task -------------------------------------------------

    def expire(self, now: float) -> None:
        """The deadline has passed; called by the sweep."""
        if self.on_overdue is not None:
            self.on_overdue(now)  # a request is served; its exchange knows what is due
        else:
            self.due = inf
            self.transport.interrupt(Overdue())

    def retire(self) -> None:
        """No further request, please: the gateway drains. One that is idle, or serves what has no
        end, ends at once."""
        self.keep_alive = False
        if self.phase == "idle" or self.endless:
            self.cancel()

    def cancel(self) -> None:
        self._scope.cancel()

    def _hung_up(self) -> None:
        if self.phase == "serving":
            self._scope.cancel()

    @property
    def hung_up(self) -> bool:
        """The client has left, as far as is known."""
        return self.transport.hung_up

    # --- the task -------------------------------------------------------------------------------

    async def run(self) -> None:
        """Serve until either side ends. Never raises for what a client does."""
        with self._scope:
            try:
                await self._serve_all()
            except ProtocolError as error:
                await self._refuse(error)
            except (OSError, trio.ClosedResourceError, Overdue) as error:
                _log.debug("connection from %s ended: %r", self.address, error)
            finally:
                self.phase = "closing"
                self.transport.on_hangup(None)
                self.transport.close()

    async def _serve_all(self) -> None:
        while True:
            request = await self._next_request()
            if request is None:
                return
            self.keep_alive = request.keep_alive and not self.gateway.draining
            self.phase = "serving"
            self.due = inf
            try:
                await self.gateway.dispatch(self, request)
            finally:
                self.on_overdue = None
                self.ledger = None
                self.endless = False
                if self.capture is not None:
                    self.capture.release()
                    self.capture = None
            if not self._body_complete:
                self.keep_alive = False
                await self._linger()
            if not self.keep_alive:
                return

    async def _next_request(self) -> Request | None:
        """The next request, or None when the client has ended or stays idle too long."""
        reader = self._reader
        limits = self.gateway.view.limits
        self.phase = "idle"
        self.due = self.clock() + limits.idle_s
        if (request := reader.next_request()) is None:
            while True:
                try:
                    data = await self.transport.recv()
                except Overdue:
                    if self.phase == "idle":
                        return None
                    raise ProtocolError(408, "the head of the request took too long") from None
                if not data:
                    reader.eof()
                    return None
                if self.phase == "idle":
                    self.phase = "head"
                    self.received_at = self.clock()
                    self.due = self.received_at + limits.head_s
                reader.feed(data)
                if (request := reader.next_request()) is not None:
                    break
        else:
            self.received_at = self.clock()
        self._body_complete = not (request.chunked or request.content_length)
        self.body_wait_s = 0.0
        self.request_id = self.gateway.new_request_id()
        return request

    async def read_body_piece(self, request: Request) -> bytes:
        """The next bytes of the request's body as sent; b"" at its end. For bodies passed on."""
        if self._body_complete:
            return b""
        reader = self._reader
        if (data := reader.next_body()) is None:
            if request.expect_continue and self.body_wait_s == 0.0:
                await self.transport.send(answers.CONTINUE)
            began = self.clock()
            self.phase = "body"
            while data is None:
                received = await self.transport.recv()
                if received:
                    reader.feed(received)
                else:
                    reader.eof()
                data = reader.next_body()
            self.phase = "serving"
            self.body_wait_s += max(self.clock() - began, 1e-9)
        if not data:
            self._body_complete = True
        return data

    async def read_body(self, request: Request) -> bytes:
        """The whole body, content codings undone, within the limits on size and time."""
        limits = self.gateway.view.limits
        limit = limits.body_bytes
        length = request.content_length
        coding = request.fields.get(b"content-encoding")
        if length is not None and length > limit:
            raise _too_large(limit)
        if length and coding is None and self._reader.buffered_bytes >= length:
            self._body_complete = True  # it came along with the head, as nearly every body does
            return self._reader.next_body() or b""
        decoder = None if is_identity(coding) else _decoder(coding or b"", limit)
        self.due = self.clock() + limits.body_s
        try:
            pieces: list[bytes] = []
            received = 0
            while piece := await self.read_body_piece(request):
                received += len(piece)
                if received > limit:
                    raise _too_large(limit)
                pieces.append(piece if decoder is None else decoder.feed(piece))
            if decoder is not None:
                decoder.finish()
        except Overdue:
            raise GatewayError(
                ErrorKind.REQUEST_TIMEOUT,
                f"The request body did not arrive within {limits.body_s:g} s.",
            ) from None
        except TooLarge:
            raise _too_large(limit) from None
        except DecodingError as error:
            raise GatewayError(
                ErrorKind.BAD_REQUEST, f"The request body cannot be decompressed: {error}."
            ) from None
        self.due = inf
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def respond(
        self,
        request: Request,
        status: int,
        body: bytes,
        content_type: bytes = answers.JSON,
        extra: bytes = b"",
    ) -> None:
        """One whole answer. HEAD gets the head alone."""
        if self.capture is not None:
            self.capture.told(body)
        if not self._body_complete:
            self.keep_alive = False
        head = answers.head(
            status,
            content_type,
            len(body),
            date=self.gateway.date.line(),
            request_id=self.request_id,
            extra=extra,
            keep_alive=self.keep_alive,
        )
        await self.transport.send(head if request.method == b"HEAD" else head + body)

    async def respond_error(
        self, request: Request, error: GatewayError, dialect: Dialect, extra: bytes = b""
    ) -> None:
        """An error in the shape of the client's dialect."""
        if error.retry_after_s is not None:
            extra += b"retry-after: %d\r\n" % max(1, round(error.retry_after_s))
        await self.respond(request, error.status, dialect.error_body(error), extra=extra)

    async def start_stream(
        self, request: Request, status: int, content_type: bytes, extra: bytes, first: bytes
    ) -> None:
        """The head of an answer of unknown length, with its first bytes in the same packet."""
        if self.capture is not None:
            self.capture.told(first)
        chunked = request.http_minor == 1
        if not chunked:
            self.keep_alive = False  # HTTP/1.0: the end of the connection is the end of the body
        head = answers.head(
            status,
            content_type,
            None,
            date=self.gateway.date.line(),
            request_id=self.request_id,
            extra=extra,
            keep_alive=self.keep_alive,
            chunked=chunked,
        )
        await self.transport.send(head + (chunk(first) if chunked else first))

    async def send_piece(self, request: Request, data: bytes) -> None:
        """Further bytes of a streamed answer."""
        if self.capture is not None:
            self.capture.told(data)
        await self.transport.send(chunk(data) if request.http_minor == 1 else data)

    async def end_stream(self, request: Request, last: bytes = b"") -> None:
        """The proper end of a streamed answer, with its last bytes."""
        if self.capture is not None:
            self.capture.told(last)
        if request.http_minor == 1:
            await self.transport.send(chunk(last) + LAST_CHUNK)
        elif last:
            await self.transport.send(last)

    async def break_stream(self, request: Request, last: bytes) -> None:
        """The end of a streamed answer that failed, proper for HTTP all the same."""
        await self.end_stream(request, last)

    async def _refuse(self, error: ProtocolError) -> None:
        """Answer what is not HTTP as far as that can be done, then close."""
        self.request_id = self.request_id or self.gateway.new_request_id()
        told = GatewayError(
            ErrorKind.BAD_REQUEST,
            f"Not a valid HTTP request: {error.message}.",
            status=error.status,
        )
        body = DIALECTS[DEFAULT_FORMAT].error_body(told)  # whose dialect it is, it did not say
        head = answers.head(
            error.status,
            answers.JSON,
            len(body),
            date=self.gateway.date.line(),
            request_id=self.request_id,
            extra=b"",
            keep_alive=False,
        )
        try:
            await self.transport.send(head + body)
            await self._linger()
        except OSError as gone:
            _log.debug("refusal of %s not delivered: %r", self.address, gone)

    async def _linger(self) -> None:
        """Let the client read our answer before the connection is torn down under its body.

        Closing with unread bytes would reset the connection and could take the answer with it.
        """
        self.phase = "closing"
        self.due = self.clock() + LINGER_S
        discarded = 0
        try:
            while discarded < LINGER_BYTES and (data := await self.transport.recv()):
                discarded += len(data)
        except (OSError, Overdue) as ended:
            _log.debug("%s did not close by itself: %r", self.address, ended)


def _too_large(limit: int) -> GatewayError:
    return GatewayError(
        ErrorKind.BODY_TOO_LARGE,
        f"The request body is larger than {limit} bytes (limits.body_bytes), as sent or expanded.",
    )


def _decoder(coding: bytes, limit: int) -> Decoder:
    try:
        return Decoder(coding, limit)
    except UnknownCoding as error:
        raise GatewayError(ErrorKind.UNSUPPORTED_ENCODING, f"Request body: {error}.") from None
