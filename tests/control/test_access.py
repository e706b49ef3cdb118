"""Ways in: each works as meant, none works twice that should not, and guessing is slowed."""

from typing import Any

import pytest
import trio

from omniroute.control import access as access_module
from omniroute.control.access import (
    LINK_FACT,
    LINK_LIVES_S,
    PASSWORD_FACT,
    Access,
    Denied,
    link_digest,
)
from omniroute.control.attempts import PER_ADDRESS, WINDOW_S
from omniroute.control.sessions import IDLE_S, RENEW_AFTER_S
from omniroute.installation import Installation


@pytest.fixture(autouse=True)
def quick_hashing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        access_module.passwords, "verify_password", lambda record, given: record == f"#{given}"
    )


@pytest.fixture
def password(facts: Any) -> str:
    facts[PASSWORD_FACT] = "#right"
    return "right"


@pytest.fixture
def link(facts: Any, clock: Any, installation: Installation) -> str:
    facts[LINK_FACT] = f"{link_digest(installation, 'token')} {int(clock.now_s) + LINK_LIVES_S}"
    return "token"


def admit(access: Access, cookie: str, csrf: str = "", *, is_unsafe: bool = False) -> Any:
    return access.authorize(authorization="", cookie=cookie, csrf=csrf, is_unsafe=is_unsafe)


def refused(access: Access, **given: Any) -> int:
    with pytest.raises(Denied) as denied:
        access.authorize(
            **{"authorization": "", "cookie": "", "csrf": "", "is_unsafe": False, **given}
        )
    return denied.value.status


def test_nobody_gets_in_with_nothing(access: Access) -> None:
    assert refused(access) == 401


def test_the_admin_token_admits_and_needs_no_csrf_token(
    access: Access, installation: Installation
) -> None:
    authorization = f"Bearer {installation.admin_token}"
    assert access.authorize(authorization=authorization, cookie="", csrf="", is_unsafe=True) is None


@pytest.mark.parametrize("value", ["Bearer", "Bearer ", "Bearer wrong", "Basic {}", "{}", "ä"])
async def test_a_wrong_authorization_is_refused_even_beside_a_session(
    access: Access, installation: Installation, password: str, value: str
) -> None:
    cookie = access.cookie(await access.sign_in_with_password("a", password))
    value = value.format(installation.admin_token)
    assert refused(access, authorization=value, cookie=cookie) == 401


async def test_a_password_opens_a_session_that_needs_csrf_for_changes(
    access: Access, password: str
) -> None:
    session = await access.sign_in_with_password("a", password)
    cookie = access.cookie(session)
    assert admit(access, cookie) == session
    assert refused(access, cookie=cookie, is_unsafe=True) == 403
    assert refused(access, cookie=cookie, csrf="guess", is_unsafe=True) == 403
    assert admit(access, cookie, access.csrf_token(session), is_unsafe=True) == session


async def test_wrong_passwords_are_refused_and_soon_slowed(
    access: Access, clock: Any, password: str
) -> None:
    for _ in range(PER_ADDRESS):
        with pytest.raises(Denied) as denied:
            await access.sign_in_with_password("a", "wrong")
        assert denied.value.status == 401
    with pytest.raises(Denied) as denied:
        await access.sign_in_with_password("a", password)
    assert denied.value.status == 429
    assert denied.value.wait_s > 0
    await access.sign_in_with_password("b", password)
    clock.now_s += WINDOW_S
    await access.sign_in_with_password("a", password)


async def test_parallel_guesses_do_not_slip_past_the_limit(access: Access, password: str) -> None:
    statuses: list[int] = []

    async def guess() -> None:
        with pytest.raises(Denied) as denied:
            await access.sign_in_with_password("a", "wrong")
        statuses.append(denied.value.status)

    async with trio.open_nursery() as nursery:
        for _ in range(PER_ADDRESS + 3):
            nursery.start_soon(guess)
    assert sorted(statuses) == [401] * PER_ADDRESS + [429] * 3


async def test_without_a_password_nobody_signs_in_with_one(access: Access) -> None:
    with pytest.raises(Denied) as denied:
        await access.sign_in_with_password("a", "")
    assert denied.value.status == 403


async def test_the_link_works_once(access: Access, link: str) -> None:
    session = await access.sign_in_with_link("a", link)
    assert admit(access, access.cookie(session)) == session
    with pytest.raises(Denied, match="used already"):
        await access.sign_in_with_link("a", link)


async def test_the_link_works_once_also_when_two_use_it_at_the_same_time(
    access: Access, link: str
) -> None:
    won: list[bool] = []

    async def use() -> None:
        try:
            await access.sign_in_with_link("a", link)
            won.append(True)
        except Denied:
            won.append(False)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(use)
        nursery.start_soon(use)
    assert sorted(won) == [False, True]


async def test_a_wrong_or_old_link_is_refused(access: Access, clock: Any, link: str) -> None:
    for token in ("", "wrong", "ä"):
        with pytest.raises(Denied):
            await access.sign_in_with_link("a", token)
    clock.now_s += LINK_LIVES_S
    with pytest.raises(Denied):
        await access.sign_in_with_link("b", link)


async def test_without_a_link_none_fits(access: Access) -> None:
    with pytest.raises(Denied):
        await access.sign_in_with_link("a", "")


async def test_signing_out_holds_after_a_restart_of_control(
    access: Access, installation: Installation, facts: Any, clock: Any, password: str
) -> None:
    session = await access.sign_in_with_password("a", password)
    cookie = access.cookie(session)
    await access.sign_out(session)
    assert refused(access, cookie=cookie) == 401
    restarted = Access(installation, facts, clock)
    assert refused(restarted, cookie=cookie) == 401


async def test_a_session_survives_a_restart_of_control(
    access: Access, installation: Installation, facts: Any, clock: Any, password: str
) -> None:
    session = await access.sign_in_with_password("a", password)
    restarted = Access(installation, facts, clock)
    assert admit(restarted, access.cookie(session)) == session


async def test_a_used_session_is_renewed_and_an_unused_one_ends(
    access: Access, clock: Any, password: str
) -> None:
    session = await access.sign_in_with_password("a", password)
    assert access.renewed(session) is None
    clock.now_s += RENEW_AFTER_S
    renewed = access.renewed(session)
    assert renewed is not None
    clock.now_s += IDLE_S - 1
    assert admit(access, access.cookie(renewed)) == renewed
    assert refused(access, cookie=access.cookie(session)) == 401


async def test_what_is_remembered_of_ended_sessions_is_bounded(
    access: Access, facts: Any, clock: Any, password: str
) -> None:
    from omniroute.control.access import REVOKED_FACT
    from omniroute.control.sessions import ABSOLUTE_S

    await access.sign_out(await access.sign_in_with_password("a", password))
    before = len(facts[REVOKED_FACT])
    clock.now_s += ABSOLUTE_S
    await access.sign_out(await access.sign_in_with_password("a", password))
    assert len(facts[REVOKED_FACT]) == before
