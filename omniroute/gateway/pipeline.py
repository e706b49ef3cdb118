"""The way of one chat request: peek, plan, attempts, answer, settlement.

Contract: `Exchange.run` answers the client exactly once, in its dialect, and settles exactly one
record, whatever happens. Until something generated has reached the client, every failure can still
be hidden by another attempt. A request whose format is the target's goes on as the client's own
bytes; any other is decoded once and encoded for each target that is tried.
"""

import trio

from omniroute.errors import GatewayError
from omniroute.formats import ir
from omniroute.formats.base import Dialect, Peek, Shown, Tap
from omniroute.formats.table import CODECS, DIALECTS
from omniroute.formats.translate import Translation, decode_request
from omniroute.gateway import answers
from omniroute.gateway.attempt import EVENT_STREAM, AttemptFailed, AttemptRun, is_event_stream
from omniroute.gateway.connection import ClientConnection
from omniroute.gateway.endpoints import Endpoint, Kind
from omniroute.gateway.ledger import Ledger
from omniroute.gateway.reply import CLIENT_GONE, Reply
from omniroute.gateway.view import FORWARDED_HEADERS, Principal, Target, View
from omniroute.resilience.verdict import Verdict
from omniroute.routing.plan import plan
from omniroute.routing.resolve import resolve
from omniroute.usage import NO_USAGE, estimate_usage
from omniroute.wire.http1 import ProtocolError, Request


class Exchange:
    """One chat request of one client, from its head to its record."""

    __slots__ = (
        "_body",
        "_connection",
        "_decoded",
        "_dialect",
        "_endpoint",
        "_ledger",
        "_reply",
        "_request",
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
        self._ledger = Ledger(connection, endpoint, principal, started_ms)
        self._dialect: Dialect = DIALECTS[endpoint.format]
        self._reply = Reply(connection, request, endpoint, view, self._dialect, self._ledger)
        self._body = b""
        self._decoded: ir.Request | None = None

    async def run(self) -> None:
        """Serve the request. Raises only what ends the client's connection."""
        try:
            if self._connection.transport.hung_up:
                self._ledger.settle("cancelled", CLIENT_GONE, "the client left")
                self._connection.keep_alive = False
                return
            await self._serve()
        except GatewayError as error:
            await self._reply.error(error)
        except trio.Cancelled:
            await self._reply.cancelled()
            raise
        except ProtocolError as error:
            # Attempts turn errors of the upstream into AttemptFailed: these two are the client's.
            self._ledger.settle("failed", error.status, error.message)
            raise
        except OSError as error:
            self._reply.lost(f"the client's connection broke: {error}")
            raise

    async def _serve(self) -> None:
        self._body = body = await self._connection.read_body(self._request)
        ledger = self._ledger
        ledger.body_bytes = len(body)
        peeked = self._dialect.peek(body, self._endpoint.path)
        ledger.model_asked = peeked.model
        ledger.stream = peeked.stream
        view = self._view
        route = resolve(peeked.model, view.prefixes, self._endpoint.provider)
        failures: list[AttemptFailed] = []
        for target, model in plan(route, view.targets):
            self._reply.aim(target, model)
            run = AttemptRun(
                self._connection, self._reply, view, target, model, streaming=peeked.stream
            )
            try:
                await self._attempt(run, target, model, peeked)
                return
            except AttemptFailed as failed:
                failures.append(failed)
                if failed.verdict is Verdict.TELL:
                    break
            finally:
                run.close()
        raise _summary(failures)

    async def _attempt(self, run: AttemptRun, target: Target, model: str, peeked: Peek) -> None:
        """Answer the client from this target, or raise AttemptFailed."""
        dialect = self._dialect
        reply = self._reply
        counts_tokens = self._endpoint.kind is Kind.COUNT
        ask_usage = False
        if target.format == dialect.format and target.passes_through:
            ask_usage = peeked.stream and not peeked.include_usage
            body = dialect.upstream_body(self._body, peeked, model, ask_usage=ask_usage)
        elif counts_tokens:
            tokens = estimate_usage(len(self._body), 0).input_tokens
            await reply.whole(200, dialect.counted(tokens), answers.JSON, None, NO_USAGE, "none")
            return
        else:
            reply.translation = self._translation(target, model, peeked)
            body = reply.translation.body
        response = await run.ask(self._upstream_request(target, model, body, peeked.stream))
        streams = is_event_stream(response)
        if reply.translation is None and peeked.stream != streams:
            # The upstream answers in another form than it was asked for: the codec turns it over.
            reply.translation = self._translation(target, model, peeked)
        if peeked.stream and streams:
            await run.relay_stream(response, self._tap(target, strip_usage=ask_usage))
        else:
            await run.relay_whole(response, counts_tokens=counts_tokens)

    def _translation(self, target: Target, model: str, peeked: Peek) -> Translation:
        """The translation of the request for a target; the request is decoded once."""
        client = CODECS[self._dialect.format]
        if self._decoded is None:
            self._decoded = decode_request(client, self._body, self._endpoint.path)
        shown = Shown(
            model=peeked.model,
            id=self._connection.request_id.decode("ascii"),
            created=self._ledger.started_ms // 1000,
            include_usage=peeked.include_usage,
            sse=self._endpoint.path.sse,
        )
        return Translation(client, CODECS[target.format], self._decoded, target.model(model), shown)

    def _tap(self, target: Target, *, strip_usage: bool) -> Tap:
        max_event_bytes = self._view.limits.event_bytes
        if self._reply.translation is not None:
            return self._reply.translation.stream(max_event_bytes)
        return self._dialect.tap(
            strip_usage=strip_usage,
            max_event_bytes=max_event_bytes,
            sse=self._endpoint.path.sse,
            sanitises=target.sanitises,
            model=self._ledger.model_asked,
        )

    def _upstream_request(self, target: Target, model: str, body: bytes, stream: bool) -> bytes:
        forwarded = b""
        fields = self._request.fields
        if target.format == self._dialect.format:
            for name in FORWARDED_HEADERS.get(target.format, ()):
                if name in fields:
                    forwarded += b"%b: %b\r\n" % (name, fields[name])
        via = fields.get(b"via")
        if via is not None:
            # Whoever stands before us is named, too, so that a loop over several hops is found.
            forwarded += b"via: %b\r\n" % via
        if self._endpoint.kind is Kind.COUNT:
            head = target.counting_head(model)
        else:
            head = target.head(model, stream=stream)
        return b"%baccept: %b\r\n%bcontent-length: %d\r\n\r\n%b" % (
            head,
            EVENT_STREAM if stream else answers.JSON,
            forwarded,
            len(body),
            body,
        )


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
