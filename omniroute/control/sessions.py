"""Browser sessions: a signed cookie and a CSRF token bound to it.

A cookie is `v1.<session id>.<signed in>.<issued>.<mac>`, times in Unix seconds. It holds for
`IDLE_S` after it was issued and is issued anew while it is used, but never beyond `ABSOLUTE_S`
after signing in, and only while the session is in the register (`register.py`). Key and time come
in as arguments.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass

COOKIE_NAME = "omniroute_session"
IDLE_S = 3600
ABSOLUTE_S = 12 * 3600
RENEW_AFTER_S = 300

_VERSION = "v1"


@dataclass(frozen=True)
class Session:
    """Who is signed in: the session's id, when it began and when its cookie was issued."""

    id: str
    signed_in_s: int
    issued_s: int

    def is_live(self, now_s: float) -> bool:
        # A cookie from the future (beyond a clock's small step back) was not issued by us.
        return (
            self.issued_s - 60 <= now_s < self.issued_s + IDLE_S
            and now_s < self.signed_in_s + ABSOLUTE_S
        )

    def wants_renewal(self, now_s: float) -> bool:
        return now_s >= self.issued_s + RENEW_AFTER_S

    def ends_s(self) -> int:
        """The last moment at which any cookie of this session could hold."""
        return self.signed_in_s + ABSOLUTE_S


def begin(now_s: float) -> Session:
    return Session(secrets.token_urlsafe(18), int(now_s), int(now_s))


def renew(session: Session, now_s: float) -> Session:
    return Session(session.id, session.signed_in_s, int(now_s))


def encode_cookie(session: Session, key: bytes) -> str:
    payload = f"{_VERSION}.{session.id}.{session.signed_in_s}.{session.issued_s}"
    return f"{payload}.{_mac(key, payload)}"


def decode_cookie(cookie: str, key: bytes, now_s: float) -> Session | None:
    """The session of a cookie, or None when it is forged or over."""
    payload, _, mac = cookie.rpartition(".")
    if not hmac.compare_digest(_mac(key, payload).encode(), mac.encode("utf-8", "replace")):
        return None
    version, id_, signed_in, issued = payload.split(".")
    session = Session(id_, int(signed_in), int(issued))
    return session if version == _VERSION and session.is_live(now_s) else None


def csrf_token(session: Session, key: bytes) -> str:
    """What an unsafe request of this session must carry in its header."""
    return _mac(key, f"csrf.{session.id}")


def is_csrf_token(session: Session, key: bytes, presented: str) -> bool:
    return hmac.compare_digest(
        csrf_token(session, key).encode(), presented.encode("utf-8", "replace")
    )


def _mac(key: bytes, text: str) -> str:
    return hmac.digest(key, text.encode("utf-8", "replace"), hashlib.sha256).hex()
