"""Signing in and out, the password, sessions, admin keys.

Signing in is by password or by the one-time link of the first start; the answer sets the session's
cookie and gives its CSRF token, which every unsafe call of the session must repeat in the header
`X-CSRF-Token`. Scripts send an admin key, or the token of the data directory, as a bearer token.
"""

from collections.abc import Iterable
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from omniroute.control.admin_keys import is_in_force
from omniroute.control.api.declare import Call, Route
from omniroute.control.policy import SCOPES, Policy
from omniroute.control.refusal import Denied, conflict, invalid, missing
from omniroute.control.register import name_of
from omniroute.control.sessions import Session
from omniroute.store.interface import AdminKey

_PASSWORD_LETTERS: Final = 1024
_SIGN_IN_BYTES: Final = 8192

Secret = Annotated[str, Meta(max_length=_PASSWORD_LETTERS)]
Scope = Literal["read", "write", "keys", "backup", "admin"]


class SignIn(msgspec.Struct, forbid_unknown_fields=True):
    """One of the two."""

    password: Secret | None = None
    link: Secret | None = None


class SignedIn(msgspec.Struct):
    """Who the caller is. The CSRF token is given to sessions alone."""

    signed_in: bool
    needs_password: bool = False
    """The password is still the one that was made at the first start: replace it."""
    csrf_token: str = ""
    ends_ms: int | None = None
    scopes: list[str] = []


class Started(msgspec.Struct, rename="camel"):
    """What anybody may know of an installation."""

    initialized: bool


class NewPassword(msgspec.Struct, forbid_unknown_fields=True):
    """`current` is needed once a person has chosen the password."""

    new: Secret
    current: Secret | None = None


class SessionOut(msgspec.Struct):
    """A session that lives."""

    id: str
    signed_in_ms: int
    seen_ms: int
    address: str
    agent: str
    is_this: bool


class Sessions(msgspec.Struct):
    """Those that live, oldest first."""

    sessions: list[SessionOut]


class Ended(msgspec.Struct):
    """How many sessions were ended."""

    ended: int


class AdminKeyIn(msgspec.Struct, forbid_unknown_fields=True):
    """A key for one script. `admin` is all scopes at once."""

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    scopes: Annotated[list[Scope], Meta(min_length=1)]
    expires_ms: int | None = None


class AdminKeyOut(msgspec.Struct):
    """A key without itself."""

    id: str
    name: str
    scopes: list[str]
    created_ms: int
    expires_ms: int | None
    revoked_ms: int | None
    last_used_ms: int | None
    in_force: bool


class AdminKeyMade(msgspec.Struct):
    """The only time at which the key itself is shown."""

    key: str
    admin_key: AdminKeyOut


class AdminKeysOut(msgspec.Struct):
    """All keys, oldest first."""

    admin_keys: list[AdminKeyOut]


async def login(call: Call) -> SignedIn:
    """Every sign-in begins a session of its own; the one that the browser had before ends."""
    given: SignIn = call.body
    access = call.services.access
    if (given.password is None) == (given.link is None):
        raise invalid("", "give either a password or a link")
    if given.password is not None:
        session = await access.sign_in_with_password(call.address, call.agent, given.password)
    else:
        session = await access.sign_in_with_link(call.address, call.agent, given.link or "")
    await access.end(call.presented_cookie)
    call.cookie = access.cookie(session)
    return await _described(call, session)


async def logout(call: Call) -> SignedIn:
    """Also for a session that is over: its cookie goes. A live one needs its CSRF token."""
    access = call.services.access
    session = access.session_of(call.presented_cookie)
    if session is not None:
        if not access.is_csrf_token(session, call.presented_csrf):
            raise Denied(403, "the X-CSRF-Token header is missing or does not fit the session")
        await access.sign_out(session)
    call.cookie = ""
    return SignedIn(signed_in=False)


async def status(call: Call) -> SignedIn:
    """For a page that was loaded anew: says no to anybody who is not signed in, with 200."""
    session = call.services.access.session_of(call.presented_cookie)
    return SignedIn(signed_in=False) if session is None else await _described(call, session)


async def session(call: Call) -> SignedIn:
    answer = await _described(call, call.actor.session)
    answer.scopes = _names(call.actor.scopes)
    return answer


async def init(call: Call) -> Started:
    return Started(initialized=True)


async def replace_password(call: Call) -> SignedIn:
    given: NewPassword = call.body
    session = await call.services.access.set_password(
        call.actor, call.address, call.agent, current=given.current, new=given.new
    )
    call.audit("admin/password")
    if session is not None:
        call.cookie = call.services.access.cookie(session)
    return await _described(call, session)


async def list_sessions(call: Call) -> Sessions:
    access = call.services.access
    mine = access.name_of(call.actor.session) if call.actor.session is not None else ""
    return Sessions(
        [
            SessionOut(
                id=name_of(row.digest),
                signed_in_ms=row.signed_in_ms,
                seen_ms=row.seen_ms,
                address=row.address,
                agent=row.agent,
                is_this=name_of(row.digest) == mine,
            )
            for row in access.sessions()
        ]
    )


async def revoke_session(call: Call) -> None:
    name = call.path["id"]
    if not await call.services.access.revoke(name):
        raise missing(f"session {name}")
    call.audit(f"session/{name}")


async def revoke_other_sessions(call: Call) -> Ended:
    ended = await call.services.access.revoke_others(call.actor.session)
    call.audit("session/others", after={"ended": ended})
    return Ended(ended)


async def list_admin_keys(call: Call) -> AdminKeysOut:
    now_ms = call.services.now_ms()
    return AdminKeysOut([_shown(key, now_ms) for key in call.services.access.admin_keys])


async def create_admin_key(call: Call) -> AdminKeyMade:
    given: AdminKeyIn = call.body
    now_ms = call.services.now_ms()
    if given.expires_ms is not None and given.expires_ms <= now_ms:
        raise invalid("expires_ms", "this time is over")
    scopes = list(dict.fromkeys(given.scopes))
    key, text = await call.blocking(
        call.services.access.admin_keys.create, given.name, scopes, given.expires_ms, now_ms
    )
    shown = _shown(key, now_ms)
    call.audit(f"admin-key/{key.id}", after=shown)
    return AdminKeyMade(text, shown)


async def revoke_admin_key(call: Call) -> AdminKeyOut:
    keys = call.services.access.admin_keys
    now_ms = call.services.now_ms()
    key = keys.get(call.path["id"])
    if key is None:
        raise missing(f"admin key {call.path['id']}")
    if key.revoked_ms is not None:
        raise conflict("this admin key is revoked already")
    shown = _shown(await call.blocking(keys.revoke, key, now_ms), now_ms)
    call.audit(f"admin-key/{key.id}", before=_shown(key, now_ms), after=shown)
    return shown


def _names(scopes: Iterable[Policy]) -> list[str]:
    return sorted(scope.value for scope in scopes)


async def _described(call: Call, session: Session | None) -> SignedIn:
    access = call.services.access
    needs_password = await access.needs_password()
    if session is None:
        return SignedIn(signed_in=True, needs_password=needs_password)
    return SignedIn(
        signed_in=True,
        needs_password=needs_password,
        csrf_token=access.csrf_token(session),
        ends_ms=session.ends_s() * 1000,
        scopes=_names(SCOPES),
    )


def _shown(key: AdminKey, now_ms: int) -> AdminKeyOut:
    return AdminKeyOut(
        id=key.id,
        name=key.name,
        scopes=list(key.scopes),
        created_ms=key.created_ms,
        expires_ms=key.expires_ms,
        revoked_ms=key.revoked_ms,
        last_used_ms=key.last_used_ms,
        in_force=is_in_force(key, now_ms),
    )


ROUTES = (
    Route(
        "POST",
        "/api/auth/login",
        Policy.OPEN,
        "Sign in with the password, or with the one-time link of the first start.",
        login,
        input=SignIn,
        output=SignedIn,
        changes=False,
        refuses=(401, 403, 429),
        body_bytes=_SIGN_IN_BYTES,
    ),
    Route(
        "POST",
        "/api/auth/logout",
        Policy.OPEN,
        "Sign out: the session ends on every device that has its cookie.",
        logout,
        output=SignedIn,
        changes=False,
        refuses=(403,),
    ),
    Route(
        "GET",
        "/api/auth/status",
        Policy.OPEN,
        "Is this browser signed in?",
        status,
        output=SignedIn,
    ),
    Route(
        "GET",
        "/api/auth/session",
        Policy.READ,
        "Who the caller is, and what it may do.",
        session,
        output=SignedIn,
    ),
    Route(
        "GET",
        "/api/init",
        Policy.OPEN,
        "Has the gateway been set up? It has once it runs; there is no open set-up.",
        init,
        output=Started,
    ),
    Route(
        "POST",
        "/api/auth/password",
        Policy.ADMIN,
        "Replace the password. All sessions end; the one that asks goes on with a new id.",
        replace_password,
        input=NewPassword,
        output=SignedIn,
        refuses=(429,),
        body_bytes=_SIGN_IN_BYTES,
    ),
    Route(
        "GET",
        "/api/auth/sessions",
        Policy.ADMIN,
        "The sessions that live.",
        list_sessions,
        output=Sessions,
    ),
    Route(
        "DELETE",
        "/api/auth/sessions",
        Policy.ADMIN,
        "End all sessions but this one.",
        revoke_other_sessions,
        output=Ended,
    ),
    Route(
        "DELETE",
        "/api/auth/sessions/{id}",
        Policy.ADMIN,
        "End one session.",
        revoke_session,
    ),
    Route(
        "GET",
        "/api/auth/keys",
        Policy.ADMIN,
        "The admin keys, without themselves.",
        list_admin_keys,
        output=AdminKeysOut,
    ),
    Route(
        "POST",
        "/api/auth/keys",
        Policy.ADMIN,
        "Make an admin key. It is shown in this answer and never again.",
        create_admin_key,
        input=AdminKeyIn,
        output=AdminKeyMade,
        status=201,
    ),
    Route(
        "DELETE",
        "/api/auth/keys/{id}",
        Policy.ADMIN,
        "Revoke an admin key, from its next request on.",
        revoke_admin_key,
        output=AdminKeyOut,
        refuses=(409,),
    ),
)
