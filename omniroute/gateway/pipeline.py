"""The way of one chat request: peek, plan, attempts, answer, settlement.

Contract: `Exchange.run` answers the client exactly once, in its dialect, and settles exactly one
record, whatever happens. Until something generated has reached the client, every failure can still
be hidden by another attempt. A request whose format is the target's goes on as the client's own
bytes; any other is decoded once and encoded for each target that is tried.
"""

import logging
from typing import Final

import trio
from msgspec.structs import replace

from omniroute.errors import GatewayError
from omniroute.formats import ir
from omniroute.formats.base import Dialect, Peek, Shown, Tap
from omniroute.formats.table import CODECS, DIALECTS
from omniroute.formats.translate import Translation, cannot_carry, decode_request
from omniroute.gateway import answers
from omniroute.gateway.admission import ADDED_INPUT_TOKENS, Admission
from omniroute.gateway.attempt import EVENT_STREAM, AttemptRun, is_event_stream
from omniroute.gateway.capture import begin_capture
from omniroute.gateway.carrier import Carrier
from omniroute.gateway.connection import ClientConnection
from omniroute.gateway.conversation import Conversation, fingerprint_of, session_of, spreads
from omniroute.gateway.endpoints import Endpoint, Kind
from omniroute.gateway.flights import Asked
from omniroute.gateway.injection import InjectionGuard
from omniroute.gateway.keeping import may_take_part
from omniroute.gateway.ledger import Ledger
from omniroute.gateway.passenger import Passenger
from omniroute.gateway.permission import check_route, is_allowed, limit_error
from omniroute.gateway.pursuit import CannotServe, Pursuit
from omniroute.gateway.reply import CLIENT_GONE, Reply, personal_headers
from omniroute.gateway.sharing import asked_of, stands_for
from omniroute.gateway.view import FORWARDED_HEADERS, Principal, Target, View
from omniroute.routing.plan import Attempt
from omniroute.routing.resolve import Route
from omniroute.usage import NO_USAGE, Usage, estimate_usage
from omniroute.wire.http1 import ProtocolError, Request

_log = logging.getLogger("omniroute.gateway")

NOTHING_PEEKED: Final = Peek("", False, False, {})


class Exchange:
    """One chat request of one client, from its head to its record."""

    __slots__ = (
        "_admission",
        "_body",
        "_carrier",
        "_connection",
        "_conversation",
        "_counts",
        "_decoded",
        "_dialect",
        "_edits",
        "_endpoint",
        "_ledger",
        "_peeked",
        "_principal",
        "_reply",
        "_request",
        "_route",
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
        self._carrier: Carrier = connection
        self._request = request
        self._endpoint = endpoint
        self._counts = endpoint.kind is Kind.COUNT  # tokens of a request, which is not served
        self._view = view
        self._principal = principal
        self._ledger = Ledger(connection, endpoint, principal, started_ms)
        connection.ledger = self._ledger
        self._admission = Admission(connection.gateway.limits, principal, self._ledger)
        self._dialect: Dialect = DIALECTS[endpoint.format]
        self._reply = Reply(connection, request, endpoint, view, self._dialect, self._ledger)
        self._body = b""
        self._peeked = NOTHING_PEEKED
        self._decoded: ir.Request | None = None
        self._edits = principal.edits
        self._route: Route | None = None
        self._conversation: Conversation | None = None

    async def run(self) -> None:
        """Serve the request. Raises only what ends the client's connection."""
        try:
            if self._connection.hung_up:
                self._ledger.settle("cancelled", CLIENT_GONE, "the client left")
                self._connection.keep_alive = False
                return
            await self._read()
            asked = self._asked()
            if asked is not None:
                self._enter()
        except GatewayError as error:
            await self._reply.error(error)
            return
        except trio.Cancelled:
            await self._reply.cancelled()
            raise
        except ProtocolError as error:
            # Attempts turn errors of the upstream into AttemptFailed: these are the client's.
            self._ledger.settle("failed", error.status, error.message)
            raise
        except OSError as error:
            self._reply.lost(f"the client's connection broke: {error}")
            raise
        if asked is None:
            await self._fly(self._connection)
        else:
            await self._connection.gateway.flights.serve(asked, self._passenger(), self._fly)

    async def _fly(self, carrier: Carrier) -> None:
        """The rest of the exchange, for its own client or for all on board of a flight."""
        capture = self._ledger.capture
        if carrier is not self._connection:
            self._carrier = carrier
            self._reply.board(carrier)
            if capture is not None:
                capture.hold()  # the flight may outlast its first client
        try:
            await self._serve()
        except GatewayError as error:
            await self._reply.error(error)
        except trio.Cancelled:
            await self._reply.cancelled()
            raise
        except OSError as error:
            self._reply.lost(f"the client's connection broke: {error}")
            raise
        except Exception:
            # A defect of ours; what the request holds must not be held for ever.
            self._ledger.settle("failed", 500, "a defect of the gateway")
            raise
        finally:
            if capture is not None and carrier is not self._connection:
                capture.release()

    def _asked(self) -> Asked | None:
        """How the request takes part in what is shared; None, as nearly always: not at all."""
        view, principal, peeked = self._view, self._principal, self._peeked
        fields = self._request.fields
        settings = view.cache
        if self._counts or not may_take_part(settings, principal.cache, fields, peeked.temperature):
            return None
        route = self._route
        assert route is not None, "the request has been read"
        if settings.shared and not is_allowed(principal, route):
            return None  # another key's answer may be of a member that this one may not use
        return asked_of(
            settings,
            principal.id,
            principal.cache,
            self._request,
            self._body,
            peeked,
            self._dialect,
            shown=self._shown(),
            decode=self._wanted,
            usage=self._usage,
            stands_for=stands_for(route),
            form=(self._reply.wants_progress,),
            meanings=self._connection.gateway.meanings if settings.semantic else None,
        )

    def _usage(self) -> Usage | None:
        tap = self._reply.tap
        return tap.usage if tap is not None else None

    def _enter(self) -> None:
        """Count the request at its key, whoever will answer it."""
        gateway = self._connection.gateway
        refusal = self._admission.count(gateway.now_ms())
        if refusal is not None:
            raise limit_error(self._principal.name, refusal)

    def _passenger(self) -> Passenger:
        reply, endpoint = self._reply, self._endpoint
        return Passenger(
            self._connection,
            self._request,
            self._dialect,
            self._ledger,
            personal=reply.extra
            + personal_headers(
                self._view, self._dialect.format, self._request, self._connection.request_id
            ),
            keepalive_s=reply.keepalive_s if self._peeked.stream else 0.0,
            sse=endpoint.path.sse,
        )

    async def _read(self) -> None:
        self._body = body = await self._connection.read_body(self._request)
        ledger = self._ledger
        ledger.body_bytes = len(body)
        if self._principal.captures:
            begin_capture(self._connection, self._request, ledger, self._view, body)
        self._peeked = peeked = self._dialect.peek(body, self._endpoint.path)
        ledger.model_asked = peeked.model
        ledger.stream = peeked.stream
        reply = self._reply
        reply.wants_progress = reply.wants_progress and peeked.stream
        self._route = route = self._view.names.resolve(peeked.model, self._endpoint.provider)
        ledger.combo = route.combo
        check_route(self._principal, route)
        if self._principal.guard is not None and not self._counts:
            self._look_at_content(self._principal.guard)

    def _look_at_content(self, guard: InjectionGuard) -> None:
        look = guard.look(self._wanted)
        if not look.told:
            return
        self._ledger.guard = look.told
        self._reply.extra += b"x-omniroute-guard: %b\r\n" % look.told.encode("ascii")
        _log.warning(
            "the injection guard %s: %s",
            "refuses a request" if look.refusal is not None else "warns",
            look.told,
            extra={"fields": {"request": self._ledger.id, "key": self._principal.name}},
        )
        if look.refusal is not None:
            raise look.refusal

    async def _serve(self) -> None:
        route = self._route
        assert route is not None, "the request has been read"
        peeked = self._peeked
        reply = self._reply
        view = self._view
        gateway = self._connection.gateway
        gateway.retry_budget.count_request()
        # A body that came with the head is read in no time.
        waited = self._connection.body_wait_s
        now_ms = gateway.now_ms() if waited else self._ledger.started_ms
        self._conversation = conversation = self._find_conversation(route, now_ms)
        pursuit = Pursuit(
            gateway,
            view,
            self._principal,
            route,
            reply,
            self._admission,
            self._send,
            input_tokens=self._input_bound,
            output_tokens=self._output_bound,
            streaming=peeked.stream,
            kept=conversation.kept if conversation is not None else "",
            on_served=self._served,
        )
        await pursuit.run(now_ms)

    def _find_conversation(self, route: Route, now_ms: int) -> Conversation | None:
        """The conversation that the request belongs to, where that may change who serves it."""
        if self._counts:
            return None
        view = self._view
        session = session_of(self._request.fields, self._peeked)
        if session is not None:
            self._know_session(session)
        if not (view.routing.sticky_sessions and view.has_choice(route)):
            return None
        conversations = self._connection.gateway.conversations
        if view.has_default(route) and not conversations.any_kept(now_ms):
            return None  # nobody stays with another account than the one that is chosen anyway
        return self._conversation_of(route)

    def _conversation_of(self, route: Route) -> Conversation | None:
        session = self._ledger.session
        if not session:
            session = fingerprint_of(self._dialect.fingerprint(self._body, self._peeked))
            if not session:
                return None
            self._know_session(session)
        gateway = self._connection.gateway
        ttl_ms = round(self._view.routing.session_ttl_s * 1000)
        return gateway.conversations.find(
            self._principal.id, route.asked, session, ttl_ms, gateway.now_ms()
        )

    def _know_session(self, session: str) -> None:
        self._ledger.session = session
        self._reply.extra += b"x-omniroute-session-id: %b\r\n" % answers.header_value(session)

    def _served(self, target: Target) -> None:
        """The target has begun to answer: its account is where the conversation stays."""
        conversation = self._conversation
        view = self._view
        route = self._route
        if self._counts or route is None:
            return
        if conversation is None:
            if view.is_default(target) or not view.routing.sticky_sessions:
                return
            if not view.has_choice(route):
                return
            conversation = self._conversation_of(route)
        if conversation is not None:
            by_default = view.is_default(target) and not spreads(route.steps[0].combo)
            now_ms = self._connection.gateway.now_ms()
            conversation.served(target, now_ms, by_default=by_default)

    # --- bounds, for what is reserved -----------------------------------------------------------

    def _input_bound(self, target: Target, model: str) -> int:
        """Input tokens that the request takes at most: see `admission`."""
        if self._counts:
            return 0
        bound = len(self._body) + ADDED_INPUT_TOKENS
        if self._edits is not None:
            bound += self._edits.added_bytes
        window = target.context_tokens.get(model) or self._view.routing.assumed_context_tokens
        if bound < window and self._dialect.refers(self._body, self._peeked):
            return window
        return bound

    def _output_bound(self, target: Target, model: str) -> int:
        """Output tokens at most, reasoning included, over all choices."""
        if self._counts:
            return 0
        peeked = self._peeked
        one = peeked.output_tokens
        if one is None:
            one = target.max_output_tokens.get(model) or self._view.routing.assumed_output_tokens
        return one * peeked.choices

    # --- one attempt ----------------------------------------------------------------------------

    async def _send(self, attempt: "Attempt[Target]") -> None:
        """Answer the client from this target, or raise AttemptFailed or CannotServe."""
        target = attempt.connection
        run = AttemptRun(
            self._carrier,
            self._reply,
            self._view,
            target,
            attempt.model,
            self._view.origin(target, attempt.proxy),
            streaming=self._peeked.stream,
        )
        try:
            await self._ask(run, target, attempt.model)
        finally:
            run.close()

    async def _ask(self, run: AttemptRun, target: Target, model: str) -> None:
        dialect = self._dialect
        reply = self._reply
        peeked = self._peeked
        counts_tokens = self._counts
        ask_usage = False
        if target.format == dialect.format and target.passes_through:
            client_body = self._body
            if self._edits is not None and counts_tokens:
                client_body = self._edits.counted(dialect, client_body)
                peeked = dialect.peek(client_body, self._endpoint.path)
            elif self._edits is not None:
                client_body, peeked = self._edited(target, model)
            ask_usage = peeked.stream and not peeked.include_usage
            body = dialect.upstream_body(client_body, peeked, model, ask_usage=ask_usage)
        elif counts_tokens:
            added = self._edits.added_bytes if self._edits is not None else 0
            tokens = estimate_usage(len(self._body) + added, 0).input_tokens
            await reply.whole(200, dialect.counted(tokens), answers.JSON, None, NO_USAGE, "none")
            return
        else:
            reply.translation = self._translation(target, model)
            body = reply.translation.body
        if (capture := self._ledger.capture) is not None:
            capture.asked(self._ledger.attempts, body, target.credentials())
        response = await run.ask(self._upstream_request(target, model, body, peeked.stream))
        streams = is_event_stream(response)
        if reply.translation is None and peeked.stream != streams:
            # The upstream answers in another form than it was asked for: the codec turns it over.
            reply.translation = self._translation(target, model)
        if peeked.stream and streams:
            await run.relay_stream(response, self._tap(target, strip_usage=ask_usage))
        else:
            await run.relay_whole(response, counts_tokens=counts_tokens)

    def _edited(self, target: Target, model: str) -> tuple[bytes, Peek]:
        """The client's request in its own format with the owner's edits, as if it had come so."""
        edits = self._edits
        assert edits is not None
        edited = edits.spliced(self._dialect, self._body)
        if edited is not None:
            return edited, self._dialect.peek(edited, self._endpoint.path)
        codec = CODECS[self._dialect.format]
        try:
            body = codec.encode_request(self._wanted(), target.model(model)).body
        except ir.CannotCarry as error:
            raise CannotServe(cannot_carry(target.model(model), target.format, error)) from None
        peeked = self._dialect.peek(body, self._endpoint.path)
        # Codecs ask for usage in their own streams; what the client itself asked is what it sees.
        return body, replace(peeked, include_usage=self._peeked.include_usage)

    def _wanted(self) -> ir.Request:
        """The request decoded and as the owner wants it; made once."""
        if self._decoded is None:
            codec = CODECS[self._dialect.format]
            decoded = decode_request(codec, self._body, self._endpoint.path)
            self._decoded = decoded if self._edits is None else self._edits.applied(decoded)
        return self._decoded

    def _translation(self, target: Target, model: str) -> Translation:
        """The translation of the request for a target."""
        client = CODECS[self._dialect.format]
        shown = self._shown()
        wanted = self._wanted()
        try:
            return Translation(client, CODECS[target.format], wanted, target.model(model), shown)
        except GatewayError as error:
            raise CannotServe(error) from None

    def _shown(self) -> Shown:
        peeked = self._peeked
        return Shown(
            model=peeked.model,
            id=self._connection.request_id.decode("ascii"),
            created=self._ledger.started_ms // 1000,
            include_usage=peeked.include_usage,
            sse=self._endpoint.path.sse,
        )

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
        head = target.counting_head(model) if self._counts else target.head(model, stream=stream)
        return b"%baccept: %b\r\n%bcontent-length: %d\r\n\r\n%b" % (
            head,
            EVENT_STREAM if stream else answers.JSON,
            forwarded,
            len(body),
            body,
        )
