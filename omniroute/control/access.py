"""Who may manage the gateway: the admin token, the password, the one-time link, sessions.

Contract: `authorize` answers for one request, `sign_in_*` and `sign_out` change sessions. Failures
are `Denied`, with the status and sentence the client gets; they never say which part was wrong.
What must outlive a restart (password record, link, revoked sessions) lies in the store's small
facts, as hashes and digests only. Reads of the store and password hashing run in threads.
"""

import hmac
import json
from collections.abc import Callable
from typing import Protocol

import anyio
import anyio.to_thread

from omniroute.control import passwords, sessions
from omniroute.control.attempts import AttemptLimiter
from omniroute.control.sessions import Session
from omniroute.installation import Installation

PASSWORD_FACT = "admin.password"
LINK_FACT = "admin.link"
REVOKED_FACT = "admin.revoked_sessions"

LINK_LIVES_S = 24 * 3600


class Facts(Protocol):
    """The store's small facts; both calls block."""

    def get_meta(self, name: str) -> str | None: ...

    def set_meta(self, name: str, value: str) -> None: ...


class Denied(Exception):
    """A request that may not pass: HTTP status, sentence, and when waiting helps, for how long."""

    def __init__(self, status: int, message: str, wait_s: float = 0.0) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.wait_s = wait_s


class Access:
    """All ways in. `clock` gives Unix seconds."""

    def __init__(
        self, installation: Installation, facts: Facts, clock: Callable[[], float]
    ) -> None:
        self._installation = installation
        self._facts = facts
        self._clock = clock
        self._key = installation.key_digest(b"omniroute session key v1")
        self._attempts = AttemptLimiter()
        self._revoked: dict[str, int] = json.loads(facts.get_meta(REVOKED_FACT) or "{}")
        # One hash at a time: each takes 32 MiB and a quarter of a second of CPU.
        self._hashing = anyio.CapacityLimiter(1)
        # So that two requests at once cannot both use the link.
        self._link_use = anyio.Lock()

    # Requests

    def authorize(
        self, *, authorization: str, cookie: str, csrf: str, is_unsafe: bool
    ) -> Session | None:
        """The session of an admitted request, None when the admin token admitted it.

        Raises Denied: 401 without valid credentials, 403 for an unsafe request without the
        session's CSRF token (RFC 9110 names the safe methods).
        """
        if authorization:
            scheme, _, token = authorization.partition(" ")
            expected = self._installation.admin_token.encode()
            presented = token.strip().encode("utf-8", "replace")
            if scheme.lower() == "bearer" and hmac.compare_digest(expected, presented):
                return None
            raise Denied(401, "the admin token is not valid")
        session = self._session(cookie) if cookie else None
        if session is None:
            raise Denied(401, "sign in, or send the admin token as a bearer token")
        if is_unsafe and not sessions.is_csrf_token(session, self._key, csrf):
            raise Denied(403, "the X-CSRF-Token header is missing or does not fit the session")
        return session

    def _session(self, cookie: str) -> Session | None:
        return sessions.decode_cookie(cookie, self._key, self._clock(), self._revoked)

    def cookie(self, session: Session) -> str:
        return sessions.encode_cookie(session, self._key)

    def csrf_token(self, session: Session) -> str:
        return sessions.csrf_token(session, self._key)

    def renewed(self, session: Session) -> Session | None:
        """The session with a later end, when its cookie is old enough to be worth another one."""
        now_s = self._clock()
        return sessions.renew(session, now_s) if session.wants_renewal(now_s) else None

    # Signing in and out

    async def sign_in_with_password(self, address: str, password: str) -> Session:
        self._refuse_guessing(address)
        # Counted before the slow part, so that parallel guesses do not slip past the limit.
        self._attempts.failed(address, self._clock())
        record = await anyio.to_thread.run_sync(self._facts.get_meta, PASSWORD_FACT)
        if record is None:
            raise Denied(403, "no password is set yet; use the sign-in link of the first start")
        fits = await anyio.to_thread.run_sync(
            passwords.verify_password, record, password, limiter=self._hashing
        )
        if not fits:
            raise Denied(401, "the password is wrong")
        self._attempts.succeeded(address)
        return sessions.begin(self._clock())

    async def sign_in_with_link(self, address: str, token: str) -> Session:
        """The one-time link of the first start; using it ends it."""
        self._refuse_guessing(address)
        self._attempts.failed(address, self._clock())
        async with self._link_use:
            stored = await anyio.to_thread.run_sync(self._facts.get_meta, LINK_FACT)
            digest, _, ends_s = (stored or "").partition(" ")
            presented = link_digest(self._installation, token)
            if not hmac.compare_digest(digest, presented) or self._clock() >= float(ends_s):
                raise Denied(401, "the sign-in link is wrong, was used already, or is too old")
            await anyio.to_thread.run_sync(self._facts.set_meta, LINK_FACT, "")
        self._attempts.succeeded(address)
        return sessions.begin(self._clock())

    async def sign_out(self, session: Session) -> None:
        """No cookie of this session holds any more, not even after a restart."""
        now_s = self._clock()
        self._revoked[session.id] = session.ends_s()
        self._revoked = {id_: end for id_, end in self._revoked.items() if end > now_s}
        await anyio.to_thread.run_sync(
            self._facts.set_meta, REVOKED_FACT, json.dumps(self._revoked)
        )

    def _refuse_guessing(self, address: str) -> None:
        wait_s = self._attempts.wait_s(address, self._clock())
        if wait_s > 0:
            raise Denied(429, "too many failed attempts to sign in", wait_s)


def link_digest(installation: Installation, token: str) -> str:
    """What is stored of a one-time link."""
    return installation.key_digest(b"link " + token.encode("utf-8", "replace")).hex()
