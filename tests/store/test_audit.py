"""The audit: every entry once, latest first, filtered by who, what, where and when."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from omniroute.store.audit import AuditFilter
from omniroute.store.database import Store
from omniroute.store.interface import AuditEntry


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(tmp_path / "omniroute.sqlite")
    for number in range(10):
        store.audit.add(
            AuditEntry(
                at_ms=number,
                actor=("ada", "bob")[number % 2],
                action=("combos.create", "keys.revoke")[number % 2],
                route="POST /api/x",
                entity=f"combo/{number}_%",
                before='{"a": 1}',
                address="::1" if number < 5 else "192.0.2.1",
            )
        )
    yield store
    store.close()


def times(store: Store, **asked: object) -> list[int]:
    return [entry.at_ms for entry in store.audit.page(AuditFilter(**asked), 20)]  # type: ignore[arg-type]


def test_pages_show_each_entry_once(store):
    seen: list[AuditEntry] = []
    before = None
    while page := store.audit.page(AuditFilter(), 3, before):
        seen += page
        before = page[-1].id
    assert [entry.at_ms for entry in seen] == list(range(10))[::-1]
    assert seen[0].before == '{"a": 1}'


def test_each_question_narrows(store):
    assert times(store, actor="ada") == [8, 6, 4, 2, 0]
    assert times(store, action="keys.") == [9, 7, 5, 3, 1]
    assert times(store, action="keys", actor="ada") == []
    assert times(store, entity="combo/3_%") == [3]
    assert times(store, entity="combo/_") == []
    assert times(store, address="::1") == [4, 3, 2, 1, 0]
    assert times(store, since_ms=2, until_ms=4) == [3, 2]


def test_an_entry_goes_with_the_change_it_is_about(store):
    with suppress(RuntimeError), store.transaction():
        store.audit.add(AuditEntry(99, "ada", "x", "y", "z"))
        raise RuntimeError("undone")
    assert 99 not in times(store)
