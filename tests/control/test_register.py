"""The register of sessions: bounded, and the same after a restart."""

from collections.abc import Callable

import pytest

from omniroute.control import sessions
from omniroute.control.register import Register, name_of
from omniroute.installation import Installation
from omniroute.store.database import Store

NOW_S = 1_700_000_000.0


@pytest.fixture
def opened(store: Store, installation: Installation) -> Callable[[], Register]:
    """Opens the register anew, as after a restart."""
    return lambda: Register(store.sessions, installation.key_digest, int(NOW_S * 1000))


def test_sessions_that_live_and_those_that_were_ended_outlive_a_restart(
    opened: Callable[[], Register],
) -> None:
    register = opened()
    kept, ended = sessions.begin(NOW_S), sessions.begin(NOW_S)
    register.add(kept, "10.0.0.1", "browser")
    register.add(ended, "10.0.0.2", "browser")
    assert register.remove(register.name(ended), int(NOW_S * 1000))
    for each in (register, opened()):
        assert kept in each
        assert ended not in each
        assert [(row.address, row.agent) for row in each] == [("10.0.0.1", "browser")]


def test_no_cookie_can_be_made_of_what_is_stored(
    opened: Callable[[], Register], store: Store
) -> None:
    session = sessions.begin(NOW_S)
    opened().add(session, "a", "b")
    assert session.id not in repr(store.sessions.all(0))


def test_more_sessions_than_fit_end_those_that_were_not_seen_for_longest(
    opened: Callable[[], Register],
) -> None:
    register = opened()
    made = [sessions.begin(NOW_S + number) for number in range(101)]
    for session in made[:-1]:
        register.add(session, "a", "b")
    register.saw(sessions.renew(made[0], NOW_S + 1000))
    register.add(made[-1], "a", "b")
    assert made[0] in register
    assert made[1] not in register
    assert made[-1] in register


def test_all_but_one_can_be_ended(opened: Callable[[], Register]) -> None:
    register = opened()
    kept, *others = [sessions.begin(NOW_S) for _ in range(3)]
    for session in (kept, *others):
        register.add(session, "a", "x" * 1000)
    assert register.remove_others(kept, int(NOW_S * 1000)) == 2
    (row,) = opened()
    assert name_of(row.digest) == register.name(kept)
    assert len(row.agent) == 200


def test_a_session_that_is_unknown_cannot_be_ended(opened: Callable[[], Register]) -> None:
    assert not opened().remove("unknown", int(NOW_S * 1000))
