"""The past is whole: what the outbox holds is in the history, or else counted beside it."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from omniroute.control.drain import DrainStatus
from omniroute.control.past import NoPast, StoredPast
from omniroute.record import Record
from omniroute.state.memory_state import MemoryState
from omniroute.store.database import Store
from omniroute.store.interface import StoreFull


class FullStore(Store):
    def insert_records(self, records: Sequence[Record]) -> int:
        raise StoreFull("no room")


@pytest.fixture
def state() -> MemoryState:
    state = MemoryState()
    for number in range(1500):
        state.settle(Record(id=f"r{number}", started_ms=number, cost_microusd=1))
    return state


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(tmp_path / "omniroute.sqlite")
    yield store
    store.close()


def test_what_waits_is_written_to_the_history_first(state, store):
    past = StoredPast(state, store, DrainStatus())
    assert past.left_over() == []
    assert sum(row.cost_microusd for row in past.used_since(0, 1000)) == 1500


def test_what_cannot_be_written_is_left_over(state, store, tmp_path):
    state._outbox[b"\xff"] = b"no record"
    status = DrainStatus()
    full = FullStore.open(tmp_path / "omniroute.sqlite")
    past = StoredPast(state, full, status)
    assert [record.id for record in past.left_over()] == [f"r{n}" for n in range(1500)]
    assert list(past.used_since(0, 1000)) == []
    assert status.problem
    full.close()


def test_a_fresh_installation_has_none():
    assert list(NoPast().used_since(0, 1)) == NoPast().left_over() == []
