"""Conditions: what every implementation promises, asked of each."""

import subprocess
import sys

import lmdb
import pytest

from omniroute.resilience import breaker
from omniroute.state import memory_conditions
from omniroute.state.interface import Conditions, StateError
from omniroute.state.lmdb_conditions import LmdbConditions
from omniroute.state.lmdb_state import open_state
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
    monkeypatch.setattr(memory_conditions, "CONDITIONS_MAX", 3)
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


def test_details_leave_room_to_accounts_and_providers(conditions, monkeypatch):
    monkeypatch.setattr(memory_conditions, "CONDITIONS_MAX", 8)
    for number in range(10):
        put(conditions, f"target:acme typo-{number}", b"x")
    assert len(conditions.read()[1]) == 6
    assert put(conditions, "cooldown:acme/main", b"x") == b"x"
    assert put(conditions, "breaker:acme", b"x") == b"x"
    assert put(conditions, "breaker:other", b"x") is None


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


CLAIMS = """
import sys
from pathlib import Path
from omniroute.resilience import breaker
from omniroute.state.lmdb_state import open_state

state = open_state(Path(sys.argv[1]), map_bytes=4 << 20, create=False)
policy = breaker.Policy(failures=1, window_ms=1000, reset_ms=10)
print("ready", flush=True)
sys.stdin.readline()
held = []
for turn in range(200):
    claimant = f"{sys.argv[2]}-{turn}"
    key = f"breaker:{turn}"
    seen = state.conditions.change(
        key, lambda stored: breaker.claim_probe(stored, 1000, policy, claimant)
    )
    if breaker.holds_probe(seen, claimant):
        held.append(turn)
print(*held, flush=True)
state.close()
"""


@pytest.mark.processes
def test_of_several_processes_exactly_one_gets_the_probes_place(tmp_path):
    policy = breaker.Policy(failures=1, window_ms=1000, reset_ms=10)
    directory = tmp_path / "state.lmdb"
    state = open_state(directory, map_bytes=4 << 20, create=True)
    for turn in range(200):
        opened = breaker.on_failure(None, 0, policy)
        put(state.conditions, f"breaker:{turn}", opened)
    children = [
        subprocess.Popen(
            [sys.executable, "-c", CLAIMS, str(directory), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in "abc"
    ]
    try:
        for child in children:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
        held: list[str] = []
        for child in children:
            assert child.stdin is not None
            child.stdin.write("\n")
            child.stdin.flush()
        for child in children:
            output, _ = child.communicate(timeout=60)
            held += output.split()
    finally:
        for child in children:
            child.kill()
            child.wait()
        state.close()
    assert sorted(map(int, held)) == list(range(200))


def test_the_state_itself_has_them_and_tells_both_versions_by_one_look(tmp_path):
    state = open_state(tmp_path / "state.lmdb", map_bytes=4 << 20, create=True)
    put(state.conditions, "breaker:acme", b"x")
    assert state.versions() == (0, 1)
    state.sessions.keep(b"talk", "acme/main", 1000)
    state.close()
    again = open_state(tmp_path / "state.lmdb", map_bytes=4 << 20, create=False)
    assert again.conditions.read() == (1, {"breaker:acme": b"x"})
    assert again.sessions.account(b"talk", 0) == "acme/main"
    again.close()
