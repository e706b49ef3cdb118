"""The request log: every request that fits is shown once, in order, whatever is asked."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omniroute.record import Record, Tried
from omniroute.store.database import Store
from omniroute.store.filters import CACHED, EVERYTHING, RequestFilter
from omniroute.store.history import CSV_COLUMNS, Cursor
from tests.store.drawn import DAY_MS, HOUR_MS, LATEST_MS, records


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(tmp_path / "omniroute.sqlite")
    yield store
    store.close()


def several(*values: object) -> st.SearchStrategy[tuple[object, ...]]:
    """Nothing asked, mostly; else one or two of the values."""
    return st.one_of(st.just(()), st.lists(st.sampled_from(values), max_size=2).map(tuple))


FILTERS = st.builds(
    RequestFilter,
    since_ms=st.none() | st.integers(0, LATEST_MS),
    until_ms=st.none() | st.integers(0, LATEST_MS + DAY_MS),
    key_id=several("", "a", "b"),
    provider=several("a", "b"),
    connection=several("", "a"),
    model=several("a", "b", "none such"),
    combo=several("", "c"),
    cache=several("", "hit", "miss"),
    status_class=several(2, 4, 5),
    cached=st.none() | st.booleans(),
    failed=st.none() | st.booleans(),
    status=several(200, 404, 429, 0),
    outcome=several("ok", "failed", "cancelled"),
    error_text=st.sampled_from(["", "", "", "limit", "RATE", "100%", "%", "_", "\\"]),
    min_cost_microusd=st.none() | st.sampled_from([0, 1, 900]),
    max_cost_microusd=st.none() | st.sampled_from([0, 5]),
    min_total_us=st.none() | st.integers(0, 1 << 36),
)


def fits(record: Record, wanted: RequestFilter) -> bool:
    """The meaning of a filter, told in another language than SQL."""
    failed = record.status >= 400 or record.error != ""
    return all(
        (
            wanted.since_ms is None or record.started_ms >= wanted.since_ms,
            wanted.until_ms is None or record.started_ms < wanted.until_ms,
            *(
                not getattr(wanted, name) or getattr(record, name) in getattr(wanted, name)
                for name in ("key_id", "provider", "connection", "model", "combo", "cache")
            ),
            not wanted.status_class or record.status // 100 in wanted.status_class,
            wanted.cached is None or (record.cache in CACHED) is wanted.cached,
            wanted.failed is None or failed is wanted.failed,
            not wanted.status or record.status in wanted.status,
            not wanted.outcome or record.outcome in wanted.outcome,
            wanted.error_text.lower() in record.error.lower(),
            wanted.min_cost_microusd is None or record.cost_microusd >= wanted.min_cost_microusd,
            wanted.max_cost_microusd is None or record.cost_microusd <= wanted.max_cost_microusd,
            wanted.min_total_us is None or record.total_us >= wanted.min_total_us,
        )
    )


@settings(max_examples=50)  # each commits to the disk
@given(records(), st.lists(FILTERS, min_size=5, max_size=5), st.integers(1, 12))
def test_pages_show_each_request_that_fits_once_latest_first(
    tmp_path_factory, drawn, asked, page_size
):
    store = Store.open(tmp_path_factory.mktemp("history") / "omniroute.sqlite")
    store.insert_records(drawn)
    latest_first = sorted(drawn, key=lambda r: (r.started_ms, drawn.index(r)), reverse=True)
    for wanted in (EVERYTHING, *asked):
        seen: list[Record] = []
        after: Cursor | None = None
        for _ in itertools.count():
            page = store.history.page(wanted, page_size, after)
            seen += page.records
            after = page.next
            if after is None:
                break
            assert len(page.records) == page_size
        assert seen == [record for record in latest_first if fits(record, wanted)]
    store.close()


def test_what_comes_while_somebody_turns_pages_is_not_between_them(store):
    store.insert_records([Record(id=f"old{n}", started_ms=1000 + n) for n in range(6)])
    first = store.history.page(EVERYTHING, 3)
    store.insert_records([Record(id="new", started_ms=2000)])
    second = store.history.page(EVERYTHING, 3, first.next)
    shown = [record.id for record in (*first.records, *second.records)]
    assert shown == ["old5", "old4", "old3", "old2", "old1", "old0"]
    assert second.next is None


def test_a_rare_request_far_back_is_found_behind_many_of_others(store):
    store.insert_records(
        [Record(id=f"r{n}", started_ms=n * HOUR_MS // 4, model="common") for n in range(3000)]
    )
    rare = Record(id="rare", started_ms=7, model="rare", cost_microusd=9)
    store.insert_records([rare])
    for wanted in (RequestFilter(model=("rare",)), RequestFilter(min_cost_microusd=9)):
        assert store.history.page(wanted, 5).records == [rare]


def test_history_that_was_trimmed_leaves_no_ghosts(store):
    store.insert_records([Record(id=f"r{n}", started_ms=n * DAY_MS, model="m") for n in range(5)])
    with store.writing("trim") as connection:
        connection.exec_driver_sql("DELETE FROM requests WHERE started_ms < ?", (3 * DAY_MS,))
    page = store.history.page(RequestFilter(model=("m",)), 10)
    assert [record.id for record in page.records] == ["r4", "r3"]
    with store.writing("trim") as connection:
        connection.exec_driver_sql("DELETE FROM requests")
    assert store.history.page(RequestFilter(model=("m",)), 10).records == []


def test_one_request_is_found_with_its_attempts(store):
    record = Record(id="r", started_ms=1, tried=(Tried("p", "c", "m", 429, "slow down", 5),))
    store.insert_records([record])
    assert store.history.get("r") == record
    assert store.history.get("s") is None


def test_all_records_come_page_by_page(store, monkeypatch):
    monkeypatch.setattr("omniroute.store.history._ROWS_AT_A_TIME", 4)
    store.insert_records([Record(id=f"r{n:02}", started_ms=n) for n in range(10)])
    assert [r.started_ms for r in store.history.records(EVERYTHING)] == list(range(10))[::-1]


def test_a_table_for_spreadsheets_has_no_formulas(store):
    store.insert_records(
        [Record(id="r", started_ms=5, model="=HYPERLINK(1)", error="-1", cost_microusd=-3)]
    )
    head, row = store.history.csv_rows(EVERYTHING)
    cells = dict(zip(head, row, strict=True))
    assert head == list(CSV_COLUMNS)
    assert (cells["model"], cells["error"]) == ("'=HYPERLINK(1)", "'-1")
    assert (cells["id"], cells["started_ms"], cells["cost_microusd"]) == ("r", "5", "-3")


def test_a_filter_can_offer_what_occurs(store):
    assert store.history.values()["model"] == []
    store.insert_records(
        [
            Record(id="a", started_ms=0, model="old", status=200),
            Record(id="b", started_ms=9 * DAY_MS, model="new", status=404, key_id="k"),
        ]
    )
    assert store.history.values()["model"] == ["new", "old"]
    recent = store.history.values(since_ms=9 * DAY_MS + 5)
    assert (recent["model"], recent["status_class"], recent["key_id"]) == (["new"], [4], ["k"])
