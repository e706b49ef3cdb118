"""Sessions end, are renewed only while they live, and cannot be forged."""

import pytest

from omniroute.control import sessions

KEY = b"k" * 32
NOW = 1_700_000_000.0


def test_a_cookie_gives_back_its_session() -> None:
    session = sessions.begin(NOW)
    cookie = sessions.encode_cookie(session, KEY)
    assert sessions.decode_cookie(cookie, KEY, NOW + 1) == session


@pytest.mark.parametrize("cookie", ["", ".", "v1.a.1.1.", "v1.a.1.1.00", "x" * 5000, "ä.ö"])
def test_garbage_is_no_session(cookie: str) -> None:
    assert sessions.decode_cookie(cookie, KEY, NOW) is None


def test_any_changed_character_is_refused() -> None:
    cookie = sessions.encode_cookie(sessions.begin(NOW), KEY)
    for place in range(len(cookie)):
        other = "A" if cookie[place] != "A" else "B"
        forged = cookie[:place] + other + cookie[place + 1 :]
        assert sessions.decode_cookie(forged, KEY, NOW) is None
    assert sessions.decode_cookie(cookie, b"x" * 32, NOW) is None


def test_an_unused_session_ends_after_the_idle_time() -> None:
    cookie = sessions.encode_cookie(sessions.begin(NOW), KEY)
    assert sessions.decode_cookie(cookie, KEY, NOW + sessions.IDLE_S - 1)
    assert sessions.decode_cookie(cookie, KEY, NOW + sessions.IDLE_S) is None


def test_renewal_never_passes_the_absolute_end() -> None:
    session = sessions.begin(NOW)
    now = NOW
    while session.is_live(now):
        session = sessions.renew(session, now)
        now += sessions.IDLE_S - 1
    assert now - NOW < sessions.ABSOLUTE_S + sessions.IDLE_S
    assert sessions.decode_cookie(sessions.encode_cookie(session, KEY), KEY, now) is None


def test_csrf_tokens_belong_to_one_session() -> None:
    one, other = sessions.begin(NOW), sessions.begin(NOW)
    token = sessions.csrf_token(one, KEY)
    assert sessions.is_csrf_token(one, KEY, token)
    assert not sessions.is_csrf_token(other, KEY, token)
    assert not sessions.is_csrf_token(one, KEY, "")
    assert not sessions.is_csrf_token(one, KEY, "ä")
