"""Conditions: what every implementation promises, asked of each."""

import lmdb
import pytest

from omniroute.state import lmdb_conditions, memory_conditions
from omniroute.state.interface import Conditions, StateError
from omniroute.state.lmdb_conditions import LmdbConditions
from omniroute.state.memory_conditions import CONDITIONS_MAX, MemoryConditions


@pytest.fixture
def environment(tmp_path):
    with lmdb.open(str(tmp_path / "state"), max_dbs=2, map_size=16 << 20) as environment:
        yield environment


@pytest.fixture(params=["memory", "lmdb"])
def conditions(request, environment) -> Conditions:
    if request.param == "memory":
        return MemoryConditions()
    return LmdbConditions(environment, environment.open_db(b"conditions"))


def put(conditions: Conditions, key: str, value: bytes) -> bytes | None:
    return conditions.change(key, lambda _: value)


def test_a_change_decides_on_what_is_there_and_returns_what_is_then(conditions):
    seen = []
    assert conditions.change("cooldown:a/main", lambda stored: seen.append(stored) or b"1") == b"1"
    assert conditions.change("cooldown:a/main", lambda stored: (stored or b"") + b"2") == b"12"
    assert seen == [None]
    assert conditions.read() == (2, {"cooldown:a/main": b"12"})


def test_the_version_moves_with_changes_only(conditions):
    assert conditions.version() == 0
    put(conditions, "a:x", b"1")
    assert conditions.version() == 1
    put(conditions, "a:x", b"1")
    conditions.change("a:none", lambda stored: stored)
    assert conditions.version() == 1
    assert conditions.change("a:x", lambda _: None) is None
    assert conditions.version() == 2
    assert conditions.read() == (2, {})


def test_a_prefix_clears_what_begins_so_and_no_prefix_everything(conditions):
    for key in ("cooldown:acme/a", "cooldown:acme/b", "cooldown:other/a", "breaker:acme"):
        put(conditions, key, b"x")
    assert conditions.clear("cooldown:acme/") == 2
    assert conditions.version() == 5
    assert set(conditions.read()[1]) == {"cooldown:other/a", "breaker:acme"}
    assert conditions.clear("target:") == 0
    assert conditions.version() == 5
    assert conditions.clear() == 2
    assert conditions.read() == (6, {})
    put(conditions, "breaker:acme", b"x")
    assert conditions.version() == 7, "clearing everything keeps the version growing"


def test_a_decision_that_fails_changes_nothing_and_leaves_the_lock(conditions):
    put(conditions, "a:x", b"1")
    with pytest.raises(ZeroDivisionError):
        conditions.change("a:x", lambda _: bytes(1 // 0))
    assert conditions.read() == (1, {"a:x": b"1"})
    assert put(conditions, "a:x", b"2") == b"2"


def test_the_table_stays_small(conditions, monkeypatch):
    for module in (lmdb_conditions, memory_conditions):
        monkeypatch.setattr(module, "CONDITIONS_MAX", 3)
    assert CONDITIONS_MAX > 1000
    for number in range(3):
        assert put(conditions, f"a:{number}", b"x") == b"x"
    assert put(conditions, "a:more", b"x") is None
    assert put(conditions, "a:0", b"y") == b"y", "what is there may still change"
    version, table = conditions.read()
    assert set(table) == {"a:0", "a:1", "a:2"}
    assert version == 4
    conditions.change("a:0", lambda _: None)
    assert put(conditions, "a:more", b"x") == b"x"


def test_two_who_open_the_same_state_share_it(environment):
    database = environment.open_db(b"conditions")
    one, other = LmdbConditions(environment, database), LmdbConditions(environment, database)
    put(one, "a:x", b"1")
    assert other.change("a:x", lambda stored: (stored or b"") + b"2") == b"12"
    assert one.version() == other.version() == 2
    with environment.begin() as txn:
        assert one.version_in(txn) == 2


def test_a_key_that_lmdb_cannot_hold_is_a_state_error(environment):
    conditions = LmdbConditions(environment, environment.open_db(b"conditions"))
    with pytest.raises(StateError, match="cannot keep"):
        put(conditions, "a:" + "x" * 600, b"1")
