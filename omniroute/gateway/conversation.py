"""Conversations and the accounts that they stay with: prompt caches live at an account.

Which conversation a request belongs to, the client says (`X-Session-Id` and what real tools send),
else a fingerprint of how it began. The account is kept in the shared state, for one principal and
one asked name, and only where it is not the one that would be chosen anyway.
"""

import logging
from collections.abc import Mapping
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from omniroute.formats.base import Peek
from omniroute.routing.combos import Combo
from omniroute.state.interface import StateError

if TYPE_CHECKING:
    from omniroute.gateway.view import Target
    from omniroute.state.interface import Sessions

# The contract's header in both spellings, then Codex's.
SESSION_HEADERS: Final = (b"x-session-id", b"x_session_id", b"session-id", b"session_id")
SESSION_BYTES: Final = 64  # of an id that a client gives; the rest is cut
LOOK_MS: Final = 1000
_REMEMBERED: Final = 4096

_log = logging.getLogger("omniroute.gateway")


def session_of(fields: Mapping[bytes, bytes], peeked: Peek) -> str | None:
    """The id that the client itself gives its conversation; None without one."""
    if not fields.keys().isdisjoint(SESSION_HEADERS):
        for header in SESSION_HEADERS:
            given = fields.get(header)
            if given:
                return given[:SESSION_BYTES].decode("latin-1")
    if peeked.session:
        return f"b-{_digest(peeked.session.encode('utf-8', 'surrogatepass'))}"
    return None


def fingerprint_of(digest: bytes) -> str:
    """The id of a conversation that is known by its beginning; "" when that cannot be read."""
    return f"f-{digest.hex()}" if digest else ""


def spreads(combo: Combo) -> bool:
    """Does a strategy in it only spread requests, so that a conversation decides who is first?"""
    return any(
        not stage.prefers
        or any(isinstance(member.of, Combo) and spreads(member.of) for member in stage.members)
        for stage in combo.stages
        if len(stage.members) > 1 or isinstance(stage.members[0].of, Combo)
    )


def _digest(text: bytes) -> str:
    return blake2b(text, digest_size=16).hexdigest()


class Conversations:
    """The kept accounts, as one worker asks for and tells them."""

    __slots__ = ("_any", "_look_ms", "_refresh_ms", "_sessions")

    def __init__(self, sessions: "Sessions") -> None:
        self._sessions = sessions
        self._any = True
        self._look_ms = 0  # when to look again whether any is kept
        self._refresh_ms: dict[bytes, int] = {}  # when a kept account is to be told again

    def any_kept(self, now_ms: int) -> bool:
        """Does any conversation stay with an account? Of other workers' known within a second."""
        if now_ms >= self._look_ms:
            self._look_ms = now_ms + LOOK_MS
            self._any = not self._sessions.is_empty()
        return self._any

    def find(
        self, principal: str, asked: str, session: str, ttl_ms: int, now_ms: int
    ) -> "Conversation":
        """The conversation of a principal with what it asked for."""
        name = f"{principal}\0{asked}\0{session}".encode("utf-8", "surrogatepass")
        key = blake2b(name, digest_size=16).digest()
        return Conversation(self, key, self._sessions.account(key, now_ms) or "", ttl_ms)

    def keep(self, key: bytes, connection: str, ttl_ms: int, now_ms: int, *, new: bool) -> None:
        """Tell that a conversation stays with an account; seldom, while it does."""
        if not new and now_ms < self._refresh_ms.get(key, 0):
            return
        if len(self._refresh_ms) >= _REMEMBERED:
            self._refresh_ms.clear()
        self._any = True
        self._refresh_ms[key] = now_ms + ttl_ms // 4
        try:
            self._sessions.keep(key, connection, now_ms + ttl_ms)
        except StateError:
            # An answer that has begun must not fail for it; the next one may meet a cold cache.
            _log.exception("a conversation's account could not be kept")


class Conversation:
    """One conversation in one request."""

    __slots__ = ("_conversations", "_key", "_ttl_ms", "kept")

    def __init__(self, conversations: Conversations, key: bytes, kept: str, ttl_ms: int) -> None:
        self._conversations = conversations
        self._key = key
        self._ttl_ms = ttl_ms
        self.kept = kept  # the connection it stays with; "" for none

    def served(self, target: "Target", now_ms: int, *, by_default: bool) -> None:
        """This account serves it. `by_default`: it is the first that is chosen anyway."""
        connection = target.connection_id
        if by_default and not self.kept:
            return
        new = connection != self.kept
        self._conversations.keep(self._key, connection, self._ttl_ms, now_ms, new=new)
