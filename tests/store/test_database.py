"""The store: what goes in comes out, once; what cannot be done is told by its kind."""

import os
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omniroute.record import Record, Tried
from omniroute.state.interface import UsageTotals
from omniroute.state.memory_state import MemoryState
from omniroute.store.database import Store
from omniroute.store.interface import StoreBusy, StoredKey, StoreError, StoreFull, StoreNewer
from omniroute.usage import Usage

DAY_MS = 86_400_000


def a_record(number: int, **changes: Any) -> Record:
    return Record(**({"id": f"r{number:06}", "started_ms": number, "key_id": "k"} | changes))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "omniroute.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    store = Store.open(path, busy_timeout_ms=20)
    yield store
    store.close()


def test_a_record_comes_back_as_it_was(store):
    record = a_record(
        1,
        worker=2,
        client_format="openai",
        model="m'\"\0ü",
        stream=True,
        status=200,
        outcome="cancelled",
        usage=Usage(9, 2, 1, 5, 3),
        cost_microusd=12,
        tier="cheap",
        combo="coding",
        cache="miss",
        session="s",
        queue_us=7,
        beyond_microusd=3,
        tried=(Tried("acme", "acme/main", "m", 429, "slow down, ü", 15),),
    )
    assert store.insert_records([record]) == 1
    assert store.requests(5) == [record]


def test_a_record_is_inserted_once_whatever_else_comes_with_it(store):
    assert store.insert_records([a_record(1), a_record(2)]) == 2
    assert store.insert_records([a_record(2, status=500), a_record(3), a_record(3)]) == 1
    assert store.count_requests() == 3
    assert store.requests(1, (3, "r000003")) == [a_record(2)]
    assert store.insert_records([]) == 0


def test_pages_of_the_history_show_every_record_once_latest_first(store):
    records = [a_record(number, started_ms=number // 4) for number in range(50)]
    store.insert_records(records)
    seen: list[Record] = []
    before = None
    while page := store.requests(7, before):
        seen += page
        before = (page[-1].started_ms, page[-1].id)
    assert seen == sorted(records, key=lambda r: (r.started_ms, r.id), reverse=True)


def test_an_impossible_number_is_capped_and_stops_nobody(store):
    assert store.insert_records([a_record(1, bytes_in=1 << 63), a_record(2)]) == 2
    assert store.requests(2)[1].bytes_in == (1 << 63) - 1


def test_impossible_numbers_do_not_stop_the_rebuilding_of_counters(store):
    broken = Usage(1 << 63, 0, 0, 1 << 63, 0)
    store.insert_records(
        [a_record(number, usage=broken, cost_microusd=1 << 63) for number in range(3)]
    )
    ((key_id, day, totals),) = store.usage_totals()
    assert (key_id, day, totals[0]) == ("k", 0, 3)
    (used,) = store.used_since(0, 1000)
    assert used.requests == 3


def test_the_connections_wait_write_ahead_and_flush(store):
    with store._engine.connect() as connection:
        values = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "busy_timeout")
        }
    assert values == {"journal_mode": "wal", "synchronous": 2, "busy_timeout": 20}


@settings(deadline=None)  # each example commits to the disk
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b", ""]),
            st.integers(0, 3 * DAY_MS),
            st.tuples(*[st.integers(0, 1000)] * 6),
        ),
        max_size=30,
    )
)
def test_totals_of_the_history_are_the_counters_that_settling_made(tmp_path_factory, drawn):
    store = Store.open(tmp_path_factory.mktemp("totals") / "omniroute.sqlite")
    settled, rebuilt = MemoryState(), MemoryState(needs_rebuild=True)
    records = [
        a_record(n, key_id=key, started_ms=when, usage=Usage(*counts[:5]), cost_microusd=counts[5])
        for n, (key, when, counts) in enumerate(drawn)
    ]
    for record in records:
        settled.settle(record)
    store.insert_records(records)
    rebuilt.rebuild(store.usage_totals())
    store.close()
    assert rebuilt.all_usage() == settled.all_usage()
    assert sum(counts.requests for counts in rebuilt.all_usage().values()) == len(records)
    assert all(isinstance(counts, UsageTotals) for counts in rebuilt.all_usage().values())


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b"]),
            st.integers(0, 9_000),
            st.integers(0, 4_000_000),
            st.integers(0, 50),
        ),
        max_size=20,
    ),
    st.integers(0, 10_000),
)
def test_what_was_used_is_summed_in_the_spans_in_which_it_ended(tmp_path_factory, drawn, since_ms):
    store = Store.open(tmp_path_factory.mktemp("used") / "omniroute.sqlite")
    records = [
        a_record(
            n,
            key_id=key,
            tier="cheap",
            provider="acme",
            connection=f"acme/{key}",
            started_ms=started_ms,
            total_us=took_us,
            usage=Usage(tokens, 0, 0, 2 * tokens, 0),
            cost_microusd=tokens + 1,
        )
        for n, (key, started_ms, took_us, tokens) in enumerate(drawn)
    ]
    store.insert_records(records)
    wanted: dict[tuple[str, int], list[int]] = {}
    for record in records:
        from_ms = (record.started_ms + record.total_us // 1000) // 1000 * 1000
        if from_ms >= since_ms // 1000 * 1000:
            sums = wanted.setdefault((record.key_id, from_ms), [0, 0, 0])
            sums[0] += 1
            sums[1] += record.usage.total_tokens
            sums[2] += record.cost_microusd
    rows = list(store.used_since(since_ms, 1000))
    store.close()
    assert {(row.key_id, row.from_ms): list(row[-3:]) for row in rows} == wanted
    assert {row[1:4] for row in rows} <= {("cheap", "acme", f"acme/{key}") for key in "ab"}


def test_keys_are_added_listed_and_revoked(store):
    first, second = StoredKey("k1", "a", b"1", 5), StoredKey("k2", "b", b"2", 4)
    store.add_client_key(first)
    store.add_client_key(second)
    assert store.client_keys() == [second, first]
    assert store.keys.revoke("k1", 9)
    assert not store.keys.revoke("k1", 10)
    assert store.client_keys() == [second]
    assert store.client_keys(revoked=True) == [second, first._replace(revoked_ms=9, version=2)]
    with pytest.raises(StoreError, match="UNIQUE"):
        store.add_client_key(second._replace(id="k3"))


def test_facts_are_kept_and_replaced(store):
    store.set_meta("a", "1")
    store.set_meta("a", "2")
    assert (store.get_meta("a"), store.get_meta("b")) == ("2", None)


def test_a_locked_database_is_told_as_busy_and_nothing_is_written(store, path):
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreBusy, match="keeps it locked"):
        store.insert_records([a_record(1)])
    assert store.count_requests() == 0  # reading goes on
    other.execute("ROLLBACK")
    other.close()
    assert store.insert_records([a_record(1)]) == 1


def test_threads_write_one_after_the_other(store):
    def insert(first: int) -> None:
        for number in range(20):
            store.insert_records([a_record(first + number)])

    threads = [threading.Thread(target=insert, args=(n * 100,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.count_requests() == 80


def test_a_database_of_a_newer_version_is_refused(store, path):
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0999'")
    connection.close()
    with pytest.raises(StoreNewer):
        Store.open(path)


def test_a_full_disk_is_told_as_such_nothing_is_lost_and_it_goes_on_with_room(tmp_path):
    mounted = tmp_path / "small"
    mounted.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "omniroute-test", str(mounted)]
    try:
        if subprocess.run(mount, capture_output=True, check=False).returncode:
            pytest.skip("mounting a file system is not permitted here")
    except FileNotFoundError:
        pytest.skip("there is no mount command here")
    try:
        store = Store.open(mounted / "omniroute.sqlite")
        store.insert_records([a_record(0)])
        filler = os.open(mounted / "filler", os.O_WRONLY | os.O_CREAT)
        os.posix_fallocate(filler, 0, os.statvfs(mounted).f_bfree * os.statvfs(mounted).f_bsize)
        os.close(filler)
        batch = [a_record(number, error="e" * 500) for number in range(1, 2000)]
        for _ in range(2):
            with pytest.raises(StoreFull, match="Make room"):
                store.insert_records(batch)
        assert store.count_requests() == 1
        (mounted / "filler").unlink()
        assert store.insert_records(batch[:500]) == 500
        store.close()
    finally:
        subprocess.run(["umount", "-l", str(mounted)], check=True)
