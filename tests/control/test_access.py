"""Ways in: each works as meant, none works twice that should not, and guessing is slowed."""

import base64
import hashlib
from typing import Any

import pytest
import trio

from omniroute.control.access import (
    LINK_FACT,
    LINK_LIVES_S,
    LOCAL,
    PASSWORD_FACT,
    Access,
    Actor,
    link_digest,
)
from omniroute.control.attempts import PER_ADDRESS, WINDOW_S
from omniroute.control.passwords import hash_password, is_outdated
from omniroute.control.policy import SCOPES, Policy
from omniroute.control.refusal import Denied
from omniroute.control.sessions import IDLE_S, RENEW_AFTER_S
from omniroute.installation import Installation
from omniroute.store.database import Store

pytestmark = pytest.mark.usefixtures("quick_hashing")


@pytest.fixture
def password(store: Store, quick_hashing: None) -> str:
    store.set_meta(PASSWORD_FACT, hash_password("right"))
    return "right"


@pytest.fixture
def link(store: Store, clock: Any, installation: Installation) -> str:
    ends_s = int(clock.now_s) + LINK_LIVES_S
    store.set_meta(LINK_FACT, f"{link_digest(installation, 'token')} {ends_s}")
    return "token"


def admit(
    access: Access,
    cookie: str = "",
    csrf: str = "",
    *,
    authorization: str = "",
    is_unsafe: bool = False,
    needs: Policy = Policy.ADMIN,
) -> Actor:
    return access.authorize(
        authorization=authorization, cookie=cookie, csrf=csrf, is_unsafe=is_unsafe, needs=needs
    )


def refused(access: Access, **given: Any) -> int:
    with pytest.raises(Denied) as denied:
        admit(access, **given)
    return denied.value.status


def test_nobody_gets_in_with_nothing(access: Access) -> None:
    assert refused(access) == 401


def test_the_admin_token_admits_and_needs_no_csrf_token(
    access: Access, installation: Installation
) -> None:
    authorization = f"Bearer {installation.admin_token}"
    actor = admit(access, authorization=authorization, is_unsafe=True)
    assert actor == LOCAL
    assert actor.scopes == SCOPES


@pytest.mark.parametrize("value", ["Bearer", "Bearer ", "Bearer wrong", "Basic {}", "{}", "ä"])
async def test_a_wrong_authorization_is_refused_even_beside_a_session(
    access: Access, installation: Installation, password: str, value: str
) -> None:
    cookie = access.cookie(await access.sign_in_with_password("a", "agent", password))
    value = value.format(installation.admin_token)
    assert refused(access, authorization=value, cookie=cookie) == 401


async def test_a_password_opens_a_session_that_needs_csrf_for_changes(
    access: Access, password: str
) -> None:
    session = await access.sign_in_with_password("a", "agent", password)
    cookie = access.cookie(session)
    assert admit(access, cookie).session == session
    assert refused(access, cookie=cookie, is_unsafe=True) == 403
    assert refused(access, cookie=cookie, csrf="guess", is_unsafe=True) == 403
    assert admit(access, cookie, access.csrf_token(session), is_unsafe=True).session == session


async def test_wrong_passwords_are_refused_and_soon_slowed(
    access: Access, clock: Any, password: str
) -> None:
    for _ in range(PER_ADDRESS):
        with pytest.raises(Denied) as denied:
            await access.sign_in_with_password("a", "agent", "wrong")
        assert denied.value.status == 401
    with pytest.raises(Denied) as denied:
        await access.sign_in_with_password("a", "agent", password)
    assert denied.value.status == 429
    assert denied.value.wait_s > 0
    await access.sign_in_with_password("b", "agent", password)
    clock.now_s += WINDOW_S
    await access.sign_in_with_password("a", "agent", password)


async def test_parallel_guesses_do_not_slip_past_the_limit(access: Access, password: str) -> None:
    statuses: list[int] = []

    async def guess() -> None:
        with pytest.raises(Denied) as denied:
            await access.sign_in_with_password("a", "agent", "wrong")
        statuses.append(denied.value.status)

    async with trio.open_nursery() as nursery:
        for _ in range(PER_ADDRESS + 3):
            nursery.start_soon(guess)
    assert sorted(statuses) == [401] * PER_ADDRESS + [429] * 3


async def test_without_a_password_nobody_signs_in_with_one(access: Access) -> None:
    with pytest.raises(Denied) as denied:
        await access.sign_in_with_password("a", "agent", "")
    assert denied.value.status == 403


async def test_the_link_works_once(access: Access, link: str) -> None:
    session = await access.sign_in_with_link("a", "agent", link)
    assert admit(access, access.cookie(session)).session == session
    with pytest.raises(Denied, match="used already"):
        await access.sign_in_with_link("a", "agent", link)


async def test_the_link_works_once_also_when_two_use_it_at_the_same_time(
    access: Access, link: str
) -> None:
    won: list[bool] = []

    async def use() -> None:
        try:
            await access.sign_in_with_link("a", "agent", link)
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
            await access.sign_in_with_link("a", "agent", token)
    clock.now_s += LINK_LIVES_S
    with pytest.raises(Denied):
        await access.sign_in_with_link("b", "agent", link)


async def test_without_a_link_none_fits(access: Access) -> None:
    with pytest.raises(Denied):
        await access.sign_in_with_link("a", "agent", "")


async def test_signing_out_holds_after_a_restart_of_control(
    access: Access, installation: Installation, store: Store, clock: Any, password: str
) -> None:
    session = await access.sign_in_with_password("a", "agent", password)
    cookie = access.cookie(session)
    await access.sign_out(session)
    assert refused(access, cookie=cookie) == 401
    restarted = Access(installation, store, clock)
    assert refused(restarted, cookie=cookie) == 401


async def test_a_session_survives_a_restart_of_control(
    access: Access, installation: Installation, store: Store, clock: Any, password: str
) -> None:
    session = await access.sign_in_with_password("a", "agent", password)
    restarted = Access(installation, store, clock)
    assert admit(restarted, access.cookie(session)).session == session


async def test_a_used_session_is_renewed_and_an_unused_one_ends(
    access: Access, clock: Any, password: str
) -> None:
    session = await access.sign_in_with_password("a", "agent", password)
    assert await access.renewed(session) is None
    clock.now_s += RENEW_AFTER_S
    renewed = await access.renewed(session)
    assert renewed is not None
    clock.now_s += IDLE_S - 1
    assert admit(access, access.cookie(renewed)).session == renewed
    assert refused(access, cookie=access.cookie(session)) == 401


async def test_a_session_that_was_ended_is_not_renewed(
    access: Access, clock: Any, password: str
) -> None:
    session = await access.sign_in_with_password("a", "agent", password)
    await access.sign_out(session)
    clock.now_s += RENEW_AFTER_S
    assert await access.renewed(session) is None


async def test_an_old_record_is_hashed_anew_at_the_next_sign_in(
    access: Access, store: Store
) -> None:
    salt = b"0123456789abcdef"
    digest = hashlib.scrypt(b"right", salt=salt, n=1024, r=8, p=1, dklen=32)
    fields = ["scrypt", "1024", "8", "1", *(base64.b64encode(x).decode() for x in (salt, digest))]
    store.set_meta(PASSWORD_FACT, "$".join(fields))
    await access.sign_in_with_password("a", "agent", "right")
    record = store.get_meta(PASSWORD_FACT)
    assert record is not None
    assert not is_outdated(record)
    await access.sign_in_with_password("a", "agent", "right")


async def test_guessing_the_present_password_is_slowed_like_signing_in(
    access: Access, password: str
) -> None:
    session = await access.sign_in_with_password("a", "agent", password)
    actor = Actor("session", SCOPES, session)
    renewed = await access.set_password(actor, "a", "agent", current=None, new="long enough")
    actor = Actor("session", SCOPES, renewed)
    statuses = []
    for _ in range(PER_ADDRESS + 1):
        with pytest.raises(Denied) as denied:
            await access.set_password(actor, "a", "agent", current="guess", new="long enough 2")
        statuses.append(denied.value.status)
    assert statuses == [403] * PER_ADDRESS + [429]


async def test_a_new_password_ends_the_link_of_the_first_start(
    access: Access, link: str, password: str
) -> None:
    await access.set_password(LOCAL, "a", "agent", current=None, new="long enough")
    with pytest.raises(Denied):
        await access.sign_in_with_link("a", "agent", link)


def test_an_admin_key_is_admitted_for_its_scopes_until_it_expires(
    access: Access, clock: Any
) -> None:
    ends_ms = clock.now_ms() + 1000
    _, text = access.admin_keys.create("a", ["read"], ends_ms, clock.now_ms())
    authorization = f"Bearer {text}"
    assert admit(access, authorization=authorization, needs=Policy.READ).scopes == {Policy.READ}
    assert refused(access, authorization=authorization, needs=Policy.WRITE) == 403
    clock.now_s += 1
    assert refused(access, authorization=authorization, needs=Policy.READ) == 401


def test_the_scope_admin_is_every_scope(access: Access, clock: Any) -> None:
    _, text = access.admin_keys.create("a", ["admin"], None, clock.now_ms())
    for scope in SCOPES:
        assert admit(access, authorization=f"Bearer {text}", needs=scope).scopes == SCOPES
