"""Limits between real processes: none passes them together, and none takes them to its grave."""

import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from omniroute.resilience.meters import Meter
from omniroute.state.layout import decode_record
from omniroute.state.lmdb_state import LmdbState, open_state

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL"),
]

MIB = 1 << 20

AT_ONCE = 4  # requests that each process has under way
BOUND = 500
LIMIT = 100_000
METERS = """
from omniroute.resilience.meters import Meter
USD = Meter(key="k/usd", measure="usd", kind="fixed", limit=100_000, period="monthly")
RUNNING = Meter(key="k/running", measure="running", kind="running", limit=6)
"""

SPEND = (
    METERS
    + """
import random, sys, time
from collections import deque
from pathlib import Path
from omniroute.record import Record
from omniroute.state.interface import Hold
from omniroute.state.lmdb_state import open_state

directory, name, at_once = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
state = open_state(directory, map_bytes=1 << 20, create=False)
mine = state.limits.incarnate()
moments = random.Random(name)
running, number, refused = deque(), 0, None

def now_ms():
    return time.time_ns() // 1_000_000

def end_oldest():
    ticket, record = running.popleft()
    record.cost_microusd = moments.randint(0, 500)
    state.settle(record, ticket, now_ms())

print("open", flush=True)
while refused is None or running:
    if refused is None and len(running) < at_once:
        ticket = mine + number.to_bytes(8, "big")
        record = Record(id=f"{name}-{number}", started_ms=now_ms(), key_id="k")
        holds = [Hold(RUNNING, 1), Hold(USD, 500)]
        refusal = state.limits.reserve(ticket, holds, record, now_ms())
        if refusal is None:
            running.append((ticket, record))
            number += 1
            continue
        if refusal.hold.meter is USD:
            refused = refusal
            print(refusal.used, refusal.reserved, flush=True)
    if running:
        end_oldest()
state.close()
"""
)

HOLD = (
    METERS
    + """
import sys, time
from pathlib import Path
from omniroute.record import Record
from omniroute.state.interface import Hold
from omniroute.state.lmdb_state import open_state
from omniroute.usage import Usage

state = open_state(Path(sys.argv[1]), map_bytes=1 << 20, create=False)
mine = state.limits.incarnate()
number = 0
print("open", flush=True)
while True:
    ticket = mine + number.to_bytes(8, "big")
    record = Record(id=f"{sys.argv[2]}-{number}", started_ms=1, key_id="k")
    holds = [Hold(USD, 5)]
    if state.limits.reserve(ticket, holds, record, 1) is None:
        record.cost_microusd = 3
        state.limits.note([(ticket, record)])
        if number % 3:
            record.cost_microusd = 4
            state.settle(record, ticket, 1)
    number += 1
"""
)

USD = Meter(key="k/usd", measure="usd", kind="fixed", limit=LIMIT, period="monthly")
RUNNING = Meter(key="k/running", measure="running", kind="running", limit=6)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[LmdbState]:
    state = open_state(tmp_path / "state.lmdb", map_bytes=64 * MIB, create=True)
    state.rebuild([])
    yield state
    state.close()


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def test_two_processes_at_one_budget_never_pass_it_and_use_it_up(state, tmp_path, start):
    children = [start(SPEND, tmp_path / "state.lmdb", name, AT_ONCE) for name in ("a", "b")]
    looked = 0
    while any(child.poll() is None for child in children):
        usd, running = state.limits.readings([USD, RUNNING], now_ms())
        assert usd.used + usd.reserved <= LIMIT
        assert running.reserved <= RUNNING.limit
        looked += 1
    assert looked > 10
    told = [child.stdout.read().split("\n")[1] for child in children]
    assert [child.returncode for child in children] == [0, 0]
    for used, reserved in (map(int, line.split()) for line in told):
        # Refused only when what was unused was less than one more reservation.
        assert LIMIT - BOUND < used + reserved <= LIMIT
    usd, running = state.limits.readings([USD, RUNNING], now_ms())
    assert (usd.reserved, running.reserved) == (0, 0)
    # What the others under way had reserved and did not need is all that is left.
    assert LIMIT - BOUND * (2 * AT_ONCE + 1) < usd.used <= LIMIT
    records = [decode_record(blob) for _, blob in state.drain(100_000)]
    assert usd.used == sum(record.cost_microusd for record in records)
    assert len({record.id for record in records}) == len(records)


def test_killed_at_any_moment_a_worker_leaves_no_reservation_behind(state, tmp_path, start):
    outcomes: dict[str, int] = {}
    spent = 0
    for number in range(6):
        child = start(HOLD, tmp_path / "state.lmdb", f"c{number}")
        assert child.stdout is not None
        assert child.stdout.readline() == "open\n"
        before = state.stats().outbox_records
        while state.stats().outbox_records < before + 20:
            assert child.poll() is None
        child.send_signal(signal.SIGKILL)
        child.wait(timeout=30)
        state.reader_check()
        lost = state.limits.reap(1)
        assert lost
        assert state.limits.reap(1) == []
        (usd,) = state.limits.readings([USD], 1)
        assert usd.reserved == 0
        while batch := state.drain(1000):
            for _, blob in batch:
                record = decode_record(blob)
                spent += record.cost_microusd
                outcomes[record.outcome] = outcomes.get(record.outcome, 0) + 1
            state.forget([key for key, _ in batch])
        assert usd.used == spent <= LIMIT
        assert state.usage("k", 0).cost_microusd == spent
    assert outcomes["worker_lost"] >= 6
    assert outcomes["ok"] >= 6 * 20
