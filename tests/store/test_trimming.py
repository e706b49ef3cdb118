"""Retention: what is beyond the bounds goes, oldest first; nothing goes before it is summed."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omniroute.record import Record
from omniroute.store import rollups, trimming
from omniroute.store.audit import AuditFilter
from omniroute.store.captured import ConnectFilter
from omniroute.store.database import Store
from omniroute.store.filters import EVERYTHING, RequestFilter
from omniroute.store.interface import AuditEntry, ProxyConnect, StoredBody
from omniroute.store.trimming import TRIMMED, Keep, trim
from tests.store.drawn import DAY_MS, HOUR_MS, LATEST_MS, records


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(tmp_path / "omniroute.sqlite")
    yield store
    store.close()


@settings(max_examples=30)  # each commits to the disk
@given(
    records(),
    st.none() | st.integers(0, LATEST_MS),
    st.none() | st.integers(0, 40),
)
def test_what_is_kept_is_the_latest_and_sums_stay(tmp_path_factory, drawn, max_age_ms, max_rows):
    store = Store.open(tmp_path_factory.mktemp("trimming") / "omniroute.sqlite")
    store.insert_records(drawn)
    gone = trim(store, "requests", Keep(max_age_ms, max_rows), LATEST_MS + DAY_MS)
    left = {record.id for record in store.history.records(EVERYTHING)}
    young = [
        record
        for record in drawn
        if max_age_ms is None or record.started_ms >= LATEST_MS + DAY_MS - max_age_ms
    ]
    expected = len(young) if max_rows is None else min(max_rows, len(young))
    assert (len(left), gone) == (expected, len(drawn) - expected)
    # None that went is younger than one that is left.
    assert left <= {record.id for record in young}
    went = [record.started_ms for record in young if record.id not in left]
    stayed = [record.started_ms for record in young if record.id in left]
    assert not went or not stayed or max(went) <= min(stayed)
    assert sum(row.requests for row in store.analytics.sums()) == len(drawn)
    # Rows get the numbers of removed ones again, and are summed all the same.
    store.insert_records([Record(id="next", started_ms=LATEST_MS)])
    assert sum(row.requests for row in store.analytics.sums()) == len(drawn) + 1
    store.close()


def test_every_table_is_trimmed_by_its_age(store):
    old, young = 5, 9 * DAY_MS
    store.insert_records([Record(id=f"r{at}", started_ms=at) for at in (old, young)])
    rollups.catch_up(store)
    store.bodies.add(
        [StoredBody(f"r{at}", 0, "client", "request", at, 1, b"s") for at in (old, young)]
    )
    store.proxy_log.add(
        [ProxyConnect(at, "p", "t:1", "global", "", "", "ok") for at in (old, young)]
    )
    for at in (old, young):
        store.audit.add(AuditEntry(at, "a", "b", "c", "d"))
    assert {table: trim(store, table, Keep(5 * DAY_MS), 10 * DAY_MS) for table in TRIMMED} == {
        table: 1 for table in TRIMMED
    }
    assert [body.at_ms for body in store.bodies.of(f"r{young}")] == [young]
    assert [entry.at_ms for entry in store.audit.page(AuditFilter(), 9)] == [young]
    assert [connect.at_ms for connect in store.proxy_log.page(ConnectFilter(), 9)] == [young]
    assert store.analytics.sums(RequestFilter(until_ms=DAY_MS)) == []


def test_many_rows_go_in_steps_between_which_it_can_be_stopped(store, monkeypatch):
    monkeypatch.setattr(trimming, "_FIRST_ROWS", 10)
    monkeypatch.setattr(trimming, "_MOST_ROWS", 10)
    monkeypatch.setattr(trimming, "_LEAST_ROWS", 10)
    store.insert_records([Record(id=f"r{n:03}", started_ms=n * HOUR_MS) for n in range(100)])
    steps = iter([True, True, False])
    assert trim(store, "requests", Keep(max_rows=5), 0, go_on=lambda: next(steps)) == 30
    assert trim(store, "requests", Keep(max_rows=5), 0) == 65
    assert store.count_requests() == 5


def test_without_bounds_everything_stays(store):
    store.insert_records([Record(id="r", started_ms=1)])
    assert [trim(store, table, Keep(), DAY_MS) for table in TRIMMED] == [0] * len(TRIMMED)
