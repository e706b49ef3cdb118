"""Sums by any dimensions and spans are those of the records themselves."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omniroute.record import Record
from omniroute.store.analytics import WEEK_MS
from omniroute.store.database import Store
from omniroute.store.filters import CACHED, DETAILS, EVERYTHING, RequestFilter
from omniroute.store.rollups import slice_of
from omniroute.store.schema import DIMENSIONS
from tests.store.drawn import DAY_MS, HOUR_MS, LATEST_MS, records

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(tmp_path / "omniroute.sqlite")
    yield store
    store.close()


def begin_of(bucket: str, at_ms: int) -> int:
    """When the bucket began that holds this time, by the calendar of the standard library."""
    at = EPOCH + timedelta(milliseconds=at_ms)
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    begin = {
        "hour": at.replace(minute=0, second=0, microsecond=0),
        "day": midnight,
        "week": midnight - timedelta(days=midnight.weekday()),
        "month": midnight.replace(day=1),
        "total": EPOCH,
    }[bucket]
    return round((begin - EPOCH).total_seconds() * 1000)


HOURS = st.none() | st.integers(0, LATEST_MS // HOUR_MS).map(lambda hour: hour * HOUR_MS)
WANTED = st.builds(
    RequestFilter,
    since_ms=HOURS,
    until_ms=HOURS,
    model=st.sampled_from([(), ("a",), ("a", "b"), ("none such",)]),
    status_class=st.sampled_from([(), (2,), (4, 5)]),
    cached=st.sampled_from([None, None, True, False]),
)


def fits(record: Record, wanted: RequestFilter) -> bool:
    return (
        (wanted.since_ms is None or record.started_ms >= wanted.since_ms)
        and (wanted.until_ms is None or record.started_ms < wanted.until_ms)
        and (not wanted.model or record.model in wanted.model)
        and (not wanted.status_class or record.status // 100 in wanted.status_class)
        and (wanted.cached is None or (record.cache in CACHED) is wanted.cached)
    )


@settings(max_examples=50)  # each commits to the disk
@given(
    records(),
    st.lists(
        st.tuples(
            WANTED,
            st.lists(st.sampled_from(DIMENSIONS), unique=True, max_size=3),
            st.sampled_from(["hour", "day", "week", "month", "total"]),
        ),
        min_size=5,
        max_size=5,
    ),
)
def test_sums_are_those_of_the_records(tmp_path_factory, drawn, asked):
    store = Store.open(tmp_path_factory.mktemp("analytics") / "omniroute.sqlite")
    half = len(drawn) // 2
    store.insert_records(drawn[:half])
    store.insert_records(drawn)  # the first half again: it must not count twice
    for wanted, by, bucket in asked:
        groups: dict[tuple[Any, ...], list[Record]] = defaultdict(list)
        for record in drawn:
            if fits(record, wanted):
                slice_ = dict(zip(DIMENSIONS, slice_of(record), strict=True))
                key = begin_of(bucket, record.started_ms), *(slice_[name] for name in by)
                groups[key].append(record)
        rows = store.analytics.sums(wanted, by=by, bucket=bucket, percentiles=True)
        assert [row.from_ms for row in rows] == sorted(row.from_ms for row in rows)
        assert {(row.from_ms, *row.by.values()) for row in rows} == set(groups)
        for row in rows:
            group = groups[row.from_ms, *row.by.values()]
            assert row.requests == len(group)
            assert row.cancelled == sum(r.outcome == "cancelled" for r in group)
            assert row.errors == sum(r.outcome == "failed" for r in group)
            assert row.cost_microusd == sum(r.cost_microusd for r in group)
            assert row.input_tokens == sum(r.usage.input_tokens for r in group)
            assert row.cache_read_tokens == sum(r.usage.cache_read_tokens for r in group)
            assert row.cache_write_tokens == sum(r.usage.cache_write_tokens for r in group)
            assert row.output_tokens == sum(r.usage.output_tokens for r in group)
            assert row.reasoning_tokens == sum(r.usage.reasoning_tokens for r in group)
            assert row.total_us == sum(r.total_us for r in group)
            assert row.first_byte_us == sum(r.first_byte_us for r in group)
            assert row.overhead_us == sum(r.overhead_us for r in group)
            assert row.cost_max_microusd == max(r.cost_microusd for r in group)
            assert row.total_max_us == max(r.total_us for r in group)
            assert (
                row.total.p50_us <= row.total.p95_us <= row.total.p99_us <= row.total_max_us * 1.13
            )
    store.close()


def test_percentiles_of_a_month_are_near_those_of_its_requests(store):
    totals = [1000 + 37 * n for n in range(1000)]
    store.insert_records(
        [
            Record(id=f"r{n}", started_ms=n * HOUR_MS // 2, total_us=total, overhead_us=7)
            for n, total in enumerate(totals)
        ]
    )
    (row,) = store.analytics.sums(percentiles=True)
    for share, found in (
        (0.5, row.total.p50_us),
        (0.95, row.total.p95_us),
        (0.99, row.total.p99_us),
    ):
        assert found == pytest.approx(totals[int(share * 1000)], rel=0.07)
    assert row.overhead.p99_us == 7
    assert row.first_byte.p99_us == 0  # nothing was answered


def test_without_percentiles_none_are_told(store):
    store.insert_records([Record(id="r", started_ms=1, total_us=5)])
    (row,) = store.analytics.sums()
    assert row.total.p99_us == 0


def test_a_span_within_an_hour_counts_with_all_of_it(store):
    store.insert_records([Record(id=f"r{n}", started_ms=n * HOUR_MS // 2) for n in range(6)])
    (row,) = store.analytics.sums(
        RequestFilter(since_ms=HOUR_MS + 5, until_ms=2 * HOUR_MS + 5), bucket="total"
    )
    assert row.requests == 4


def test_costs_are_told_the_dearest_first(store):
    store.insert_records(
        [
            Record(id=f"r{n}", started_ms=n * DAY_MS, model=model, cost_microusd=cost)
            for n, (model, cost) in enumerate([("a", 5), ("b", 20), ("a", 10)])
        ]
    )
    assert store.analytics.costs() == [("b", 20), ("a", 15)]
    late = RequestFilter(since_ms=2 * DAY_MS)
    assert store.analytics.costs(late, by="model") == [("a", 10)]


@pytest.mark.parametrize("name", DETAILS)
def test_what_sums_cannot_tell_is_refused_and_not_ignored(store, name):
    asked = {"status": (404,), "outcome": ("ok",), "error_text": "x", "failed": True}.get(name, 1)
    with pytest.raises(ValueError, match=name):
        store.analytics.sums(RequestFilter(**{name: asked}))


def test_weeks_begin_on_monday():
    assert begin_of("week", 0) == 4 * DAY_MS - WEEK_MS


def test_nothing_sums_to_nothing(store):
    assert store.analytics.sums(EVERYTHING, by=("model",), bucket="day", percentiles=True) == []
