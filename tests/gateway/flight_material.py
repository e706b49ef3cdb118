"""Workers that fly: real connections and flights over memory, scripts in place of exchanges."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import trio

from omniroute.config import CacheSettings, LimitSettings
from omniroute.formats.table import DIALECTS
from omniroute.gateway import answers, keeping
from omniroute.gateway.carrier import Carrier
from omniroute.gateway.connection import ClientConnection
from omniroute.gateway.flights import Asked, Flights
from omniroute.gateway.keeping import KeptBytes
from omniroute.gateway.passenger import Passenger
from omniroute.installation import Installation
from omniroute.net.transport import memory_pair
from omniroute.state.answers import Answers
from omniroute.state.memory_answers import MemoryAnswers
from omniroute.wire.http1 import Request
from tests.gateway.conftest import MemoryStream, RawClient

DIALECT = DIALECTS["openai"]
EVENTS = b"text/event-stream"
Exchange = Callable[[Carrier, Request], Awaitable[None]]


class Account:
    """The ledger of one request, as far as a passenger knows it."""

    def __init__(self) -> None:
        self.cache = ""
        self.answer_bytes = 0
        self.upstream_wait_s = 0.0
        self.overhead_us = 0
        self.settled: tuple[str, int, str] | None = None

    def note_first_byte(self) -> None:
        self.overhead_us = 1

    def settle(self, outcome: str, status: int, error: str) -> None:
        self.settled = self.settled or (outcome, status, error)


class Worker:
    """What a connection knows as its gateway. Who asks is said by the header `x-principal`."""

    def __init__(
        self, exchange: Exchange, kept: Answers, installation: Installation, name: bytes
    ) -> None:
        self.view = SimpleNamespace(limits=LimitSettings())
        self.clock = trio.current_time
        self.date = answers.DateLine()
        self.draining = False
        self.settings = CacheSettings(max_entry_bytes=100_000)
        self.exchange = exchange
        self.calls = 0
        self.accounts: list[Account] = []
        self.connections: list[ClientConnection] = []
        self.flights = Flights(
            kept,
            installation,
            name,
            clock=self.clock,
            wall_ms=lambda: int(trio.current_time() * 1000),
            hold_bytes=1 << 20,
        )

    def new_request_id(self) -> bytes:
        return b"req_%d" % len(self.accounts)

    async def sweep(self) -> None:
        while True:
            await trio.sleep(0.25)
            self.flights.sweep(self.clock())

    async def dispatch(self, connection: ClientConnection, request: Request) -> None:
        body = await connection.read_body(request)
        account = Account()
        self.accounts.append(account)
        streaming = b"stream" in body
        passenger = Passenger(
            connection,
            request,
            DIALECT,
            account,  # type: ignore[arg-type]
            personal=b"x-mine: %b\r\n" % connection.request_id,
            keepalive_s=15.0 if streaming else 0,
            sse=True,
        )

        async def fly(carrier: Carrier) -> None:
            self.calls += 1
            await self.exchange(carrier, request)

        await self.flights.serve(self.asked(request, body, streaming), passenger, fly)

    def asked(self, request: Request, body: bytes, streaming: bool) -> Asked:
        fields = request.fields
        settings = self.settings
        who = fields.get(b"x-principal", b"").decode()
        meaning = body.replace(b"stream", b"").strip()
        cached = keeping.wants_cache(settings, None, fields, None, refers=False)

        def replay(kept: bytes) -> KeptBytes:
            if kept == b"unreadable":
                raise ValueError(kept)
            content_type = EVENTS if streaming else answers.JSON
            return KeptBytes(200, content_type, b"", streaming, b"again: " + kept)

        return Asked(
            settings=settings,
            idempotency_key=keeping.idempotency_key(settings, who, fields),
            tag=keeping.request_tag(request.target, body),
            cache_key=keeping.cache_key(settings, who, meaning) if cached else b"",
            form=keeping.form_key(streaming),
            model="acme/plain",
            keep=lambda answer: answer.body,
            replay=replay,
        )


CACHED = "x-omniroute-cache: true\r\n"


class House:
    """Some workers over the same kept answers."""

    def __init__(self, nursery: trio.Nursery, tmp_path: Path) -> None:
        self._nursery = nursery
        self.installation = Installation.ephemeral(tmp_path)
        self.dead: set[bytes] = set()
        self.kept: Any = MemoryAnswers(alive=lambda incarnation: incarnation not in self.dead)
        self.workers: list[Worker] = []

    async def worker(self, exchange: Exchange) -> Worker:
        name = b"worker%2d" % len(self.workers)
        worker = Worker(exchange, self.kept, self.installation, name)
        self.workers.append(worker)
        await self._nursery.start(worker.flights.run)
        self._nursery.start_soon(worker.sweep)
        return worker

    async def client(self, worker: Worker) -> RawClient:
        ours, theirs = memory_pair()
        connection = ClientConnection(worker, theirs, "192.0.2.1")  # type: ignore[arg-type]
        worker.connections.append(connection)
        self._nursery.start_soon(connection.run)
        return RawClient(MemoryStream(ours))

    async def post(self, worker: Worker, body: bytes, extra: str = CACHED) -> RawClient:
        """A client of its own that has sent its request, which is now being served."""
        before = len(worker.accounts)
        client = await self.client(worker)
        await client.post(body, extra=extra)
        while len(worker.accounts) == before:
            await trio.lowlevel.checkpoint()
        await trio.testing.wait_all_tasks_blocked()
        return client

    def assert_nothing_is_left(self) -> None:
        for worker in self.workers:
            assert worker.flights.count == 0
            assert worker.flights.retained_bytes == 0
        assert self.kept._claims == {}


@asynccontextmanager
async def open_house(tmp_path: Path) -> AsyncIterator[House]:
    # By the clock that jumps: a wait for what never comes ends at once.
    with trio.fail_after(20_000):
        async with trio.open_nursery() as nursery:
            house = House(nursery, tmp_path)
            yield house
            for _ in range(3):
                await trio.testing.wait_all_tasks_blocked()
            house.assert_nothing_is_left()
            nursery.cancel_scope.cancel()


class Script:
    """An exchange that the test leads by hand: it writes what it is told to."""

    def __init__(self) -> None:
        self.carriers: list[Carrier] = []
        self.cancelled = 0
        self.written = 0  # pieces
        self._send, self._receive = trio.open_memory_channel[Callable[[Any], Awaitable[None]]](100)

    async def __call__(self, carrier: Carrier, request: Request) -> None:
        self.carriers.append(carrier)
        try:
            async for step in self._receive:
                await step((carrier, request))
                if getattr(step, "ends", False):
                    return
        except trio.Cancelled:
            self.cancelled += 1
            raise

    async def begin(self, data: bytes) -> None:
        async def step(to: Any) -> None:
            await to[0].start_stream(to[1], 200, EVENTS, EXTRA, data)

        await self._do(step)

    async def piece(self, data: bytes) -> None:
        async def step(to: Any) -> None:
            self.written += 1
            await to[0].send_piece(to[1], data)

        await self._do(step)

    async def end(self, data: bytes = b"") -> None:
        async def step(to: Any) -> None:
            await to[0].end_stream(to[1], data)

        await self._do(step, ends=True)

    async def fail(self, data: bytes = b"") -> None:
        async def step(to: Any) -> None:
            await to[0].break_stream(to[1], data)

        await self._do(step, ends=True)

    async def whole(self, body: bytes, status: int = 200) -> None:
        async def step(to: Any) -> None:
            await to[0].respond(to[1], status, body, extra=EXTRA)

        await self._do(step, ends=True)

    async def error(self, error: Exception) -> None:
        async def step(to: Any) -> None:
            await to[0].respond_error(to[1], error, DIALECT)

        await self._do(step, ends=True)

    async def defect(self) -> None:
        async def step(to: Any) -> None:
            raise RuntimeError("a defect")

        await self._do(step, ends=True)

    async def _do(self, step: Any, *, ends: bool = False) -> None:
        step.ends = ends
        self._send.send_nowait(step)
        await trio.testing.wait_all_tasks_blocked()


EXTRA = b"x-omniroute-provider: acme\r\nx-omniroute-attempts: 2\r\nopenai-version: 1\r\n"
