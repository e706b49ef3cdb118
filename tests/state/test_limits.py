"""Reservations: what is promised of each, over tables in memory and in LMDB."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from omniroute.record import Record
from omniroute.resilience.meters import Meter, Reading
from omniroute.state import incarnation
from omniroute.state.interface import Hold, Refusal, State, StateError
from omniroute.state.layout import DAY_MS, decode_record
from omniroute.state.lmdb_state import LmdbState, open_state
from omniroute.state.memory_state import MemoryState
from omniroute.usage import Usage

NOW_MS = 20_000 * DAY_MS + 1_000

RPM = Meter(key="k/rpm", measure="requests", kind="rolling", limit=3, window_ms=60_000)
USD = Meter(key="k/usd", measure="usd", kind="fixed", limit=100, period="daily")
TPM = Meter(key="k/tpm", measure="tokens", kind="rolling", limit=100, window_ms=60_000)
RUNNING = Meter(key="k/running", measure="running", kind="running", limit=2)


def a_record(number: int = 1, **changes: Any) -> Record:
    fields: dict[str, Any] = {
        "id": f"r{number}",
        "started_ms": NOW_MS,
        "key_id": "k",
        "usage": Usage(10, 0, 0, 5, 0),
        "cost_microusd": 7,
    }
    return Record(**(fields | changes))


@pytest.fixture(params=["memory", "lmdb"])
def state(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[State]:
    state: State
    if request.param == "memory":
        state = MemoryState()
    else:
        state = open_state(tmp_path / "state.lmdb", map_bytes=4 << 20, create=True)
        state.rebuild([])
    yield state
    state.close()


@pytest.fixture
def tickets(state: State) -> Iterator[bytes]:
    name = state.limits.incarnate()
    return (name + number.to_bytes(8, "big") for number in itertools.count())


@pytest.fixture
def dead(monkeypatch: pytest.MonkeyPatch) -> set[bytes]:
    """Processes that count as ended. Each incarnation is one of its own here."""
    ended: set[bytes] = set()
    names = itertools.count()
    monkeypatch.setattr(incarnation, "own", lambda: f"process {next(names)}".encode())
    monkeypatch.setattr(incarnation, "is_alive", lambda blob: blob != b"" and blob not in ended)
    return ended


def reading(state: State, meter: Meter, now_ms: int = NOW_MS) -> tuple[int, int]:
    return state.limits.readings([meter], now_ms)[0][:2]


def reserve(state: State, ticket: bytes, *holds: Hold, now_ms: int = NOW_MS) -> Refusal | None:
    return state.limits.reserve(ticket, holds, a_record(), now_ms)


def records(state: State) -> list[Record]:
    return [decode_record(blob) for _, blob in state.drain(1000)]


def test_what_was_reserved_is_settled_with_the_record(state, tickets):
    ticket = next(tickets)
    assert reserve(state, ticket, Hold(RPM, 1), Hold(USD, 60), Hold(RUNNING, 1)) is None
    assert state.limits.readings([RPM, USD, RUNNING], NOW_MS) == [
        Reading(1, 0, NOW_MS // 5000 * 5000 + 65_000),
        Reading(0, 60, 20_001 * DAY_MS),
        Reading(0, 1, None),
    ]
    assert state.settle(a_record(), ticket, NOW_MS)
    assert [reading(state, meter) for meter in (RPM, USD, RUNNING)] == [(1, 0), (7, 0), (0, 0)]
    assert records(state) == [a_record()]
    assert state.usage("k", 20_000).cost_microusd == 7


def test_all_is_reserved_or_nothing(state, tickets):
    assert reserve(state, next(tickets), Hold(USD, 60)) is None
    refusal = reserve(state, next(tickets), Hold(RPM, 1), Hold(RUNNING, 1), Hold(USD, 41))
    assert refusal == Refusal(Hold(USD, 41), 0, 60, 1000)
    assert reading(state, RPM) == (0, 0)
    assert reading(state, RUNNING) == (0, 0)


def test_one_meter_twice_in_a_reservation_is_counted_twice(state, tickets):
    ticket = next(tickets)
    assert reserve(state, ticket, Hold(USD, 60), Hold(USD, 40)) is None
    assert reading(state, USD) == (0, 100)
    state.limits.release(ticket, NOW_MS)
    assert reading(state, USD) == (0, 0)


def test_settling_or_giving_back_twice_is_doing_it_once(state, tickets):
    first, second = next(tickets), next(tickets)
    reserve(state, first, Hold(USD, 50))
    reserve(state, second, Hold(USD, 50))
    state.settle(a_record(), first, NOW_MS)
    state.settle(a_record(), first, NOW_MS)
    state.limits.release(first, NOW_MS)
    assert reading(state, USD) == (7, 50)
    state.limits.release(second, NOW_MS)
    state.limits.release(second, NOW_MS)
    assert reading(state, USD) == (7, 0)


def test_a_ticket_reserves_once(state, tickets):
    ticket = next(tickets)
    reserve(state, ticket, Hold(USD, 10))
    with pytest.raises(StateError, match="reserves once"):
        reserve(state, ticket, Hold(USD, 10))
    assert reading(state, USD) == (0, 10)


def test_what_counts_when_admitted_leaves_no_reservation(state, tickets):
    ticket = next(tickets)
    assert reserve(state, ticket, Hold(RPM, 1)) is None
    assert reserve(state, ticket, Hold(RPM, 1)) is None  # nothing is kept under it
    state.limits.release(ticket, NOW_MS)
    assert reading(state, RPM) == (2, 0)


def test_an_exchange_gives_back_and_takes_in_one_step(state, tickets):
    ticket = next(tickets)
    reserve(state, ticket, Hold(USD, 80), Hold(RUNNING, 1), Hold(RPM, 1))
    exchange = state.limits.exchange
    assert exchange(ticket, [Hold(USD, 80)], [Hold(USD, 100)], a_record(), NOW_MS) is None
    assert reading(state, USD) == (0, 100)
    refusal = exchange(ticket, [Hold(USD, 100)], [Hold(TPM, 1), Hold(USD, 101)], a_record(), NOW_MS)
    assert refusal == Refusal(Hold(USD, 101), 0, 0, None)
    assert (reading(state, USD), reading(state, TPM)) == ((0, 100), (0, 0))
    assert exchange(ticket, [Hold(USD, 100), Hold(RPM, 1)], [], a_record(), NOW_MS) is None
    assert (reading(state, USD), reading(state, RUNNING)) == ((0, 0), (0, 1))
    assert reading(state, RPM) == (1, 0)
    state.settle(a_record(), ticket, NOW_MS)
    assert reading(state, RUNNING) == (0, 0)


def test_an_exchange_may_be_the_first_and_the_last_reservation(state, tickets):
    ticket = next(tickets)
    assert state.limits.exchange(ticket, [], [Hold(USD, 5)], a_record(), NOW_MS) is None
    assert state.limits.exchange(ticket, [Hold(USD, 5)], [], a_record(), NOW_MS) is None
    assert reading(state, USD) == (0, 0)
    assert reserve(state, ticket, Hold(USD, 5)) is None  # nothing was left of it


def test_only_what_a_ticket_holds_can_be_given_back(state, tickets):
    ticket = next(tickets)
    reserve(state, ticket, Hold(USD, 80))
    for hold in (Hold(USD, 79), Hold(TPM, 80)):
        with pytest.raises(StateError, match="not reserved under this ticket"):
            state.limits.exchange(ticket, [hold], [], a_record(), NOW_MS)
    assert reading(state, USD) == (0, 80)


def test_a_dead_process_leaves_records_of_what_its_requests_had_used(state, dead):
    ours, theirs = state.limits.incarnate(), state.limits.incarnate()
    for number in range(40):
        noted = a_record(number, cost_microusd=1)
        state.limits.reserve(
            theirs + number.to_bytes(8, "big"), [Hold(USD, 2), Hold(TPM, 1)], noted, NOW_MS
        )
    state.limits.note([(theirs + bytes(8), a_record(0, cost_microusd=2, status=200))])
    state.limits.note([(theirs + b"\xff" * 8, a_record(99))])  # without a reservation
    state.limits.reserve(ours + bytes(8), [Hold(USD, 3)], a_record(100), NOW_MS)
    assert state.limits.reap(NOW_MS) == []
    assert state.limits.is_alive(theirs)

    dead.add(b"process 1")
    assert not state.limits.is_alive(theirs)
    lost = state.limits.reap(NOW_MS + 1)
    assert [record.id for record in lost] == [f"r{n}" for n in range(40)] + ["r99"]
    assert {record.outcome for record in lost} == {"worker_lost"}
    assert [record.status for record in lost[:2]] == [200, 499]
    assert records(state) == lost
    assert state.usage("k", 20_000).requests == 41
    assert reading(state, USD) == (2 + 39, 3)
    assert reading(state, TPM) == (40 * 15, 0)
    assert state.limits.reap(NOW_MS + 2) == []
    assert not state.limits.is_alive(theirs)
    assert state.limits.is_alive(ours)
    state.limits.release(ours + bytes(8), NOW_MS)


def test_what_nobody_registered_is_nobodys_and_reaped(state, dead):
    state.limits.reserve(b"unknown!" + bytes(8), [Hold(USD, 3)], a_record(), NOW_MS)
    assert [record.id for record in state.limits.reap(NOW_MS)] == ["r1"]
    assert reading(state, USD) == (7, 0)


def test_a_note_that_cannot_be_read_still_gives_back_what_was_held(state, dead, monkeypatch):
    name = state.limits.incarnate()
    monkeypatch.setattr("omniroute.state.limits.encode_record", lambda record: b"\xc1")
    state.limits.reserve(name + bytes(8), [Hold(USD, 3)], a_record(), NOW_MS)
    monkeypatch.undo()
    monkeypatch.setattr(incarnation, "is_alive", lambda blob: False)
    (record,) = state.limits.reap(NOW_MS)
    assert (record.id, record.started_ms) == ((name + bytes(8)).hex(), NOW_MS)
    assert reading(state, USD) == (0, 0)


def test_a_noted_request_without_reservation_is_ended_by_settling(state, dead, tickets):
    ticket = next(tickets)
    state.limits.note([(ticket, a_record(cost_microusd=1))])
    state.settle(a_record(), ticket, NOW_MS)
    dead.add(b"process 0")
    assert state.limits.reap(NOW_MS) == []
    assert records(state) == [a_record()]


def test_many_notes_come_in_one_call(state, dead):
    name = state.limits.incarnate()
    notes = [(name + n.to_bytes(8, "big"), a_record(n)) for n in range(50)]
    state.limits.note(notes)
    state.limits.note(notes)
    dead.add(b"process 0")
    assert [record.id for record in state.limits.reap(NOW_MS)] == [f"r{n}" for n in range(50)]


def test_meters_that_were_never_used_are_primed_and_others_are_not(state, tickets):
    reserve(state, next(tickets), Hold(USD, 5))
    assert state.limits.unused([RPM, USD, TPM, RUNNING]) == [RPM, TPM, RUNNING]
    past = {RPM: [(NOW_MS, 2)], USD: [(NOW_MS, 50)], TPM: [], RUNNING: [(NOW_MS, 1)]}
    assert state.limits.prime(past, NOW_MS) == 2
    assert state.limits.prime(past, NOW_MS) == 0
    assert state.limits.unused([RPM, USD, TPM, RUNNING]) == [RUNNING]
    assert [reading(state, meter) for meter in (RPM, USD, TPM)] == [(2, 0), (0, 5), (0, 0)]


def test_other_meters_are_forgotten_unless_a_request_holds_them(state, tickets):
    ticket = next(tickets)
    reserve(state, ticket, Hold(USD, 5), Hold(RPM, 1))
    state.limits.prime({TPM: [(NOW_MS, 9)]}, NOW_MS)
    assert state.limits.forget_others([TPM]) == 1
    assert state.limits.unused([USD, RPM, TPM]) == [RPM]
    state.settle(a_record(), ticket, NOW_MS)
    assert state.limits.forget_others([TPM]) == 1
    assert state.limits.unused([USD, TPM]) == [USD]
    many = [msgspec.structs.replace(USD, key=f"k/{n}") for n in range(50)]
    state.limits.prime({meter: [] for meter in many}, NOW_MS)
    assert state.limits.forget_others([TPM]) == 50


def test_a_limit_that_changes_counts_on(state, tickets):
    reserve(state, next(tickets), Hold(USD, 60))
    lower = msgspec.structs.replace(USD, limit=70)
    assert reading(state, lower) == (0, 60)
    refusal = reserve(state, next(tickets), Hold(lower, 11))
    assert refusal is not None
    assert reserve(state, next(tickets), Hold(lower, 10)) is None


@pytest.fixture
def crowded(tmp_path: Path) -> Iterator[tuple[LmdbState, Any]]:
    """A small state with a reader that keeps every page from its time, so that room runs out."""
    state = open_state(tmp_path / "state.lmdb", map_bytes=1 << 20, create=True)
    state.rebuild([])
    reader = state._environment.begin()
    yield state, reader
    reader.abort()
    state.close()


def test_without_room_nothing_is_admitted_and_what_ends_is_settled_later(crowded):
    state, reader = crowded
    name = state.limits.incarnate()
    running: list[bytes] = []
    big = msgspec.structs.replace(USD, limit=1 << 40)

    def reserve_until_full() -> None:
        for number in range(100_000):
            ticket = name + number.to_bytes(8, "big")
            reserve(state, ticket, Hold(big, 100))
            running.append(ticket)

    with pytest.raises(StateError, match="cannot reserve"):
        reserve_until_full()
    with pytest.raises(StateError, match="cannot note"):
        state.limits.note([(running[0], a_record())])
    with pytest.raises(StateError, match="cannot give back"):
        state.limits.release(running[0], NOW_MS)
    for number, ticket in enumerate(running):
        state.settle(a_record(number), ticket, NOW_MS)
    assert state.stats().owed == 1
    assert reading(state, big)[1] > 0
    reader.abort()
    state.settle(a_record(len(running)))
    assert reading(state, big) == (7 * len(running), 0)
    assert state.usage("k", 20_000).requests == len(running) + 1


def test_a_limit_that_changes_while_a_request_runs_is_settled_where_it_was_reserved(state, tickets):
    ticket = next(tickets)
    reserve(state, ticket, Hold(USD, 60))
    state.limits.readings([msgspec.structs.replace(USD, period="weekly")], NOW_MS)
    state.settle(a_record(), ticket, NOW_MS)
    assert reading(state, USD) == (7, 0)
