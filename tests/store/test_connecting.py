"""Transactions of threads: a thread's calls are one, others see none of it before its end."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from omniroute.record import Record
from omniroute.store.database import Store
from omniroute.store.interface import StoreBusy, StoreError


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(tmp_path / "omniroute.sqlite", busy_timeout_ms=20)
    yield store
    store.close()


def in_thread(work: object) -> object:
    found: list[object] = []
    thread = threading.Thread(target=lambda: found.append(work()))  # type: ignore[operator]
    thread.start()
    thread.join()
    return found[0]


def test_others_see_a_transaction_at_its_end_and_not_before(store):
    with store.transaction():
        store.set_meta("a", "1")
        assert store.get_meta("a") == "1"
        assert in_thread(lambda: store.get_meta("a")) is None
    assert in_thread(lambda: store.get_meta("a")) == "1"


def test_transactions_within_one_are_part_of_it(store):
    with suppress(RuntimeError), store.transaction():
        with store.transaction():
            store.set_meta("a", "1")
        raise RuntimeError("undone")
    assert store.get_meta("a") is None
    store.set_meta("a", "2")  # the lock is free again
    assert store.get_meta("a") == "2"


def test_records_that_the_outbox_forgets_are_no_part_of_what_may_be_undone(store):
    with pytest.raises(StoreError, match="inside a transaction"), store.transaction():
        store.insert_records([Record(id="r", started_ms=1)])
    assert store.insert_records([Record(id="r", started_ms=1)]) == 1


def test_a_transaction_that_cannot_begin_is_told_as_busy(store):
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreBusy), store.transaction():
        pass
    other.execute("ROLLBACK")
    other.close()
