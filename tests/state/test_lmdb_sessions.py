"""Sessions: what every implementation promises, asked of each."""

import lmdb
import pytest

from omniroute.state import lmdb_sessions, memory_sessions
from omniroute.state.interface import Sessions, StateError
from omniroute.state.lmdb_sessions import RENEWAL_MS, LmdbSessions
from omniroute.state.memory_sessions import MemorySessions


@pytest.fixture
def environment(tmp_path):
    with lmdb.open(str(tmp_path / "state"), max_dbs=2, map_size=16 << 20) as environment:
        yield environment


@pytest.fixture(params=["memory", "lmdb"])
def sessions(request, environment) -> Sessions:
    if request.param == "memory":
        return MemorySessions()
    return LmdbSessions(environment, environment.open_db(b"sessions"))


def test_a_conversation_stays_with_its_account_until_its_time_is_over(sessions):
    assert sessions.account(b"talk", 0) is None
    sessions.keep(b"talk", "acme/main", 1000)
    assert sessions.account(b"talk", 999) == "acme/main"
    assert sessions.account(b"talk", 1000) is None
    assert sessions.account(b"other", 0) is None


def test_keeping_renews_and_moves_to_another_account(sessions):
    sessions.keep(b"talk", "acme/main", 1000)
    sessions.keep(b"talk", "acme/main", 5000)
    assert sessions.account(b"talk", 4999) == "acme/main"
    sessions.keep(b"talk", "acme/spare", 5001)
    assert sessions.account(b"talk", 4999) == "acme/spare"


def test_forgetting_removes_what_is_over_and_nothing_else(sessions, monkeypatch):
    monkeypatch.setattr(lmdb_sessions, "_CUT", 3)
    monkeypatch.setattr(lmdb_sessions, "_LOOK", 5)
    for number in range(40):
        sessions.keep(b"%02d" % number, "acme/main", 1000 if number % 3 else 2000)
    assert sessions.forget(1000) == 26
    assert sessions.forget(1000) == 0
    assert sessions.account(b"03", 1000) == "acme/main"
    assert sessions.account(b"04", 999) is None
    assert sessions.forget(2000) == 14
    assert sessions.forget(2000) == 0


def test_beyond_the_bound_new_ones_are_not_kept(sessions, monkeypatch):
    for module in (lmdb_sessions, memory_sessions):
        monkeypatch.setattr(module, "SESSIONS_MAX", 2)
    for name in (b"a", b"b", b"c"):
        sessions.keep(name, "acme/main", 1000)
    assert sessions.account(b"c", 0) is None
    sessions.keep(b"a", "acme/spare", 9000)
    assert sessions.account(b"a", 8000) == "acme/spare"
    sessions.forget(1000)
    sessions.keep(b"c", "acme/main", 9000)
    assert sessions.account(b"c", 8000) == "acme/main"


def test_a_renewal_that_gains_next_to_nothing_is_not_written(environment):
    sessions = LmdbSessions(environment, environment.open_db(b"sessions"))
    sessions.keep(b"talk", "acme/main", 10_000)
    written = environment.info()["last_txnid"]
    sessions.keep(b"talk", "acme/main", 10_000 + RENEWAL_MS - 1)
    assert environment.info()["last_txnid"] == written
    sessions.keep(b"talk", "acme/main", 10_000 + RENEWAL_MS)
    assert environment.info()["last_txnid"] == written + 1


def test_what_was_renewed_meanwhile_is_not_forgotten(environment, monkeypatch):
    sessions = LmdbSessions(environment, environment.open_db(b"sessions"))
    sessions.keep(b"talk", "acme/main", 1000)
    look = sessions._look

    def look_and_renew(start, now_ms):
        found = look(start, now_ms)
        sessions.keep(b"talk", "acme/main", 9000)
        return found

    monkeypatch.setattr(sessions, "_look", look_and_renew)
    assert sessions.forget(1000) == 0
    assert sessions.account(b"talk", 8000) == "acme/main"


def test_a_name_that_lmdb_cannot_hold_is_a_state_error(environment):
    sessions = LmdbSessions(environment, environment.open_db(b"sessions"))
    with pytest.raises(StateError, match="session"):
        sessions.keep(b"x" * 600, "acme/main", 1)
