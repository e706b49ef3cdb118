"""What every implementation of the state promises, asked of each."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from omniroute.record import Record
from omniroute.state.answers import Mine, Theirs
from omniroute.state.interface import State, StateError, UsageTotals
from omniroute.state.layout import DAY_MS, decode_record
from omniroute.state.lmdb_state import open_state
from omniroute.state.memory_state import MemoryState
from omniroute.usage import Usage

DAY = 20_000


def a_record(number: int, **changes: Any) -> Record:
    fields: dict[str, Any] = {
        "id": f"r{number}",
        "started_ms": DAY * DAY_MS + number,
        "key_id": "k",
        "usage": Usage(10, 4, 2, 5, 1),
        "cost_microusd": 7,
    }
    return Record(**(fields | changes))


@pytest.fixture(params=["memory", "lmdb"])
def fresh(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[State]:
    state: State
    if request.param == "memory":
        state = MemoryState(needs_rebuild=True)
    else:
        state = open_state(tmp_path / "state.lmdb", map_bytes=4 << 20, create=True)
    yield state
    state.close()


@pytest.fixture
def state(fresh: State) -> State:
    fresh.rebuild([])
    return fresh


def test_no_snapshot_is_published_before_the_counters_are_rebuilt(fresh):
    assert fresh.needs_rebuild
    with pytest.raises(StateError, match="rebuild"):
        fresh.publish_snapshot(b"x")
    assert fresh.read_snapshot() is None
    fresh.rebuild([])
    assert not fresh.needs_rebuild
    assert fresh.publish_snapshot(b"x") == 1


def test_each_snapshot_has_the_next_version(state):
    assert state.snapshot_version() == 0
    assert [state.publish_snapshot(blob) for blob in (b"one", b"two" * 9000)] == [1, 2]
    assert state.snapshot_version() == 2
    assert state.read_snapshot() == b"two" * 9000


def test_both_versions_come_from_one_look(state):
    assert state.versions() == (0, 0)
    state.publish_snapshot(b"x")
    state.conditions.change("cooldown:acme/main", lambda _: b"1")
    state.conditions.change("cooldown:acme/main", lambda _: b"2")
    assert state.versions() == (state.snapshot_version(), state.conditions.version()) == (1, 2)


def test_sessions_and_answers_are_there_for_all(state):
    state.sessions.keep(b"s", "acme/main", 50)
    assert state.sessions.account(b"s", 49) == "acme/main"
    owner = state.limits.incarnate() + bytes(8)
    assert state.answers.claim(b"k" * 32, owner, 1) == Mine()
    assert state.answers.claim(b"k" * 32, b"other" * 3 + b"!", 1) == Theirs(owner, b"")


def test_a_settled_record_is_in_the_outbox_and_on_the_counters(state):
    assert state.settle(a_record(1))
    assert [decode_record(blob) for _, blob in state.drain(10)] == [a_record(1)]
    assert state.usage("k", DAY) == UsageTotals(1, 10, 4, 2, 5, 1, 7)


def test_counters_are_apart_by_key_and_day(state):
    for record in (a_record(1), a_record(2, key_id="other"), a_record(3, started_ms=DAY_MS * 3)):
        state.settle(record)
    assert {key: counts.requests for key, counts in state.all_usage().items()} == {
        ("k", DAY): 1,
        ("other", DAY): 1,
        ("k", 3): 1,
    }
    assert state.usage("nobody", DAY) == UsageTotals()


def test_the_outbox_gives_the_oldest_first_and_keeps_them_until_forgotten(state):
    for number in range(600):
        state.settle(a_record(number))
    first = state.drain(500)
    assert [decode_record(blob).id for _, blob in first] == [f"r{n}" for n in range(500)]
    assert state.drain(500) == first
    assert state.forget([key for key, _ in first]) == 500
    assert state.forget([key for key, _ in first]) == 0
    assert [decode_record(blob).id for _, blob in state.drain(500)] == [
        f"r{n}" for n in range(500, 600)
    ]


def test_a_rebuild_replaces_all_counters(state):
    state.settle(a_record(1))
    state.rebuild([(f"key{n}", DAY, (n, 1, 2, 3, 4, 5, 6)) for n in range(1000)])
    assert state.usage("k", DAY) == UsageTotals()
    assert state.usage("key77", DAY) == UsageTotals(77, 1, 2, 3, 4, 5, 6)
    assert len(state.all_usage()) == 1000
    state.settle(a_record(2, key_id="key77"))
    assert state.usage("key77", DAY).requests == 78


def test_old_days_can_be_forgotten(state):
    state.rebuild([(f"key{n}", day, (1,) * 7) for n in range(300) for day in (5, 6)])
    assert state.forget_usage(6) == 300
    assert {day for _, day in state.all_usage()} == {6}


def test_figures_for_people(state):
    state.publish_snapshot(b"x")
    state.settle(a_record(1))
    state.count_drop("unreadable", 2)
    state.count_drop("unreadable")
    figures = state.stats()
    assert figures.outbox_records == 1
    assert figures.dropped == {"unreadable": 3}
    assert figures.snapshot_version == 1
    assert figures.owed == 0
    assert 0 < figures.outbox_bytes <= figures.used_bytes


def test_upkeep_of_a_healthy_state_finds_nothing(state):
    state.sync()
    assert state.reader_check() == 0
    assert state.in_place()
    assert state.warnings == ()


def test_records_beyond_the_limit_of_the_test_state_are_dropped_and_counted():
    state = MemoryState(outbox_limit=2)
    assert [state.settle(a_record(n)) for n in range(3)] == [True, True, False]
    assert state.usage("k", DAY).requests == 3
    assert state.stats().dropped == {"map_full": 1}
