"""The data plane of one worker: accepts, holds what its connections share, answers what is simple.

`Gateway.serve` runs until drained or cancelled. It owns one nursery with a task per connection, one
task that serves socket readiness, one that sweeps deadlines, and one that accepts. The view of the
configuration is looked up anew at each request by the version in the shared state, so a change is
in force for the next request and never in the middle of one.
"""

import errno
import logging
import os
import random
import secrets
import socket
import time
from collections.abc import Callable, Mapping
from math import inf
from pathlib import Path
from typing import Final

import trio

from omniroute.config import UpstreamSettings
from omniroute.errors import ErrorKind, GatewayError
from omniroute.formats.base import Dialect, ModelEntry
from omniroute.formats.table import DEFAULT_FORMAT, DIALECTS
from omniroute.gateway import answers
from omniroute.gateway.addresses import AddressGuard, check_origin
from omniroute.gateway.connection import ClientConnection
from omniroute.gateway.conversation import Conversations
from omniroute.gateway.courier import Courier
from omniroute.gateway.endpoints import EXACT, Endpoint, Kind, find
from omniroute.gateway.flights import Flights
from omniroute.gateway.gatekeeper import Gatekeeper, cors_headers
from omniroute.gateway.health import Health
from omniroute.gateway.lines import Lines
from omniroute.gateway.pipeline import Exchange
from omniroute.gateway.proxy_log import ProxyLog, ProxyWatch
from omniroute.gateway.relay import relay
from omniroute.gateway.sharing import Meanings
from omniroute.gateway.upstream import Pool
from omniroute.gateway.view import Principal, Target, View
from omniroute.installation import Installation, InstallationError
from omniroute.net.connector import Connector
from omniroute.net.dns import DnsCache
from omniroute.net.proxies import EnvironmentProxies
from omniroute.net.readiness import Readiness, open_readiness
from omniroute.net.transport import SocketTransport, Transport
from omniroute.record import Record
from omniroute.resilience.retry import RetryBudget
from omniroute.routing.gauges import Gauges
from omniroute.routing.plan import Stock
from omniroute.routing.strategies import Turns
from omniroute.similarity import embedding
from omniroute.snapshot import SnapshotError, decode
from omniroute.spool import Spool
from omniroute.state.interface import State, StateError
from omniroute.wire.http1 import Request

SWEEP_S: Final = 0.25
ACCEPTS_PER_WAKE: Final = 64  # then others have their turn
SNAPSHOT_WAIT_S: Final = 0.05
NO_DESCRIPTORS_PAUSE_S: Final = 0.1
# Headers by which SDKs show their dialect on paths that dialects share.
DIALECT_BY_HEADER: Final = {b"anthropic-version": "claude", b"x-goog-api-key": "gemini"}
BACKLOG_ERRORS: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
# Of an Enum they cost as much to look up as three calls, and every request asks.
_CHAT: Final = Kind.CHAT
_COUNT: Final = Kind.COUNT

_log = logging.getLogger("omniroute.gateway")


class Gateway:
    """One worker's data plane."""

    view: View
    pool: Pool
    stock: Stock[Target]
    retry_budget: RetryBudget

    def __init__(
        self,
        state: State,
        installation: Installation,
        worker_id: int = 0,
        *,
        environment: Mapping[str, str] = os.environ,
        clock: Callable[[], float] = time.perf_counter,
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._state = state
        self._installation = installation
        self._wall_ns = wall_ns
        self.worker_id = worker_id
        self.limits = state.limits
        self.health = Health(state.conditions)
        self.conversations = Conversations(state.sessions)
        self.lines = Lines()
        self.rng = random.Random()
        self.gauges = Gauges(self._price_per_million)
        self._turns = Turns()
        self._incarnation = state.limits.incarnate()
        self.meanings: Meanings | None = None  # the semantic tier, once it is wanted and loaded
        self._load_meanings = trio.Event()
        self.flights = Flights(
            state.answers, installation, self._incarnation, clock=clock, wall_ms=self.now_ms
        )
        self._environment_proxies = EnvironmentProxies(environment)
        self._id_prefix = f"req_{secrets.token_hex(6)}".encode("ascii")
        self._id_count = 0
        self._connections: set[ClientConnection] = set()
        self._per_address: dict[str, int] = {}
        self.draining = False
        self._cut_at = inf
        self._accepting = trio.CancelScope()
        self._emptied: trio.Event | None = None
        self._view_version = 0
        self._refused_version = 0
        self._gatekeeper = Gatekeeper(installation.key_digest)
        self.addresses = AddressGuard(state.conditions)
        self.seal = installation.encrypt
        self.courier = Courier(Spool(installation.spool))
        self.clock = clock
        self.date = answers.DateLine()

    # --- life -----------------------------------------------------------------------------------

    async def serve(
        self,
        listener: socket.socket,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serve connections from `listener` until `drain` was called and has ended."""
        listener.setblocking(False)
        readiness = open_readiness()
        await self.start(self._connector(readiness))
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(readiness.run)
                nursery.start_soon(self.sweep)
                nursery.start_soon(self.courier.run)
                nursery.start_soon(self._provide_meanings)
                await nursery.start(self.flights.run)
                with self._accepting:
                    task_status.started()
                    await self._accept(listener, readiness, nursery)
                listener.close()
                if self._connections:
                    self._emptied = trio.Event()
                    await self._emptied.wait()
                nursery.cancel_scope.cancel()
        finally:
            listener.close()
            self.pool.close()
            self.courier.flush()

    async def start(self, connector: Connector) -> None:
        """The first view, waiting for a snapshot if need be, and the pool of upstreams."""
        while not self._refresh():  # noqa: ASYNC110 - another process publishes, no event tells
            await trio.sleep(SNAPSHOT_WAIT_S)
        upstream = self.view.upstream
        self.pool = Pool(
            connector,
            size=upstream.pool_size,
            idle_s=upstream.pool_idle_s,
            clock=self.clock,
        )

    def _connector(self, readiness: Readiness) -> Connector:
        upstream = self.view.upstream if self._refresh() else UpstreamSettings()
        connector = ProxyWatch(
            readiness,
            connect_s=upstream.connect_s,
            write_s=upstream.idle_s,
            dns=DnsCache(upstream.dns_ttl_s),
        )
        connector.watch = ProxyLog(self.courier, self.now_ms, lambda: self.view).note
        return connector

    def drain(self, limit_s: float) -> None:
        """Accept no more; let running requests finish within `limit_s`, then cut them."""
        self.draining = True
        self._cut_at = self.clock() + limit_s
        self._accepting.cancel()
        for connection in list(self._connections):
            connection.retire()

    @property
    def inflight(self) -> int:
        """Requests being served."""
        return sum(1 for each in self._connections if each.phase == "serving")

    @property
    def connection_count(self) -> int:
        return len(self._connections)

    async def _accept(
        self, listener: socket.socket, readiness: Readiness, nursery: trio.Nursery
    ) -> None:
        while True:
            await trio.lowlevel.wait_readable(listener)
            # What bounds a connection is settled when it begins.
            if self._state.versions()[0] != self._view_version:
                self._refresh()
            for _ in range(ACCEPTS_PER_WAKE):
                try:
                    sock, peer = listener.accept()
                except (BlockingIOError, InterruptedError):
                    break
                except OSError as error:
                    if error.errno in BACKLOG_ERRORS:
                        _log.error("cannot accept connections: %s; pausing", error.strerror)
                        await trio.sleep(NO_DESCRIPTORS_PAUSE_S)
                    else:
                        _log.debug("a connection died before it was accepted: %s", error)
                    break
                address = peer[0] if isinstance(peer, tuple) else "local"
                try:
                    transport = SocketTransport(
                        sock, readiness, write_limit_s=self.view.limits.write_s
                    )
                except OSError as error:
                    _log.debug("a connection died while it was accepted: %s", error)
                    sock.close()
                    continue
                nursery.start_soon(self.serve_connection, transport, address)

    async def serve_connection(self, transport: Transport, address: str) -> None:
        """Serve one client until it or we end the connection."""
        limits = self.view.limits
        here = self._per_address.get(address, 0)
        if len(self._connections) >= limits.connections or here >= limits.connections_per_address:
            await self._turn_away(transport)
            return
        connection = ClientConnection(self, transport, address)
        self._connections.add(connection)
        self._per_address[address] = here + 1
        try:
            await connection.run()
        except Exception:
            # One connection's fault must not end the others; it is a defect, so it is told loudly.
            _log.exception("a connection ended by a defect of the gateway")
            transport.close()
        finally:
            self._connections.discard(connection)
            if not self._connections and self._emptied is not None:
                self._emptied.set()
            if self._per_address[address] == 1:
                del self._per_address[address]
            else:
                self._per_address[address] -= 1

    async def _turn_away(self, transport: Transport) -> None:
        body = DIALECTS[DEFAULT_FORMAT].error_body(
            GatewayError(ErrorKind.OVERLOADED, "Too many connections; try again in a moment.")
        )
        head = answers.head(
            503,
            answers.JSON,
            len(body),
            date=self.date.line(),
            request_id=self.new_request_id(),
            extra=b"retry-after: 1\r\n",
            keep_alive=False,
        )
        try:
            await transport.send(head + body)
        except OSError as error:
            _log.debug("a client that was turned away had left: %s", error)
        finally:
            transport.close()

    async def sweep(self) -> None:
        """Enforce deadlines of connections and of idle upstream connections."""
        while True:
            await trio.sleep(SWEEP_S)
            now = self.clock()
            for connection in list(self._connections):
                if connection.due <= now:
                    connection.expire(now)
            self.pool.expire(now)
            self.flights.sweep(now)
            if self.draining and now >= self._cut_at:
                for connection in list(self._connections):
                    connection.cancel()

    # --- what requests share --------------------------------------------------------------------

    def new_request_id(self) -> bytes:
        """Unique across workers and restarts: 48 random bits of this process, and a count."""
        self._id_count += 1
        return b"%b%08x" % (self._id_prefix, self._id_count)

    def new_ticket(self) -> bytes:
        """Under which the request with the latest id may reserve."""
        return self._incarnation + self._id_count.to_bytes(8, "big")

    def now_ms(self) -> int:
        """Unix time, for what is shared between processes."""
        return self._wall_ns() // 1_000_000

    def settle(self, record: Record, ticket: bytes = b"") -> None:
        """Write the record of a request; it must not fail the request itself."""
        try:
            self._state.settle(record, ticket, self.now_ms())
        except StateError:
            _log.exception("the record of request %s could not be written", record.id)

    def note_running(self) -> None:
        """Write down how far the running requests are, for whoever finds this worker dead.

        Called with the heartbeat, twice a second; what is over before that costs nothing.
        """
        notes: list[tuple[bytes, Record]] = []
        for connection in self._connections:
            ledger = connection.ledger
            if ledger is not None and (record := ledger.note()) is not None:
                notes.append((ledger.ticket, record))
        for ledger in self.flights.ledgers():
            if (record := ledger.note()) is not None:
                notes.append((ledger.ticket, record))
        if notes:
            self.limits.note(notes)

    def look_at_conditions(self) -> None:
        """Read the shared conditions again if they have changed."""
        self.health.refresh(self._state.versions()[1])

    async def _provide_meanings(self) -> None:
        """Load the embedder in a thread, when a configuration first wants the semantic tier."""
        await self._load_meanings.wait()
        try:
            embedder = await trio.to_thread.run_sync(embedding.load)
        except embedding.EmbedderMissingError as error:
            _log.error("cache.semantic is on, but does nothing: %s", error)
            return
        self.meanings = Meanings(embedder, self._state.answers, self._installation, self.now_ms)

    def _price_per_million(self, provider: str, model: str) -> int | None:
        """Input and output weighted as agents use them, in micro-USD per million tokens."""
        price = self.view.prices.price(provider, model)
        return None if price is None else (3 * price.input + price.output) // 4

    def _adopt(self, view: View) -> None:
        """Make a view the one in force."""
        before = getattr(self, "view", None)
        self.view = view
        self.stock = Stock(view.targets, self.gauges, self._turns, self.rng)
        self.addresses.adopt(view.server, view.ip_filter, view.address_limit)
        if view.cache.semantic:
            self._load_meanings.set()
        share = view.resilience.retry_budget
        if before is None or before.resilience.retry_budget != share:
            self.retry_budget = RetryBudget(share, self.clock())

    def _refresh(self) -> bool:
        """Take over a new snapshot if there is one; on error the old view stays."""
        version = self._state.snapshot_version()
        if version == self._view_version:
            return version != 0
        if version == self._refused_version:
            return self._view_version != 0
        blob = self._state.read_snapshot()
        if blob is None:
            return False
        try:
            snapshot = decode(blob, self._installation)
            self._adopt(View(version, snapshot, self._installation, self._environment_proxies))
        except (SnapshotError, InstallationError):
            _log.exception("snapshot %d cannot be used; the one before stays in force", version)
            self._refused_version = version
            return self._view_version != 0
        self._view_version = version
        return True

    # --- requests -------------------------------------------------------------------------------

    async def dispatch(self, connection: ClientConnection, request: Request) -> None:
        """Find what a request wants, check who asks, have it served."""
        snapshot_version, conditions_version = self._state.versions()
        if snapshot_version != self._view_version:
            self._refresh()
        self.health.refresh(conditions_version)
        addresses = self.addresses
        addresses.refresh(conditions_version, self.health.table)
        view = self.view
        endpoint = EXACT.get(request.target) or find(request.target)
        fields = request.fields
        try:
            connection.client_address = connection.address
            if addresses.active:
                connection.client_address = addresses.admit(
                    connection.address, fields, self.now_ms()
                )
            self._gatekeeper.check_names(view, fields)
            if request.method == b"OPTIONS" and endpoint.kind is not Kind.MANAGEMENT:
                await self._preflight(connection, request, view, endpoint)
                return
            principal = view.anonymous
            if endpoint.needs_key:
                if addresses.counts:
                    addresses.count(connection.client_address, self.now_ms())
                principal = self._gatekeeper.principal(connection, view, request)
                if principal.networks is not None:
                    check_origin(principal.networks, principal.name, connection.client_address)
                if principal.limited:
                    principal.check(self.now_ms())
            if endpoint.methods and request.method not in endpoint.methods:
                allowed = ", ".join(method.decode() for method in endpoint.methods)
                raise GatewayError(
                    ErrorKind.METHOD_NOT_ALLOWED,
                    f"{endpoint.name} takes {allowed}, not {request.method.decode()}.",
                )
            if endpoint.kind is _CHAT or endpoint.kind is _COUNT:
                if view.instance_token in fields.get(b"via", b""):
                    raise GatewayError(
                        ErrorKind.LOOP_DETECTED,
                        "This request has already passed through this gateway: the base_url of a "
                        "provider leads back to it.",
                    )
                exchange = Exchange(connection, request, endpoint, view, principal, self.now_ms())
                await exchange.run()
            else:
                await self._answer(connection, request, view, endpoint, principal)
        except GatewayError as error:
            if error.kind is ErrorKind.BAD_KEY:
                addresses.guessed(connection.client_address, self.now_ms())
            extra = cors_headers(view, fields) + answers.echoed_request_id(fields)
            await connection.respond_error(request, error, _dialect(endpoint, fields), extra)

    async def _answer(
        self,
        connection: ClientConnection,
        request: Request,
        view: View,
        endpoint: Endpoint,
        principal: Principal,
    ) -> None:
        extra = cors_headers(view, request.fields)
        match endpoint.kind:
            case Kind.MODELS:
                entries = list(view.models.values())
                if endpoint.provider is not None:
                    entries = _models_of(view, endpoint.provider)
                entries = [each for each in entries if _is_listed(view, principal, each)]
                body = _dialect(endpoint, request.fields).model_list(entries)
                await connection.respond(request, 200, body, extra=extra)
            case Kind.MODEL:
                body = _dialect(endpoint, request.fields).model_entry(
                    _model(view, endpoint, principal)
                )
                await connection.respond(request, 200, body, extra=extra)
            case Kind.HEALTH:
                await connection.respond(request, 200, b'{"status":"ok"}', extra=extra)
            case Kind.READY:
                if self.draining:
                    raise GatewayError(ErrorKind.NOT_READY, "Draining.", retry_after_s=1)
                await connection.respond(request, 200, b'{"status":"ready"}', extra=extra)
            case Kind.ROOT if view.server.split_ports and request.method != b"HEAD":
                raise _unknown_url(request)
            case Kind.ROOT if request.method == b"HEAD":
                await connection.respond(request, 200, b"", answers.TEXT)
            case Kind.ROOT:
                location = b"location: /dashboard/\r\n"
                await connection.respond(request, 302, b"", answers.TEXT, location)
            case Kind.MANAGEMENT if not view.server.split_ports:
                await relay(connection, request, str(self._control_socket))
            case Kind.UNBUILT:
                raise GatewayError(
                    ErrorKind.NOT_FOUND,
                    f"{endpoint.name} is not served by this version of OmniRoute yet.",
                )
            case _:
                raise _unknown_url(request)

    @property
    def _control_socket(self) -> Path:
        return self._installation.control_socket

    async def _preflight(
        self, connection: ClientConnection, request: Request, view: View, endpoint: Endpoint
    ) -> None:
        methods = b", ".join((*endpoint.methods, b"OPTIONS"))
        extra = b"allow: %b\r\n" % methods
        cors = cors_headers(view, request.fields)
        if cors.startswith(b"access-control"):
            wanted = request.fields.get(b"access-control-request-headers", b"authorization")
            extra += cors + (
                b"access-control-allow-methods: %b\r\naccess-control-allow-headers: %b\r\n"
                b"access-control-max-age: 600\r\n" % (methods, wanted)
            )
        await connection.respond(request, 204, b"", answers.TEXT, extra)


def _dialect(endpoint: Endpoint, fields: Mapping[bytes, bytes]) -> Dialect:
    """The client's dialect: the path's, except where three share the paths of model lists."""
    if endpoint.format == DEFAULT_FORMAT:
        for header, other in DIALECT_BY_HEADER.items():
            if header in fields:
                return DIALECTS[other]
    return DIALECTS[endpoint.format]


def _models_of(view: View, provider: str) -> list[ModelEntry]:
    owner = view.names.prefixes.get(provider)
    if owner is None:
        raise GatewayError(ErrorKind.NOT_FOUND, f"No provider is configured under {provider!r}.")
    return [entry for entry in view.models.values() if entry.owned_by == owner.id]


def _is_listed(view: View, principal: Principal, entry: ModelEntry) -> bool:
    """May the key ask for it, and use an account that serves it?"""
    if principal.models is not None and not principal.models.allows(entry.id):
        return False
    connections = principal.connections
    if connections is None:
        return True
    providers = frozenset((entry.owned_by,))
    if entry.id in view.combos:
        members = view.names.combos[entry.id].members
        providers = frozenset().union(*(member.providers for member in members))
    return any(
        connections.allows(target.connection_id)
        for provider in providers
        for target in view.targets.get(provider, ())
    )


def _model(view: View, endpoint: Endpoint, principal: Principal) -> ModelEntry:
    name = endpoint.argument
    if endpoint.provider is not None and not name.startswith(f"{endpoint.provider}/"):
        name = f"{endpoint.provider}/{name}"
    prefix, slash, model = name.partition("/")
    owner = view.names.prefixes.get(prefix)
    if slash and owner is not None:
        name = f"{owner.id}/{model}"
    entry = view.models.get(endpoint.argument) or view.models.get(name)
    if entry is None or not _is_listed(view, principal, entry):
        raise GatewayError(
            ErrorKind.UNKNOWN_MODEL, f"The model {name!r} is not listed here.", param="model"
        )
    return entry


def _unknown_url(request: Request) -> GatewayError:
    path = request.target.partition(b"?")[0].decode("latin-1")
    return GatewayError(
        ErrorKind.NOT_FOUND,
        f"Unknown URL {path!r}; the OpenAI endpoints are at /v1/chat/completions and /v1/models.",
    )
