"""The way of one chat request: peek, plan, attempts, answer, settlement.

Contract: `Exchange.run` answers the client exactly once, in its dialect, and settles exactly one
record, whatever happens; the record is written before the last bytes go out, so nothing a client
saw finished is missing from history. Status and headers are held until the upstream has generated
something or a keepalive is due; until then every failure can still be hidden by another attempt.
Back-pressure is a pull: a piece of the upstream's answer is sent on before the next is read.
"""

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from math import inf
from typing import Final, TypeVar

import trio

from omniroute.errors import ErrorKind, GatewayError
from omniroute.formats import openai_chat
from omniroute.gateway import answers
from omniroute.gateway.connection import ClientConnection, Overdue
from omniroute.gateway.connector import ConnectFailed
from omniroute.gateway.decoding import Decoder, DecodingError, is_identity
from omniroute.gateway.endpoints import Endpoint
from omniroute.gateway.upstream import Upstream
from omniroute.gateway.view import FORWARDED_HEADERS, Principal, Target, View
from omniroute.record import Record
from omniroute.resilience.verdict import Failure, Verdict, of_failure, of_status
from omniroute.routing.plan import Attempt, plan
from omniroute.routing.resolve import resolve
from omniroute.usage import NO_USAGE, Usage
from omniroute.wire.http1 import ProtocolError, Request, Response
from omniroute.wire.sse import SseTooLong

ERROR_BODY_BYTES: Final = 65536  # of an upstream's error answer; the rest explains nothing more
LAST_WORDS_S: Final = 1.0
TRAILING_S: Final = 1.0  # for the end of the framing behind a stream's terminator
HELD_BYTES: Final = 65536  # of events without content; more of them go to the client as they are
CLIENT_GONE: Final = 499  # nginx's number for a client that left before the answer
EVENT_STREAM: Final = b"text/event-stream"

_log = logging.getLogger("omniroute.gateway")
T = TypeVar("T")


class AttemptFailed(Exception):
    """One attempt came to nothing; `error` is what the client is told if no other does better."""

    def __init__(self, error: GatewayError, verdict: Verdict) -> None:
        super().__init__(error.message)
        self.error = error
        self.verdict = verdict


class Exchange:
    """One chat request of one client, from its head to its record."""

    __slots__ = (
        "_answer_bytes",
        "_attempts",
        "_body_bytes",
        "_committed",
        "_committed_early",
        "_connect_s",
        "_connection",
        "_endpoint",
        "_first_byte_us",
        "_overhead_us",
        "_patience_s",
        "_peeked",
        "_principal",
        "_request",
        "_settled",
        "_silent_since",
        "_started_ms",
        "_streaming",
        "_tap",
        "_target",
        "_target_model",
        "_upstream",
        "_upstream_wait_s",
        "_view",
    )

    def __init__(
        self,
        connection: ClientConnection,
        request: Request,
        endpoint: Endpoint,
        view: View,
        principal: Principal,
        started_ms: int,
    ) -> None:
        self._connection = connection
        self._request = request
        self._endpoint = endpoint
        self._view = view
        self._principal = principal
        self._started_ms = started_ms
        self._peeked: openai_chat.Peek | None = None
        self._target: Target | None = None
        self._target_model = ""
        self._upstream: Upstream | None = None
        self._tap: openai_chat.StreamTap | None = None
        self._attempts = 0
        self._body_bytes = 0
        self._answer_bytes = 0
        self._streaming = False
        self._committed = False
        self._committed_early = False
        self._settled = False
        self._connect_s = 0.0
        self._upstream_wait_s = 0.0
        self._first_byte_us = 0
        self._overhead_us = 0
        self._silent_since = 0.0
        self._patience_s = 0.0

    async def run(self) -> None:
        """Serve the request. Raises only what ends the client's connection."""
        try:
            if self._connection.transport.hung_up:
                self._settle("cancelled", CLIENT_GONE, "the client left")
                self._connection.keep_alive = False
                return
            await self._serve()
        except GatewayError as error:
            await self._tell(error)
        except trio.Cancelled:
            await self._cancelled()
            raise
        except ProtocolError as error:
            # Attempts turn errors of the upstream into AttemptFailed: these two are the client's.
            self._settle("failed", error.status, error.message)
            raise
        except OSError as error:
            self._settle_stream("cancelled", f"the client's connection broke: {error}")
            raise
        finally:
            self._drop_upstream()

    async def _serve(self) -> None:
        connection = self._connection
        body = await connection.read_body(self._request)
        self._body_bytes = len(body)
        self._peeked = peeked = openai_chat.peek(body)
        view = self._view
        route = resolve(peeked.model, view.prefixes, self._endpoint.provider)
        attempts = plan(route, view.targets)
        self._streaming = peeked.stream
        connection.on_overdue = self._on_overdue
        failures: list[AttemptFailed] = []
        for attempt in attempts:
            self._attempts += 1
            try:
                await self._attempt(attempt, body)
            except AttemptFailed as failed:
                self._drop_upstream()
                connection.due = inf
                failures.append(failed)
                if failed.verdict is Verdict.TELL:
                    break
            else:
                return
        raise _summary(failures)

    # --- one attempt ----------------------------------------------------------------------------

    async def _attempt(self, attempt: Attempt[Target], body: bytes) -> None:
        """Answer the client from this target, or raise AttemptFailed while that can be hidden."""
        target = attempt.connection
        self._target = target
        self._target_model = attempt.model
        peeked = self._peeked
        assert peeked is not None
        ask_usage = peeked.stream and not peeked.include_usage
        sent_body = openai_chat.upstream_body(body, peeked, attempt.model, ask_usage=ask_usage)
        response = await self._ask(target, self._upstream_request(target, sent_body))
        if response.status >= 300:
            await self._upstream_refused(target, response)
        if peeked.stream and _is_event_stream(response):
            await self._relay_stream(target, response, strip_usage=ask_usage)
        elif self._committed:
            raise self._failed(
                Failure.BROKEN,
                ErrorKind.UPSTREAM_BROKEN,
                "it was asked for a stream and answered with something else",
            )
        else:
            await self._relay_whole(target, response)

    def _upstream_request(self, target: Target, body: bytes) -> bytes:
        accept = EVENT_STREAM if self._streaming else answers.JSON
        forwarded = b""
        fields = self._request.fields
        for name in FORWARDED_HEADERS:
            if name in fields:
                forwarded += b"%b: %b\r\n" % (name, fields[name])
        via = fields.get(b"via")
        if via is not None:
            # Whoever stands before us is named, too, so that a loop over several hops is found.
            forwarded += b"via: %b\r\n" % via
        return b"%baccept: %b\r\n%bcontent-length: %d\r\n\r\n%b" % (
            target.head,
            accept,
            forwarded,
            len(body),
            body,
        )

    async def _ask(self, target: Target, data: bytes) -> Response:
        """Send the request, return the head of the answer.

        A connection from the pool may have died unnoticed: a request that gets no byte of an
        answer on a used connection is sent again, once, on a fresh one.
        """
        connection = self._connection
        clock = connection.clock
        pool = connection.gateway.pool
        fresh = False
        while True:
            began = clock()
            try:
                upstream = await pool.acquire(target.origin, fresh=fresh)
            except ConnectFailed as error:
                raise self._failed(
                    Failure.EGRESS if error.refused_by_policy else Failure.CONNECT,
                    ErrorKind.EGRESS_REFUSED
                    if error.refused_by_policy
                    else ErrorKind.UPSTREAM_REFUSED,
                    f"no connection: {error}",
                ) from None
            self._upstream = upstream
            was_used = upstream.exchanges > 0
            sent_at = clock()
            self._connect_s += sent_at - began
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
                stale = was_used and not fresh and not upstream.answered
                self._drop_upstream()
                if stale:
                    fresh = True
                    continue
                raise self._broken(error) from None
            self._upstream_wait_s += clock() - sent_at
            return response

    async def _upstream_refused(self, target: Target, response: Response) -> None:
        """The upstream answered with an error: judge it, say it in the client's dialect."""
        body = b""
        upstream = self._upstream
        assert upstream is not None
        try:
            decoder = self._decoder(response)
            while len(body) < ERROR_BODY_BYTES:
                piece = await self._patiently(upstream.body, self._view.upstream.idle_s)
                if not piece:
                    self._release_upstream()
                    break
                body += decoder.feed(piece) if decoder is not None else piece
        except (OSError, ProtocolError, DecodingError) as error:
            body = body or f"(its explanation did not arrive: {error})".encode()
        said = openai_chat.upstream_error(body[:ERROR_BODY_BYTES])
        status = response.status if response.status >= 400 else 502
        hint = "; check the api_key of this connection" if status in (401, 403) else ""
        raise AttemptFailed(
            GatewayError(
                ErrorKind.UPSTREAM_ERROR,
                f"{self._target_name()} answered {response.status}: {said.message}{hint}",
                status=status,
                error_type=said.type,
                code=said.code,
                param=said.param,
                retry_after_s=_retry_after_s(response),
            ),
            of_status(response.status),
        )

    # --- answers --------------------------------------------------------------------------------

    async def _relay_whole(self, target: Target, response: Response) -> None:
        upstream = self._upstream
        assert upstream is not None
        limit = self._view.limits.answer_bytes
        pieces: list[bytes] = []
        size = 0
        clock = self._connection.clock
        try:
            decoder = self._decoder(response, limit)
            while True:
                piece = upstream.body_at_hand()
                if piece is None:
                    wait_from = clock()
                    piece = await self._patiently(upstream.body, self._view.upstream.idle_s)
                    self._upstream_wait_s += clock() - wait_from
                if not piece:
                    break
                size += len(piece)
                if size > limit:
                    raise self._failed(
                        Failure.BROKEN,
                        ErrorKind.UPSTREAM_BROKEN,
                        f"its answer is larger than {limit} bytes (limits.answer_bytes)",
                    )
                pieces.append(piece if decoder is None else decoder.feed(piece))
            if decoder is not None:
                decoder.finish()
        except (OSError, ProtocolError, DecodingError) as error:
            raise self._broken(error) from None
        self._release_upstream()
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        usage = openai_chat.answer_usage(body)
        self._answer_bytes = len(body)
        content_type = response.fields.get(b"content-type", answers.JSON)
        extra = self._headers(target, response)
        if usage is None:
            estimate = openai_chat.estimate_usage(self._body_bytes, len(body))
            self._settle("ok", response.status, "", estimate, "estimated")
        else:
            self._settle("ok", response.status, "", usage, "upstream")
        await self._connection.respond(self._request, response.status, body, content_type, extra)

    async def _relay_stream(self, target: Target, response: Response, *, strip_usage: bool) -> None:
        """Pass a stream on as it comes, whole events at a time."""
        upstream = self._upstream
        assert upstream is not None
        connection = self._connection
        request = self._request
        clock = connection.clock
        self._tap = tap = openai_chat.StreamTap(
            strip_usage=strip_usage, max_event_bytes=self._view.limits.event_bytes
        )
        read = upstream.body
        held = b""
        holding = True
        wait_from = clock()
        self._wait_for(self._view.upstream.idle_s, wait_from)
        decoder = self._stream_decoder(response)
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
                    out = tap.feed(piece if decoder is None else decoder.feed(piece))
            except (DecodingError, SseTooLong) as error:
                raise self._broken(error) from None
            if tap.error is not None:
                if out and not holding:
                    await self._give(target, response, out)
                raise self._stream_error(tap.error)
            if holding or tap.done:
                held += out
                if holding and (tap.generated or tap.done or len(held) > HELD_BYTES):
                    holding = False
                    self._upstream_wait_s += clock() - wait_from
                    if not tap.done:
                        await self._give(target, response, held)
                        held = b""
            elif out:
                self._answer_bytes += len(out)
                await connection.send_piece(request, out)
            if tap.done or not piece:
                break
        if not tap.complete:
            raise self._failed(
                Failure.BROKEN,
                ErrorKind.UPSTREAM_BROKEN,
                "its stream ended before the answer did",
            )
        if self._committed_early:
            held = self._closing_comment(target) + held
        if not tap.done:
            held += openai_chat.DONE
        if not self._committed:
            await self._commit(target, response, b"")
        self._answer_bytes += len(held)
        self._settle_stream("ok", "")
        await connection.end_stream(request, held)
        await self._finish_upstream()

    async def _give(self, target: Target, response: Response, data: bytes) -> None:
        """Send events on; with status and headers where those have not been sent."""
        if not self._committed:
            await self._commit(target, response, data)
        elif data:
            self._answer_bytes += len(data)
            await self._connection.send_piece(self._request, data)

    async def _finish_upstream(self) -> None:
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
            self._release_upstream()

    def _closing_comment(self, target: Target) -> bytes:
        """What an early keepalive kept out of the headers, as an SSE comment."""
        return b": %b\n\n" % self._who(target).strip().replace(b"\r\n", b"; ")

    async def _commit(self, target: Target, response: Response | None, first: bytes) -> None:
        """Send status and headers, with the first bytes of the stream."""
        self._committed = True
        self._committed_early = response is None
        self._answer_bytes += len(first)
        content_type = EVENT_STREAM
        if response is not None:
            content_type = response.fields.get(b"content-type", EVENT_STREAM)
        extra = self._headers(target, response) + answers.STREAM_HEADERS
        await self._connection.start_stream(self._request, 200, content_type, extra, first)

    def _headers(self, target: Target, response: Response | None) -> bytes:
        """The headers that tell who answered, and what it cost us."""
        self._note_first_byte()
        return b"%b%b%bx-omniroute-overhead-us: %d\r\n" % (
            self._who(target),
            answers.passed_headers(response) if response is not None else b"",
            self._common_headers(),
            self._overhead_us,
        )

    def _who(self, target: Target) -> bytes:
        return (
            b"x-omniroute-provider: %b\r\nx-omniroute-model: %b\r\nx-omniroute-attempts: %d\r\n"
            % (
                target.provider_id.encode("ascii"),
                answers.header_value(self._target_model),
                self._attempts,
            )
        )

    def _common_headers(self) -> bytes:
        fields = self._request.fields
        return answers.echoed_request_id(fields) + self._connection.gateway.cors_headers(
            self._view, fields
        )

    def _note_first_byte(self) -> None:
        """The answer begins: what of the time until now was spent in the gateway itself?"""
        connection = self._connection
        elapsed_s = connection.clock() - connection.received_at
        waited_s = connection.body_wait_s + self._connect_s + self._upstream_wait_s
        self._first_byte_us = int(elapsed_s * 1e6)
        self._overhead_us = max(0, int((elapsed_s - waited_s) * 1e6))

    # --- waiting --------------------------------------------------------------------------------

    def _wait_for(self, patience_s: float, now: float) -> None:
        """From now on the upstream may be silent for so long; keepalives are sent meanwhile."""
        self._silent_since = now
        self._patience_s = patience_s
        if self._streaming:
            patience_s = min(patience_s, self._view.server.keepalive_s)
        self._connection.due = now + patience_s

    def _next_due_s(self) -> float:
        if self._streaming:
            return min(self._patience_s, self._view.server.keepalive_s)
        return self._patience_s

    async def _patiently(self, read: Callable[[], Awaitable[T]], patience_s: float) -> T:
        """Await something of the upstream, sending keepalives while it is silent."""
        self._wait_for(patience_s, self._connection.clock())
        while True:
            try:
                return await read()
            except Overdue:
                await self._overdue()

    def _on_overdue(self, now: float) -> None:
        """The sweep found `due` passed. While events flow, this only moves the deadline on."""
        connection = self._connection
        due = self._silent_since + self._next_due_s()
        if due > now:
            connection.due = due
            return
        upstream = self._upstream
        if upstream is None or not upstream.transport.interrupt(Overdue()):
            connection.due = inf  # not waiting for the upstream: other limits hold meanwhile

    async def _overdue(self) -> None:
        connection = self._connection
        silent_s = connection.clock() - self._silent_since
        if silent_s >= self._patience_s:
            raise self._failed(
                Failure.TIMEOUT,
                ErrorKind.UPSTREAM_TIMEOUT,
                f"it sent nothing for {self._patience_s:g} s",
            )
        target = self._target
        assert target is not None
        keepalive = openai_chat.keepalive()
        if self._committed:
            self._answer_bytes += len(keepalive)
            await connection.send_piece(self._request, keepalive)
        else:
            await self._commit(target, None, keepalive)
        connection.due = min(
            connection.clock() + self._view.server.keepalive_s,
            self._silent_since + self._patience_s,
        )

    # --- endings --------------------------------------------------------------------------------

    def _target_name(self) -> str:
        target = self._target
        assert target is not None
        return f"{target.connection_id} ({self._target_model})"

    def _failed(self, failure: Failure, kind: ErrorKind, why: str) -> AttemptFailed:
        verdict = Verdict.TELL if self._is_begun() else of_failure(failure)
        return AttemptFailed(GatewayError(kind, f"{self._target_name()}: {why}"), verdict)

    def _is_begun(self) -> bool:
        """Has anything generated reached the client? Then nothing may be repeated."""
        return self._committed and self._tap is not None and self._tap.generated

    def _broken(self, error: Exception) -> AttemptFailed:
        why = error.message if isinstance(error, ProtocolError) else str(error)
        return self._failed(
            Failure.BROKEN,
            ErrorKind.UPSTREAM_BROKEN,
            f"its connection or answer broke: {why}",
        )

    def _stream_error(self, said: openai_chat.UpstreamError) -> AttemptFailed:
        verdict = Verdict.TELL if self._is_begun() else of_failure(Failure.STREAM_ERROR)
        error = GatewayError(
            ErrorKind.UPSTREAM_ERROR,
            f"{self._target_name()} reported in its stream: {said.message}",
            error_type=said.type,
            code=said.code,
            param=said.param,
        )
        return AttemptFailed(error, verdict)

    async def _tell(self, error: GatewayError) -> None:
        """Answer with an error: as an answer of its own, or as the end of a stream that began."""
        connection = self._connection
        connection.on_overdue = None
        connection.due = inf
        if self._committed:
            last = openai_chat.error_event(error)
            self._answer_bytes += len(last)
            self._settle_stream("failed", error.message)
            await connection.end_stream(self._request, last)
            return
        self._settle("failed", error.status, error.message)
        extra = self._common_headers()
        if self._target is not None:
            extra += self._who(self._target)
        await connection.respond_error(self._request, error, extra)

    async def _cancelled(self) -> None:
        """The client left, or the gateway stops and could not wait any longer."""
        connection = self._connection
        connection.keep_alive = False
        if connection.transport.hung_up or not self._committed:
            self._settle_stream("cancelled", "the client left")
            return
        stopping = GatewayError(ErrorKind.OVERLOADED, "The gateway is shutting down.")
        self._settle_stream("failed", stopping.message)
        with trio.move_on_after(LAST_WORDS_S, shield=True), suppress(OSError):
            await connection.end_stream(self._request, openai_chat.error_event(stopping))

    def _status_so_far(self) -> int:
        return 200 if self._committed else CLIENT_GONE

    def _settle_stream(self, outcome: str, error: str) -> None:
        tap = self._tap
        if tap is not None and tap.usage is not None:
            self._settle(outcome, self._status_so_far(), error, tap.usage, "upstream")
            return
        if tap is not None and self._attempts:
            estimate = openai_chat.estimate_usage(self._body_bytes, tap.characters)
            self._settle(outcome, self._status_so_far(), error, estimate, "estimated")
            return
        self._settle(outcome, self._status_so_far(), error)

    def _settle(
        self,
        outcome: str,
        status: int,
        error: str,
        usage: Usage = NO_USAGE,
        usage_source: str = "none",
    ) -> None:
        """Write the one record of this request."""
        if self._settled:
            return
        self._settled = True
        connection = self._connection
        now = connection.clock()
        target = self._target
        peeked = self._peeked
        if not self._first_byte_us:
            self._note_first_byte()
        connection.gateway.settle(
            Record(
                id=connection.request_id.decode("ascii"),
                started_ms=self._started_ms,
                key_id=self._principal.id,
                client_format=self._endpoint.format,
                endpoint=self._endpoint.name,
                provider=target.provider_id if target is not None else "",
                connection=target.connection_id if target is not None else "",
                requested_model=peeked.model if peeked is not None else "",
                model=self._target_model,
                stream=self._streaming,
                status=status,
                outcome=outcome,
                attempts=self._attempts,
                error=error,
                bytes_in=self._body_bytes,
                bytes_out=self._answer_bytes,
                connect_us=int(self._connect_s * 1e6),
                first_byte_us=self._first_byte_us,
                total_us=int((now - connection.received_at) * 1e6),
                overhead_us=self._overhead_us,
                usage=usage,
                usage_source=usage_source,
            )
        )

    def _stream_decoder(self, response: Response) -> Decoder | None:
        try:
            return self._decoder(response)
        except DecodingError as error:
            raise self._broken(error) from None

    def _decoder(self, response: Response, limit: int | None = None) -> Decoder | None:
        """For an upstream that encodes its answer although it was asked not to."""
        coding = response.fields.get(b"content-encoding")
        if is_identity(coding):
            return None
        return Decoder(coding or b"", limit if limit is not None else 1 << 40)

    def _release_upstream(self) -> None:
        upstream = self._upstream
        if upstream is not None:
            self._upstream = None
            self._connection.gateway.pool.release(upstream)

    def _drop_upstream(self) -> None:
        upstream = self._upstream
        if upstream is not None:
            self._upstream = None
            self._connection.gateway.pool.discard(upstream)


def _is_event_stream(response: Response) -> bool:
    content_type = response.fields.get(b"content-type", b"")
    return content_type.partition(b";")[0].strip().lower() == EVENT_STREAM


def _retry_after_s(response: Response) -> float | None:
    """Seconds of a Retry-After header; its date form is passed over (no provider sends it)."""
    value = response.fields.get(b"retry-after")
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        return None


def _summary(failures: list[AttemptFailed]) -> GatewayError:
    """One error for a plan that is exhausted: the last word's status, and every word said."""
    last = failures[-1].error
    if len(failures) == 1:
        return last
    said = "; ".join(failed.error.message for failed in failures)
    waits = [f.error.retry_after_s for f in failures if f.error.retry_after_s is not None]
    return GatewayError(
        last.kind,
        f"All {len(failures)} attempts failed: {said}",
        param=last.param,
        status=last.status,
        error_type=last.openai_type,
        code=last.openai_code,
        retry_after_s=min(waits) if waits else None,
    )
