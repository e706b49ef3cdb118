"""The drain: whatever happens at whatever moment, each record reaches the history exactly once."""

import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omniroute.control.drain import DrainStatus, drain_once
from omniroute.record import Record
from omniroute.state.interface import State
from omniroute.state.lmdb_state import LmdbState, open_state
from omniroute.state.memory_state import MemoryState
from omniroute.store.database import Store
from omniroute.store.interface import StoreFull

ROOT = Path(__file__).parents[2]
MIB = 1 << 20


def a_record(number: int) -> Record:
    return Record(id=f"r{number}", started_ms=number, key_id="k")


def ready(directory: Path) -> LmdbState:
    state = open_state(directory, map_bytes=256 * MIB, create=True)
    if state.needs_rebuild:
        state.rebuild([])
    return state


@pytest.fixture
def state(tmp_path: Path) -> Iterator[LmdbState]:
    state = ready(tmp_path / "state.lmdb")
    yield state
    state.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(tmp_path / "omniroute.sqlite", busy_timeout_ms=10)
    yield store
    store.close()


class Crash(BaseException):
    """The process dies here: no handler of the code under test may run on it."""


class CrashingHistory:
    """A history that is all or nothing, by id; dies before or after its commit when told to."""

    def __init__(self) -> None:
        self.rows: dict[str, Record] = {}
        self.die = ""

    def insert_records(self, records: Sequence[Record]) -> int:
        if self.die == "before commit":
            raise Crash
        new = {record.id: record for record in records if record.id not in self.rows}
        self.rows.update(new)
        if self.die == "after commit":
            raise Crash
        return len(new)


class CrashingState(MemoryState):
    """Dies before reading, or after it has forgotten some of what it was told to forget."""

    die = ""

    def drain(self, limit: int) -> list[tuple[bytes, bytes]]:
        if self.die == "before reading":
            raise Crash
        return super().drain(limit)

    def forget(self, keys: Sequence[bytes]) -> int:
        if self.die == "while forgetting":
            super().forget(keys[: len(keys) // 2])
            raise Crash
        forgotten = super().forget(keys)
        if self.die == "after forgetting":
            raise Crash
        return forgotten


CRASHES = [
    "",
    "before reading",
    "before commit",
    "after commit",
    "while forgetting",
    "after forgetting",
]


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 6), st.sampled_from(CRASHES), st.integers(1, 5)), max_size=40)
)
def test_a_crash_between_any_two_steps_neither_loses_nor_doubles(steps):
    state, history, settled = CrashingState(), CrashingHistory(), 0
    for new, crash, batch in steps:
        for _ in range(new):
            state.settle(a_record(settled))
            settled += 1
        state.die = history.die = crash
        with contextlib.suppress(Crash):
            drain_once(state, history, batch, DrainStatus())
        # Always, not only at the end: everything is in the history or still in the outbox.
        waiting = len(MemoryState.drain(state, settled + 1))
        assert settled - waiting <= len(history.rows) <= settled
    state.die = history.die = ""
    while drain_once(state, history, 3, DrainStatus()):
        pass
    assert sorted(history.rows) == sorted(f"r{number}" for number in range(settled))
    assert state.stats().outbox_records == 0
    assert state.usage("k", 0).requests == settled


def test_batches_follow_until_the_outbox_is_empty(state, store):
    for number in range(25):
        state.settle(a_record(number))
    status = DrainStatus()
    assert [drain_once(state, store, 10, status) for _ in range(4)] == [10, 10, 5, 0]
    assert status == DrainStatus(moved=25)
    assert store.count_requests() == 25


def test_a_locked_history_is_reported_and_tried_again(state, store, tmp_path):
    state.settle(a_record(1))
    other = sqlite3.connect(tmp_path / "omniroute.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    status = DrainStatus()
    for failures in (1, 2):
        assert drain_once(state, store, 10, status) == 0
        assert status.failures == failures
        assert "locked" in status.problem
    assert state.stats().outbox_records == 1
    other.execute("ROLLBACK")
    other.close()
    assert drain_once(state, store, 10, status) == 1
    assert status == DrainStatus(moved=1)


def test_a_full_disk_is_reported_and_the_outbox_keeps_everything(state):
    class Full(CrashingHistory):
        def insert_records(self, records: Sequence[Record]) -> int:
            raise StoreFull("cannot insert records: the disk is full. Make room on its disk")

    for number in range(5):
        state.settle(a_record(number))
    status, history = DrainStatus(), CrashingHistory()
    assert drain_once(state, Full(), 10, status) == 0
    assert "Make room" in status.problem
    assert state.stats().outbox_records == 5
    assert drain_once(state, history, 10, status) == 5
    assert status.problem == ""
    assert len(history.rows) == 5


def test_what_was_billed_beyond_its_bound_is_told_and_added_up(state, store, caplog):
    for number, beyond_microusd in ((1, 0), (2, 30), (3, 12)):
        record = a_record(number)
        record.beyond_microusd = beyond_microusd
        state.settle(record)
    status = DrainStatus()
    drain_once(state, store, 10, status)
    assert (status.beyond, status.beyond_microusd) == (2, 42)
    assert [entry.args[0] for entry in caplog.records] == ["r2", "r3"]


def test_an_entry_that_is_no_record_is_dropped_counted_and_stops_nobody(state, store):
    state.settle(a_record(1))
    with state._environment.begin(write=True) as txn:
        txn.put(b"\0" * 12, b"\xc1 no msgpack", db=state._outbox)
    state.settle(a_record(2))
    status = DrainStatus()
    assert drain_once(state, store, 10, status) == 3
    assert (status.moved, status.unreadable) == (2, 1)
    assert state.stats().dropped == {"unreadable": 1}
    assert state.stats().outbox_records == 0
    assert store.count_requests() == 2


def test_an_empty_outbox_is_no_failure(state: State, store):
    status = DrainStatus()
    assert drain_once(state, store, 10, status) == 0
    assert status == DrainStatus()


SETTLE = """
import sys, time
from pathlib import Path
from omniroute.record import Record
from omniroute.state.lmdb_state import open_state
state = open_state(Path(sys.argv[1]), map_bytes=256 << 20, create=False)
for n in range(int(sys.argv[4])):
    state.settle(Record(id=f"{sys.argv[3]}-{n}", started_ms=0, key_id="k"))
    print(n, flush=True)
time.sleep(60)
"""

DRAIN = """
import sys
from pathlib import Path
from omniroute.control.drain import DrainStatus, drain_once
from omniroute.state.lmdb_state import open_state
from omniroute.store.database import Store
state = open_state(Path(sys.argv[1]), map_bytes=256 << 20, create=False)
store = Store.open(Path(sys.argv[2]))
status = DrainStatus()
print("draining", flush=True)
while True:
    drain_once(state, store, 40, status)
    assert not status.problem, status.problem
"""


# Nobody drops a record however slow the disk and however long a reader is paused: all fit into the
# outbox, and the map holds the six pages or so that are copied for each record of a round.
ROUNDS, PER_ROUND = 6, 8_000


def wait_for(event: Callable[[], bool], child: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 60
    while not event():
        if child.poll() is not None or time.monotonic() > deadline:
            kill(child)
            pytest.fail("the process ended, or did not do what was waited for")
        time.sleep(0.002)


def begin(script: str, report: Path, *arguments: object) -> "subprocess.Popen[bytes]":
    """Starts a script and waits for its first line, which goes to a file: it never blocks."""
    with report.open("wb") as file:
        child = subprocess.Popen(
            [sys.executable, "-c", script, *map(str, arguments)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=file,
        )
    wait_for(lambda: b"\n" in report.read_bytes(), child)
    return child


def kill(child: "subprocess.Popen[bytes]") -> None:
    if child.poll() is None:
        child.send_signal(signal.SIGKILL)
    child.wait(timeout=30)


@pytest.mark.processes
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_worker_and_drain_killed_again_and_again_every_record_is_there_once(tmp_path):
    directory, path = tmp_path / "state.lmdb", tmp_path / "omniroute.sqlite"
    state, store = ready(directory), Store.open(path)
    moments = random.Random(3)
    told: set[str] = set()
    for number in range(ROUNDS):
        report = tmp_path / f"report{number}"
        drain = begin(DRAIN, tmp_path / "draining", directory, path)
        try:
            worker = begin(SETTLE, report, directory, path, f"c{number}", PER_ROUND)
            try:
                moved = store.count_requests()
                wait_for(lambda moved=moved: store.count_requests() > moved, drain)
                time.sleep(moments.uniform(0.0, 0.05))
            finally:
                if moments.random() < 0.5:
                    kill(drain)
                kill(worker)
        finally:
            kill(drain)
        state.reader_check()  # as control does after a death: a dead reader keeps pages, too
        told.update(f"c{number}-{n}" for n in report.read_text().split("\n")[:-1])
    assert state.stats().dropped == {}  # a drop would hide a loss
    status = DrainStatus()
    while drain_once(state, store, 1000, status):
        pass
    history = [record.id for record in store.requests(ROUNDS * PER_ROUND + 1)]
    usage = state.usage("k", 0)
    state.close()
    store.close()
    assert status.problem == ""
    assert len(history) == len(set(history)) == usage.requests
    assert told <= set(history)
    assert len(history) <= len(told) + ROUNDS  # settled but not told: one for each kill
