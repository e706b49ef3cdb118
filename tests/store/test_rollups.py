"""Roll-ups hold each request of the history once, whenever they are made."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from omniroute.record import Record
from omniroute.store import rollups
from omniroute.store.database import Store
from omniroute.store.interface import StoreError
from omniroute.store.rollups import DAY_MS, SliceIds, catch_up, slice_of
from omniroute.store.schema import DIMENSIONS


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(tmp_path / "omniroute.sqlite")
    yield store
    store.close()


def summed(store: Store) -> int:
    """How many requests are in the roll-ups by now."""
    with store.reading("count") as connection:
        hours = connection.exec_driver_sql("SELECT coalesce(sum(requests), 0) FROM rollup_hours")
        days = connection.exec_driver_sql("SELECT coalesce(sum(requests), 0) FROM rollup_days")
        count = int(hours.scalar_one())
        assert count == days.scalar_one()
    return count


def some(first: int, count: int) -> list[Record]:
    return [
        Record(id=f"r{n}", started_ms=n * 1000, model=f"m{n % 3}")
        for n in range(first, first + count)
    ]


def test_a_slice_has_a_value_for_each_dimension():
    assert len(slice_of(Record(id="r", started_ms=1))) == len(DIMENSIONS)


def test_the_drain_sums_many_at_a_time_and_the_rest_follows_when_it_is_asked_for(
    store, monkeypatch
):
    monkeypatch.setattr(rollups, "PENDING", 25)
    for first in range(0, 40, 10):
        store.insert_records(some(first, 10))
    assert summed(store) == 30
    catch_up(store)
    assert summed(store) == 40
    catch_up(store)
    assert summed(store) == 40


def test_a_long_history_is_summed_in_steps(store, monkeypatch):
    store.insert_records(some(0, 100))
    monkeypatch.setattr(rollups, "STEP", 7)
    with store.writing("one step") as connection:
        rollups.add_pending(connection)
    assert summed(store) == 7
    catch_up(store)
    assert summed(store) == 100


def test_a_step_that_is_undone_is_done_again(store):
    store.insert_records(some(0, 10))

    class Killed(Exception):
        pass

    with suppress(Killed), store.transaction():
        catch_up(store)
        assert summed(store) == 10
        raise Killed
    assert summed(store) == 0
    catch_up(store)
    assert summed(store) == 10


def test_what_was_inserted_before_is_not_summed_twice(store):
    store.insert_records(some(0, 10))
    catch_up(store)
    store.insert_records(some(5, 10))
    catch_up(store)
    assert summed(store) == 15


def test_an_impossible_number_does_not_stop_the_others(store):
    broken = [
        Record(id=f"broken{n}", started_ms=5, bytes_in=1 << 63, cost_microusd=(1 << 63) + n)
        for n in range(3)
    ]
    store.insert_records([*broken, *some(0, 3)])
    catch_up(store)
    assert summed(store) == 6
    store.analytics.sums(by=("model",), percentiles=True)


def test_slices_of_a_transaction_that_was_undone_are_not_remembered(store):
    ids = SliceIds()
    record = Record(id="r", started_ms=1, model="m")
    with suppress(StoreError), store.writing("find its slice") as connection:
        first = ids.of(connection, [record, record])
        raise StoreError("undone")
    ids.forget()
    with store.writing("find its slice") as connection:
        assert ids.of(connection, [record]) == ids.of(connection, [record]) == first[:1]
        known = connection.exec_driver_sql("SELECT count(*) FROM slices").scalar_one()
    assert known == 1


def test_days_are_those_of_utc(store):
    store.insert_records([Record(id=f"r{at}", started_ms=at) for at in (DAY_MS - 1, DAY_MS)])
    days = store.analytics.sums(bucket="day")
    assert [(day.from_ms, day.requests) for day in days] == [(0, 1), (DAY_MS, 1)]
