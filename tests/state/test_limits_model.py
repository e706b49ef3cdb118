"""Limits as a machine: workers that reserve, exchange, note, settle and die in any order.

A model beside it knows what each ticket holds and what ended when. After every step, at every
meter: used + reserved <= limit, what is reserved is exactly what living and unreaped requests hold,
and what is used is what the records say that ended in the window.
"""

import itertools
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    rule,
)

from omniroute.record import Record
from omniroute.resilience.calendar import Calendar
from omniroute.resilience.gauges import SLOTS
from omniroute.resilience.meters import Meter, measure
from omniroute.state import incarnation
from omniroute.state.interface import Hold, State
from omniroute.state.layout import DAY_MS, decode_record
from omniroute.state.lmdb_state import open_state
from omniroute.state.memory_state import MemoryState
from omniroute.usage import Usage

START_MS = 20_000 * DAY_MS + DAY_MS - 90_000  # a day ends soon

RPM = Meter(key="rpm", measure="requests", kind="rolling", limit=4, window_ms=60_000)
TPM = Meter(key="tpm", measure="tokens", kind="rolling", limit=100, window_ms=60_000)
DAILY = Meter(key="daily", measure="usd", kind="fixed", limit=100, period="daily")
SESSION = Meter(key="session", measure="usd", kind="session", limit=80, window_ms=120_000)
RUNNING = Meter(key="running", measure="running", kind="running", limit=3)
METERS = (RPM, TPM, DAILY, SESSION, RUNNING)
HELD = (TPM, DAILY, SESSION, RUNNING)  # these are reserved, the others count at once

amounts = st.integers(0, 60)


class Request:
    """What the model knows of one request."""

    def __init__(self, worker: "Worker", ticket: bytes, id_: str) -> None:
        self.worker = worker
        self.ticket = ticket
        self.id = id_
        self.holds: tuple[Hold, ...] = ()
        self.note: Record | None = None
        self.over = False

    def record(self, share: int, outcome: str = "ok") -> Record:
        """What it used: a share (per cent) of what it holds, the same of each."""
        held = {hold.meter: hold.amount for hold in self.holds}
        tokens = held.get(TPM, 0) * share // 100
        usd = min([held[meter] for meter in (DAILY, SESSION) if meter in held], default=0)
        return Record(
            id=self.id,
            started_ms=START_MS,
            outcome=outcome,
            usage=Usage(tokens // 2, 0, 0, tokens - tokens // 2, 0),
            cost_microusd=usd * share // 100,
        )


class Worker:
    def __init__(self, name: bytes, process: bytes) -> None:
        self.name = name
        self.process = process
        self.dead = False


class LimitsMachine(RuleBasedStateMachine):
    """Over tables in memory; `LmdbLimitsMachine` is the same over LMDB."""

    workers = Bundle("workers")
    requests = Bundle("requests")

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.dead: set[bytes] = set()
        processes = itertools.count()
        self.patch.setattr(incarnation, "own", lambda: f"process {next(processes)}".encode())
        self.patch.setattr(
            incarnation, "is_alive", lambda blob: blob != b"" and blob not in self.dead
        )
        self.registered = 0
        self.now_ms = START_MS
        self.numbers = itertools.count()
        self.known: list[Request] = []
        self.used: dict[Meter, list[tuple[int, int]]] = {meter: [] for meter in METERS}
        self.session_ms = 0
        self.entered: dict[str, str] = {}
        self.state: State = self.open()

    def open(self) -> State:
        return MemoryState()

    def teardown(self) -> None:
        try:
            self.all_ends()
        finally:
            self.state.close()
            self.patch.undo()

    # --- workers and time ---

    @initialize(target=workers)
    def first_worker(self) -> Worker:
        return self.start_worker()

    @rule(target=workers)
    def another_worker(self) -> Worker:
        return self.start_worker()

    def start_worker(self) -> Worker:
        process = f"process {self.registered}".encode()
        self.registered += 1
        return Worker(self.state.limits.incarnate(), process)

    @rule(worker=workers)
    def kill(self, worker: Worker) -> None:
        worker.dead = True
        self.dead.add(worker.process)

    @rule(ms=st.one_of(st.integers(0, 5_000), st.integers(0, 2 * 3_600_000)))
    def time_passes(self, ms: int) -> None:
        self.now_ms += ms

    # --- requests ---

    @rule(
        target=requests,
        worker=workers,
        meters=st.sets(st.sampled_from(METERS), min_size=1),
        amount=amounts,
    )
    def reserve(self, worker: Worker, meters: set[Meter], amount: int) -> Request:
        number = next(self.numbers)
        ticket = worker.name + number.to_bytes(8, "big")
        request = Request(worker, ticket, f"r{number}")
        if worker.dead:
            request.over = True
            return request
        holds = self.holds(meters, amount)
        note = request.record(0)
        refusal = self.state.limits.reserve(ticket, holds, note, self.now_ms)
        if refusal is None:
            self.take(request, holds)
            request.note = note if request.holds else None
        else:
            self.check_refusal(refusal.hold, refusal.used, refusal.reserved)
        self.known.append(request)
        return request

    @rule(request=requests, meters=st.sets(st.sampled_from(METERS)), amount=amounts)
    def exchange(self, request: Request, meters: set[Meter], amount: int) -> None:
        if request.over or request.worker.dead:
            return
        new = self.holds(meters, amount)
        note = request.record(0)
        gone = request.holds
        refusal = self.state.limits.exchange(request.ticket, gone, new, note, self.now_ms)
        if refusal is None:
            request.holds = ()
            self.take(request, new)
            request.note = note if request.holds else None

    @rule(request=requests, share=st.integers(0, 100))
    def note(self, request: Request, share: int) -> None:
        if not request.over and not request.worker.dead:
            request.note = request.record(share)
            self.state.limits.note([(request.ticket, request.note)])

    @rule(request=consumes(requests), share=st.integers(0, 100))
    def settle(self, request: Request, share: int) -> None:
        if not request.over and not request.worker.dead:
            record = request.record(share)
            self.state.settle(record, request.ticket, self.now_ms)
            self.end(request, record)
            self.entered[record.id] = record.outcome

    @rule(request=consumes(requests))
    def release(self, request: Request) -> None:
        if not request.over and not request.worker.dead:
            self.state.limits.release(request.ticket, self.now_ms)
            self.end(request, None)

    @rule()
    def reap(self) -> None:
        lost = {record.id for record in self.state.limits.reap(self.now_ms)}
        for request in self.known:
            if request.worker.dead and not request.over:
                assert (request.id in lost) == (request.note is not None)
                self.end(request, request.note)
                if request.note is not None:
                    self.entered[request.id] = "worker_lost"
                    lost.remove(request.id)
        assert not lost

    # --- the model ---

    def holds(self, meters: set[Meter], amount: int) -> tuple[Hold, ...]:
        ordered = [meter for meter in METERS if meter in meters]
        return tuple(
            Hold(meter, 1 if meter.measure in ("requests", "running") else amount)
            for meter in ordered
        )

    def take(self, request: Request, holds: tuple[Hold, ...]) -> None:
        for hold in holds:
            if hold.meter == RPM:
                self.used[RPM].append((self.now_ms, hold.amount))
            if hold.meter == SESSION:
                self.begin_session()
        request.holds = tuple(hold for hold in holds if hold.meter in HELD)

    def begin_session(self) -> None:
        if self.now_ms >= self.session_ms + SESSION.window_ms:
            self.session_ms = self.now_ms

    def end(self, request: Request, record: Record | None) -> None:
        request.over = True
        if record is None:
            return
        for hold in request.holds:
            if actual := measure(hold.meter, record):
                if hold.meter == SESSION:
                    self.begin_session()
                self.used[hold.meter].append((self.now_ms, actual))

    def reserved(self, meter: Meter) -> int:
        return sum(
            hold.amount
            for request in self.known
            if not request.over
            for hold in request.holds
            if hold.meter == meter
        )

    def used_since(self, meter: Meter, since_ms: int) -> int:
        return sum(amount for at_ms, amount in self.used[meter] if at_ms >= since_ms)

    def bounds(self, meter: Meter) -> tuple[int, int]:
        """The least and the most that may count as used now."""
        if meter.kind == "rolling":
            slot_ms = meter.window_ms // SLOTS
            slack_ms = meter.window_ms + slot_ms
            return (
                self.used_since(meter, self.now_ms - meter.window_ms + 1),
                self.used_since(meter, self.now_ms - slack_ms),
            )
        if meter.kind == "fixed":
            start_ms = Calendar("daily", 0, "UTC").window(self.now_ms)[0]
        elif meter.kind == "session":
            if self.now_ms >= self.session_ms + meter.window_ms:
                return 0, 0
            start_ms = self.session_ms
        else:
            return 0, 0
        exactly = self.used_since(meter, start_ms)
        return exactly, exactly

    def check_refusal(self, hold: Hold, used: int, reserved: int) -> None:
        assert used + reserved + hold.amount > hold.meter.limit

    @invariant()
    def no_limit_is_passed_and_nothing_is_lost(self) -> None:
        readings = self.state.limits.readings(METERS, self.now_ms)
        for meter, reading in zip(METERS, readings, strict=True):
            assert reading.used + reading.reserved <= meter.limit, meter.key
            assert reading.reserved == self.reserved(meter), meter.key
            least, most = self.bounds(meter)
            assert least <= reading.used <= most, meter.key

    def all_ends(self) -> None:
        for request in self.known:
            if not request.over and not request.worker.dead:
                record = request.record(50)
                self.state.settle(record, request.ticket, self.now_ms)
                self.end(request, record)
                self.entered[record.id] = record.outcome
        self.reap()
        self.no_limit_is_passed_and_nothing_is_lost()
        assert all(r.reserved == 0 for r in self.state.limits.readings(METERS, self.now_ms))
        records = [decode_record(blob) for _, blob in self.state.drain(100_000)]
        assert {record.id: record.outcome for record in records} == self.entered
        assert len(records) == len(self.entered)


class LmdbLimitsMachine(LimitsMachine):
    def open(self) -> State:
        self.directory = Path(tempfile.mkdtemp())
        state = open_state(self.directory / "state.lmdb", map_bytes=2 << 20, create=True)
        state.rebuild([])
        return state

    def teardown(self) -> None:
        super().teardown()
        shutil.rmtree(self.directory)


TestLimitsInMemory = LimitsMachine.TestCase
TestLimitsInMemory.settings = settings(stateful_step_count=40)
TestLimitsInLmdb = LmdbLimitsMachine.TestCase
TestLimitsInLmdb.settings = settings(stateful_step_count=40)
