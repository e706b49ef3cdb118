"""Who may manage the gateway: the admin token, admin keys, the password, the one-time link.

Contract: `authorize` answers for one request, `sign_in_*`, `sign_out`, `set_password` and `revoke`
change sessions. Failures are `Denied`, with the status and sentence the client gets; they never say
which part was wrong. What must outlive a restart (password record, link, sessions, admin keys) lies
in the store, as hashes and digests only. Reads of the store and password hashing run in threads.
"""

import hmac
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Protocol

import anyio
import anyio.to_thread

from omniroute.control import passwords, sessions
from omniroute.control.admin_keys import AdminKeys
from omniroute.control.admin_keys import Keeper as AdminKeyKeeper
from omniroute.control.attempts import AttemptLimiter
from omniroute.control.policy import SCOPES, Policy
from omniroute.control.refusal import Denied, invalid
from omniroute.control.register import Keeper as SessionKeeper
from omniroute.control.register import Register
from omniroute.control.sessions import Session
from omniroute.installation import Installation
from omniroute.store.interface import StoredSession, StoreError

PASSWORD_FACT = "admin.password"
CHOSEN_FACT = "admin.password_chosen"
"""Unix ms at which a person replaced the first password; unset until then."""
LINK_FACT = "admin.link"

LINK_LIVES_S = 24 * 3600

_log = logging.getLogger("omniroute.control")


class Keeper(Protocol):
    """The store, as far as it is about who may come in. Every call blocks."""

    @property
    def sessions(self) -> SessionKeeper: ...

    @property
    def admin_keys(self) -> AdminKeyKeeper: ...

    def get_meta(self, name: str) -> str | None: ...

    def set_meta(self, name: str, value: str) -> None: ...


@dataclass(frozen=True)
class Actor:
    """Who calls. `label` is what the audit log shows."""

    label: str
    scopes: frozenset[Policy]
    session: Session | None = None
    is_local: bool = False
    """Holds the token that lies in the data directory: the owner of this machine's account."""


NOBODY: Final = Actor("nobody", frozenset())
LOCAL: Final = Actor("local token", SCOPES, is_local=True)


class Access:
    """All ways in. `clock` gives Unix seconds."""

    def __init__(
        self, installation: Installation, store: Keeper, clock: Callable[[], float]
    ) -> None:
        self._installation = installation
        self._facts = store
        self._clock = clock
        self.refresh()
        self._key = installation.key_digest(b"omniroute session key v1")
        self._attempts = AttemptLimiter()
        # One hash at a time: each takes tens of MiB and a good part of a second of CPU.
        self._hashing = anyio.CapacityLimiter(1)
        # So that two requests at once cannot both use the link.
        self._link_use = anyio.Lock()

    def refresh(self) -> None:
        """Read again what others wrote into the store: an import brings keys. Blocks."""
        self.admin_keys = AdminKeys(self._facts.admin_keys, self._installation.key_digest)
        self._register = Register(
            self._facts.sessions, self._installation.key_digest, self._now_ms()
        )

    # Requests

    def authorize(
        self, *, authorization: str, cookie: str, csrf: str, is_unsafe: bool, needs: Policy
    ) -> Actor:
        """Who sent an admitted request.

        Raises Denied: 401 without valid credentials, 403 for an unsafe request without the
        session's CSRF token (RFC 9110 names the safe methods), and for an admin key without the
        scope that is needed.
        """
        if authorization:
            actor = self._bearer(authorization)
            if needs not in actor.scopes:
                raise Denied(403, f"this admin key does not have the scope `{needs.value}`")
            return actor
        session = self.session_of(cookie)
        if session is None:
            raise Denied(401, "sign in, or send an admin key as a bearer token")
        if is_unsafe and not sessions.is_csrf_token(session, self._key, csrf):
            raise Denied(403, "the X-CSRF-Token header is missing or does not fit the session")
        return Actor(f"session {self._register.name(session)}", SCOPES, session)

    def _bearer(self, authorization: str) -> Actor:
        scheme, _, token = authorization.partition(" ")
        presented = token.strip().encode("utf-8", "replace")
        if scheme.lower() == "bearer":
            if hmac.compare_digest(self._installation.admin_token.encode(), presented):
                return LOCAL
            key = self.admin_keys.find(presented, self._now_ms())
            if key is not None:
                scopes = {Policy(scope) for scope in key.scopes}
                all_of_them = Policy.ADMIN in scopes
                return Actor(f"admin key {key.id}", SCOPES if all_of_them else frozenset(scopes))
        raise Denied(401, "the bearer token is neither the admin token nor an admin key in force")

    def session_of(self, cookie: str) -> Session | None:
        """The session of a cookie, None when it is forged, over or ended."""
        if not cookie:
            return None
        session = sessions.decode_cookie(cookie, self._key, self._clock())
        return session if session is not None and session in self._register else None

    def cookie(self, session: Session) -> str:
        return sessions.encode_cookie(session, self._key)

    def csrf_token(self, session: Session) -> str:
        return sessions.csrf_token(session, self._key)

    def is_csrf_token(self, session: Session, presented: str) -> bool:
        return sessions.is_csrf_token(session, self._key, presented)

    async def renewed(self, session: Session) -> Session | None:
        """The session with a later end, when its cookie is old enough to be worth another one."""
        now_s = self._clock()
        if not session.wants_renewal(now_s) or session not in self._register:
            return None
        later = sessions.renew(session, now_s)
        try:
            await anyio.to_thread.run_sync(self._register.saw, later)
        except StoreError as error:
            # The cookie holds all the same; only the list of sessions shows an older time.
            _log.warning("when a session was seen could not be written down: %s", error)
        return later

    # Signing in and out

    async def sign_in_with_password(self, address: str, agent: str, password: str) -> Session:
        tried_s = self._count_attempt(address)
        record = await self._fact(PASSWORD_FACT)
        if record is None:
            raise Denied(403, "no password is set yet; use the sign-in link of the first start")
        fits = await self._fits(record, password)
        if not fits:
            raise Denied(401, "the password is wrong")
        self._attempts.succeeded(address, tried_s)
        if passwords.is_outdated(record):
            await self._store_password(password)
        return await self._begin(address, agent)

    async def sign_in_with_link(self, address: str, agent: str, token: str) -> Session:
        """The one-time link of the first start; using it ends it."""
        tried_s = self._count_attempt(address)
        async with self._link_use:
            stored = await self._fact(LINK_FACT)
            digest, _, ends_s = (stored or "").partition(" ")
            presented = link_digest(self._installation, token)
            if not hmac.compare_digest(digest, presented) or self._clock() >= float(ends_s):
                raise Denied(401, "the sign-in link is wrong, was used already, or is too old")
            await self._set_fact(LINK_FACT, "")
        self._attempts.succeeded(address, tried_s)
        return await self._begin(address, agent)

    async def sign_out(self, session: Session) -> None:
        """No cookie of this session holds any more, not even after a restart."""
        await self.revoke(self._register.name(session))

    async def needs_password(self) -> bool:
        """Is the password still the one that was made at the first start?"""
        return await self._fact(CHOSEN_FACT) is None

    async def set_password(
        self, actor: Actor, address: str, agent: str, *, current: str | None, new: str
    ) -> Session | None:
        """Replace the password: all sessions end, and a session that asked goes on under a new id.

        The present password is needed once a person has chosen it, but not by the holder of the
        data directory's token: that is the way back in for an owner who forgot it. Raises Denied.
        """
        if not actor.is_local and not await self.needs_password():
            if current is None:
                raise invalid("current", "the present password is needed")
            tried_s = self._count_attempt(address)
            if not await self._fits(await self._fact(PASSWORD_FACT) or "", current):
                raise Denied(403, "the present password is wrong")
            self._attempts.succeeded(address, tried_s)
        if len(new) < passwords.MIN_LENGTH:
            raise invalid("new", f"a password has at least {passwords.MIN_LENGTH} characters")
        await self._store_password(new)
        await self._set_fact(CHOSEN_FACT, str(self._now_ms()))
        await self._set_fact(LINK_FACT, "")
        await self.revoke_others(None)
        if actor.session is None:
            return None
        return await self._begin(address, agent)

    # Sessions

    def sessions(self) -> Iterable[StoredSession]:
        """Those that live, oldest first."""
        idle_since_ms = self._now_ms() - sessions.IDLE_S * 1000
        return [
            row
            for row in self._register
            if row.ends_ms > self._now_ms() and row.seen_ms > idle_since_ms
        ]

    def name_of(self, session: Session) -> str:
        """What the session is called where sessions are listed."""
        return self._register.name(session)

    async def revoke(self, name: str) -> bool:
        """End one session. False when there is no such one."""
        return await anyio.to_thread.run_sync(self._register.remove, name, self._now_ms())

    async def revoke_others(self, session: Session | None) -> int:
        """End all sessions but this one; returns how many."""
        return await anyio.to_thread.run_sync(self._register.remove_others, session, self._now_ms())

    async def end(self, cookie: str) -> None:
        """End the session of a cookie, where it has one: another one takes its place."""
        session = self.session_of(cookie)
        if session is not None:
            await self.sign_out(session)

    async def _begin(self, address: str, agent: str) -> Session:
        session = sessions.begin(self._clock())
        await anyio.to_thread.run_sync(self._register.add, session, address, agent)
        return session

    # Small parts

    def _count_attempt(self, address: str) -> float:
        """Counted before the slow part, so that parallel guesses do not slip past the limit."""
        now_s = self._clock()
        wait_s = self._attempts.wait_s(address, now_s)
        if wait_s > 0:
            raise Denied(429, "too many failed attempts to sign in", wait_s)
        self._attempts.failed(address, now_s)
        return now_s

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)

    async def _fits(self, record: str, password: str) -> bool:
        return await anyio.to_thread.run_sync(
            passwords.verify_password, record, password, limiter=self._hashing
        )

    async def _store_password(self, password: str) -> None:
        record = await anyio.to_thread.run_sync(
            passwords.hash_password, password, limiter=self._hashing
        )
        await self._set_fact(PASSWORD_FACT, record)

    async def _fact(self, name: str) -> str | None:
        return await anyio.to_thread.run_sync(self._facts.get_meta, name)

    async def _set_fact(self, name: str, value: str) -> None:
        await anyio.to_thread.run_sync(self._facts.set_meta, name, value)


def link_digest(installation: Installation, token: str) -> str:
    """What is stored of a one-time link."""
    return installation.key_digest(b"link " + token.encode("utf-8", "replace")).hex()
