"""One attempt: ask one target, relay its answer, or say why nothing came of it.

`ask` and the `relay_…` methods return when the client has been answered, and raise `AttemptFailed`
when it has not been, or not to the end; it says what happened, and what follows is not judged here.
Back-pressure is a pull: a piece of the upstream's answer is sent on before the next is read. While
the upstream is silent, the connection's `due` brings keepalives and, in the end, a timeout.
"""

import logging
from collections.abc import Awaitable, Callable
from math import inf
from typing import Final, TypeVar

from omniroute.errors import ErrorKind, GatewayError
from omniroute.formats import ir
from omniroute.formats.base import Tap, UpstreamError
from omniroute.formats.table import DIALECTS
from omniroute.formats.translate import Translation
from omniroute.gateway import answers
from omniroute.gateway.carrier import Carrier
from omniroute.gateway.connection import Overdue
from omniroute.gateway.decoding import Decoder, DecodingError, is_identity
from omniroute.gateway.reply import PROGRESS_S, Reply
from omniroute.gateway.upstream import Upstream
from omniroute.gateway.view import Target, View
from omniroute.net.connector import ConnectFailed, Origin
from omniroute.providers import quotas
from omniroute.resilience.hints import retry_hint_s
from omniroute.resilience.verdict import Failed, Failure
from omniroute.usage import NO_USAGE, Usage, estimate_usage
from omniroute.wire.http1 import ProtocolError, Response
from omniroute.wire.sse import SseTooLong

ERROR_BODY_BYTES: Final = 65536  # of an upstream's error answer; the rest explains nothing more
TRAILING_S: Final = 1.0  # for the end of the framing behind a stream's terminator
HELD_BYTES: Final = 65536  # of events without content; more of them go to the client as they are
EVENT_STREAM: Final = b"text/event-stream"

_log = logging.getLogger("omniroute.gateway")
T = TypeVar("T")


class AttemptFailed(Exception):
    """One attempt came to nothing; `error` is what the client is told if no other does better.

    `hint_s`: when the target itself said that it may be asked again.
    """

    def __init__(self, error: GatewayError, failed: Failed, hint_s: float | None = None) -> None:
        super().__init__(error.message)
        self.error = error
        self.failed = failed
        self.hint_s = hint_s


class AttemptRun:
    """One try at one target."""

    __slots__ = (
        "_client_broke",
        "_connection",
        "_flowing",
        "_model",
        "_origin",
        "_patience_s",
        "_reply",
        "_silent_since",
        "_streaming",
        "_target",
        "_upstream",
        "_view",
    )

    def __init__(
        self,
        connection: Carrier,
        reply: Reply,
        view: View,
        target: Target,
        model: str,
        origin: Origin,
        *,
        streaming: bool,
    ) -> None:
        self._connection = connection
        self._reply = reply
        self._view = view
        self._target = target
        self._model = model
        self._origin = origin
        self._streaming = streaming
        self._upstream: Upstream | None = None
        self._client_broke: OSError | None = None  # while an upstream was waited for
        self._silent_since = 0.0
        self._patience_s = 0.0
        self._flowing = False  # what arrives goes on to the client
        connection.on_overdue = self._on_overdue

    def close(self) -> None:
        """Whatever is left of the upstream connection is not fit for another exchange."""
        self._connection.on_overdue = None
        self._connection.due = inf
        upstream = self._upstream
        if upstream is not None:
            self._upstream = None
            self._connection.gateway.pool.discard(upstream)

    # --- asking ---------------------------------------------------------------------------------

    async def ask(self, data: bytes) -> Response:
        """Send the request, return the head of an answer that is no error.

        A connection from the pool may have died unnoticed: a request that gets no byte of an
        answer on a used connection is sent again, once, on a fresh one.
        """
        connection = self._connection
        ledger = self._reply.ledger
        clock = connection.clock
        pool = connection.gateway.pool
        origin = self._origin
        fresh = False
        while True:
            began = clock()
            try:
                upstream = await pool.acquire(origin, fresh=fresh)
            except ConnectFailed as error:
                raise self._no_connection(error) from None
            self._upstream = upstream
            was_used = upstream.exchanges > 0
            sent_at = clock()
            ledger.connect_s += sent_at - began
            self._wait_for(self._view.upstream.first_byte_s, sent_at)
            try:
                await upstream.send(b"POST", data)
                while True:
                    try:
                        response = await upstream.head()
                        break
                    except Overdue:
                        await self._overdue()
            except (OSError, ProtocolError) as error:
                if error is self._client_broke:
                    raise
                stale = was_used and not fresh and not upstream.answered
                self._upstream = None
                pool.discard(upstream)
                if stale:
                    fresh = True
                    continue
                raise self._broken(error) from None
            ledger.upstream_wait_s += clock() - sent_at
            if quotas.has_reports(response.fields):
                connection.gateway.health.reported(
                    self._target, response.fields, connection.gateway.now_ms()
                )
            if response.status >= 300:
                await self._refused(response)
            return response

    async def _refused(self, response: Response) -> None:
        """The upstream answered with an error: judge it, keep what it said."""
        body = b""
        try:
            decoder = self._decoder(response, ERROR_BODY_BYTES)
            while len(body) < ERROR_BODY_BYTES:
                piece = await self._body_piece()
                if not piece:
                    self._release()
                    break
                body += decoder.feed(piece) if decoder is not None else piece
        except (OSError, ProtocolError, DecodingError) as error:
            if error is self._client_broke:
                raise
            body = body or f"(its explanation did not arrive: {error})".encode()
        body = self._target.unsaid(body[:ERROR_BODY_BYTES])
        self._capture(body)
        said = DIALECTS[self._target.format].upstream_error(body)
        hint_s = retry_hint_s(response.fields, body, self._connection.gateway.now_ms())
        status = response.status if response.status >= 400 else 502
        hint = "; check the api_key of this connection" if status in (401, 403) else ""
        raise AttemptFailed(
            GatewayError(
                ErrorKind.UPSTREAM_ERROR,
                f"{self._name()} answered {response.status}: {said.message}{hint}",
                status=status,
                error_type=said.type,
                code=said.code,
                param=said.param,
                retry_after_s=hint_s,
            ),
            self._described(status=response.status, said=said, body=body),
            hint_s,
        )

    # --- relaying -------------------------------------------------------------------------------

    async def relay_whole(self, response: Response, *, counts_tokens: bool = False) -> None:
        """Answer with an upstream's answer that comes as one body."""
        body = await self._whole_body(response)
        reply = self._reply
        content_type = response.fields.get(b"content-type", answers.JSON)
        usage, source = NO_USAGE, "none"
        if reply.translation is not None:
            body, usage, source = self._translate_whole(reply.translation, response, body)
            content_type = answers.JSON
            if self._streaming:
                content_type = reply.stream_content_type
        elif not counts_tokens:
            reported = reply.dialect.answer_usage(body)
            if reported is not None:
                usage, source = reported, "upstream"
            else:
                if (said := reply.dialect.answer_fault(body)) is not None:
                    raise self._fault(said)
                usage = estimate_usage(reply.ledger.body_bytes, len(body))
                source = "estimated"
            if self._target.sanitises:
                body = reply.dialect.sanitised(body)
        await reply.whole(response.status, body, content_type, response, usage, source)

    async def _whole_body(self, response: Response) -> bytes:
        upstream = self._upstream
        assert upstream is not None
        limit = self._view.limits.answer_bytes
        pieces: list[bytes] = []
        size = 0
        try:
            decoder = self._decoder(response, limit)
            while True:
                piece = upstream.body_at_hand()
                if piece is None:
                    piece = await self._body_piece()
                if not piece:
                    break
                size += len(piece)
                if size > limit:
                    raise self._failed(
                        Failure.UNREADABLE,
                        ErrorKind.UPSTREAM_BROKEN,
                        f"its answer is larger than {limit} bytes (limits.answer_bytes)",
                    )
                pieces.append(piece if decoder is None else decoder.feed(piece))
            if decoder is not None:
                decoder.finish()
        except (OSError, ProtocolError, DecodingError) as error:
            if error is self._client_broke:
                raise
            raise self._broken(error) from None
        self._release()
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self._capture(body)
        return body

    def _capture(self, piece: bytes) -> None:
        ledger = self._reply.ledger
        if ledger.capture is not None:
            ledger.capture.answered(ledger.attempts, piece)

    def _translate_whole(
        self, translation: Translation, response: Response, body: bytes
    ) -> tuple[bytes, Usage, str]:
        """The client's answer, in the form it asked for, out of one that came as a whole."""
        try:
            if is_event_stream(response):
                return translation.folded(body, self._view.limits.event_bytes)
            if self._streaming:
                return translation.unfolded(body)
            return translation.answer(body)
        except ir.FormatError as error:
            said = DIALECTS[self._target.format].answer_fault(body)
            if said is not None and not is_event_stream(response):
                raise self._fault(said) from None
            raise self._unreadable(error) from None

    async def relay_stream(self, response: Response, tap: Tap) -> None:
        """Pass a stream on as it comes, whole events at a time, translated where need be."""
        upstream = self._upstream
        assert upstream is not None
        reply = self._reply
        reply.use(tap)
        clock = self._connection.clock
        read = upstream.body
        held = b""
        holding = True
        wait_from = clock()
        self._wait_for(self._view.upstream.idle_s, wait_from)
        decoder = self._stream_decoder(response)
        captures = reply.ledger.capture is not None
        while True:
            try:
                piece = await read()
            except Overdue:
                await self._overdue()
                continue
            except (OSError, ProtocolError) as error:
                raise self._broken(error) from None
            self._silent_since = clock()
            try:
                if not piece:
                    out = tap.finish()
                else:
                    data = piece if decoder is None else decoder.feed(piece)
                    if captures:
                        self._capture(data)
                    out = tap.feed(data)
            except (DecodingError, SseTooLong, ir.FormatError) as error:
                raise self._unreadable(error) from None
            if tap.error is not None:
                if out and not holding:
                    await reply.give(response, out)
                raise self._stream_error(tap.error)
            if holding or tap.done:
                held += out
                if holding and (tap.generated or tap.done or len(held) > HELD_BYTES):
                    holding = False
                    self._flowing = not tap.done
                    if reply.wants_progress:
                        self._connection.due = self._due()  # sooner than a keepalive was
                    reply.ledger.upstream_wait_s += clock() - wait_from
                    reply.on_began()
                    if not tap.done:
                        await reply.give(response, held)
                        held = b""
            elif out:
                await reply.give(response, out)
                if reply.wants_progress:
                    await reply.progress(self._silent_since)
            if tap.done or not piece:
                break
        if not tap.complete:
            raise self._failed(
                Failure.BROKEN,
                ErrorKind.UPSTREAM_BROKEN,
                "its stream ended before the answer did",
            )
        if not tap.done:
            held += reply.dialect.terminator
        await reply.end(response, held)
        await self._finish_stream()

    async def _finish_stream(self) -> None:
        """Read the end of the framing behind the terminator, so that the connection serves again.

        It is nearly always there already; an upstream that keeps it back is not waited for long.
        """
        upstream = self._upstream
        if upstream is None:
            return
        self._streaming = False  # no keepalives any more: the answer has ended
        try:
            while await self._patiently(upstream.body, TRAILING_S):
                pass
        except (OSError, ProtocolError, AttemptFailed) as error:
            _log.debug("%s: not reused: %s", upstream.origin.host, error)
        else:
            self._release()

    # --- waiting --------------------------------------------------------------------------------

    def _wait_for(self, patience_s: float, now: float) -> None:
        """From now on the upstream may be silent for so long; keepalives are sent meanwhile."""
        self._silent_since = now
        self._patience_s = patience_s
        self._connection.due = self._due()

    def _due(self) -> float:
        """When this attempt has to look after its client or its upstream next."""
        due = self._silent_since + self._patience_s
        if not self._streaming:
            return due
        # Attempts that fail one after the other are one long silence to the client.
        reply = self._reply
        if not self._flowing:
            return min(due, reply.heard_at + reply.keepalive_s)
        pause_s = PROGRESS_S if reply.wants_progress else reply.keepalive_s
        return min(due, max(self._silent_since, reply.heard_at) + pause_s)

    async def _patiently(self, read: Callable[[], Awaitable[T]], patience_s: float) -> T:
        """Await something of the upstream, sending keepalives while it is silent."""
        self._wait_for(patience_s, self._connection.clock())
        while True:
            try:
                return await read()
            except Overdue:
                await self._overdue()

    async def _body_piece(self) -> bytes:
        upstream = self._upstream
        assert upstream is not None
        clock = self._connection.clock
        wait_from = clock()
        piece = await self._patiently(upstream.body, self._view.upstream.idle_s)
        self._reply.ledger.upstream_wait_s += clock() - wait_from
        return piece

    def _on_overdue(self, now: float) -> None:
        """The sweep found `due` passed. While events flow, this only moves the deadline on."""
        connection = self._connection
        due = self._due()
        if due > now:
            connection.due = due
            return
        upstream = self._upstream
        if upstream is None or not upstream.transport.interrupt(Overdue()):
            connection.due = inf  # not waiting for the upstream: other limits hold meanwhile

    async def _overdue(self) -> None:
        if self._connection.clock() - self._silent_since >= self._patience_s:
            raise self._failed(
                Failure.TIMEOUT,
                ErrorKind.UPSTREAM_TIMEOUT,
                f"it sent nothing for {self._patience_s:g} s",
            )
        reply = self._reply
        if not reply.committed:
            # The keepalive takes along how long the gateway needed: not what we still wait for.
            reply.ledger.upstream_wait_s += self._connection.clock() - self._silent_since
        try:
            await reply.keepalive()
        except OSError as error:
            self._client_broke = error
            raise
        self._connection.due = self._due()

    # --- failing --------------------------------------------------------------------------------

    def _name(self) -> str:
        return f"{self._target.connection_id} ({self._model})"

    def _described(
        self,
        *,
        status: int | None = None,
        failure: Failure | None = None,
        said: UpstreamError | None = None,
        body: bytes = b"",
    ) -> Failed:
        """What happened, as verdicts are found by."""
        target = self._target
        return Failed(
            status=status,
            failure=failure,
            type=(said.type or "") if said is not None else "",
            code=(said.code or "") if said is not None else "",
            message=said.message if said is not None else "",
            body=body,
            auth=target.auth,
            limits_per_model=target.limits_per_model,
            own_way=target.own_way,
            begun=self._reply.begun,
        )

    def _failed(self, failure: Failure, kind: ErrorKind, why: str) -> AttemptFailed:
        error = GatewayError(kind, f"{self._name()}: {why}")
        return AttemptFailed(error, self._described(failure=failure))

    def _no_connection(self, error: ConnectFailed) -> AttemptFailed:
        if error.refused_by_policy:
            return self._failed(Failure.EGRESS, ErrorKind.EGRESS_REFUSED, f"refused: {error}")
        return self._failed(Failure.CONNECT, ErrorKind.UPSTREAM_REFUSED, f"no connection: {error}")

    def _broken(self, error: Exception) -> AttemptFailed:
        why = error.message if isinstance(error, ProtocolError | ir.FormatError) else str(error)
        return self._failed(
            Failure.BROKEN,
            ErrorKind.UPSTREAM_BROKEN,
            f"its connection or answer broke: {why}",
        )

    def _unreadable(self, error: Exception) -> AttemptFailed:
        why = error.message if isinstance(error, ir.FormatError) else str(error)
        return self._failed(
            Failure.UNREADABLE,
            ErrorKind.UPSTREAM_BROKEN,
            f"its answer cannot be read: {why}",
        )

    def _stream_error(self, said: UpstreamError) -> AttemptFailed:
        said = self._unsaid(said)
        hint_s = retry_hint_s({}, said.message.encode(), self._connection.gateway.now_ms())
        error = GatewayError(
            ErrorKind.UPSTREAM_ERROR,
            f"{self._name()} reported in its stream: {said.message}",
            error_type=said.type,
            code=said.code,
            param=said.param,
            retry_after_s=hint_s,
        )
        return AttemptFailed(
            error, self._described(failure=Failure.STREAM_ERROR, said=said), hint_s
        )

    def _fault(self, said: UpstreamError) -> AttemptFailed:
        """A 200 that is no answer: an error in its place, or nothing at all."""
        said = self._unsaid(said)
        error = GatewayError(
            ErrorKind.UPSTREAM_BROKEN,
            f"{self._name()} answered 200 without an answer: {said.message}",
            code=said.code,
        )
        return AttemptFailed(error, self._described(failure=Failure.STREAM_ERROR, said=said))

    def _unsaid(self, said: UpstreamError) -> UpstreamError:
        return said._replace(message=self._target.unsaid(said.message.encode()).decode())

    def _stream_decoder(self, response: Response) -> Decoder | None:
        try:
            return self._decoder(response, 1 << 40)  # a stream has no total; events are bounded
        except DecodingError as error:
            raise self._broken(error) from None

    def _decoder(self, response: Response, limit: int) -> Decoder | None:
        """For an upstream that encodes its answer although it was asked not to."""
        coding = response.fields.get(b"content-encoding")
        if coding is None or is_identity(coding):
            return None
        return Decoder(coding, limit)

    def _release(self) -> None:
        upstream = self._upstream
        if upstream is not None:
            self._upstream = None
            self._connection.gateway.pool.release(upstream)


def is_event_stream(response: Response) -> bool:
    """Does an answer come as server-sent events?"""
    content_type = response.fields.get(b"content-type", b"")
    if content_type == answers.JSON:  # nearly always, where no stream was asked for
        return False
    return content_type.partition(b";")[0].strip().lower() == EVENT_STREAM
