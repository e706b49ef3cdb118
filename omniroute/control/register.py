"""The sessions that live: in memory for every request, in the store so that a restart keeps them.

A session is known by the HMAC of its id, from which no cookie can be made; the public name is its
beginning. Taking a session out ends it at once. This process alone changes them. Everything that
writes blocks, and raises StoreError with nothing changed.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, Protocol

from omniroute.control.sessions import Session
from omniroute.store.interface import StoredSession

_MOST: Final = 100  # at once; beyond, the one that was not seen for the longest time ends
_AGENT_LETTERS: Final = 200
_NAME_LETTERS: Final = 24


class Keeper(Protocol):
    """Where sessions are stored. Every call blocks, and raises StoreError."""

    def all(self, now_ms: int) -> Sequence[StoredSession]: ...

    def add(self, session: StoredSession) -> None: ...

    def touch(self, digest: bytes, seen_ms: int) -> None: ...

    def revoke(self, digest: bytes, now_ms: int) -> bool: ...

    def revoke_all(self, now_ms: int, *, but: bytes = b"") -> int: ...

    def forget(self, now_ms: int) -> int: ...


class Register:
    """All of them. `digest_of` makes the HMAC of an id."""

    def __init__(self, keeper: Keeper, digest_of: Callable[[bytes], bytes], now_ms: int) -> None:
        self._keeper = keeper
        self._digest_of = digest_of
        self._rows = {row.digest: row for row in keeper.all(now_ms)}

    def __contains__(self, session: Session) -> bool:
        return self.digest(session) in self._rows

    def __iter__(self) -> Iterator[StoredSession]:
        """Oldest first. Some may be over by now."""
        return iter(sorted(self._rows.values(), key=lambda row: row.signed_in_ms))

    def digest(self, session: Session) -> bytes:
        return self._digest_of(b"session " + session.id.encode("utf-8", "replace"))

    def name(self, session: Session) -> str:
        """The public name of the session."""
        return name_of(self.digest(session))

    def add(self, session: Session, address: str, agent: str) -> None:
        now_ms = session.issued_s * 1000
        self._keeper.forget(now_ms)
        rows = {digest: row for digest, row in self._rows.items() if row.ends_ms > now_ms}
        while len(rows) >= _MOST:
            oldest = min(rows.values(), key=lambda row: row.seen_ms)
            self._keeper.revoke(oldest.digest, now_ms)
            del rows[oldest.digest]
        row = StoredSession(
            digest=self.digest(session),
            signed_in_ms=session.signed_in_s * 1000,
            seen_ms=now_ms,
            ends_ms=session.ends_s() * 1000,
            address=address,
            agent=agent[:_AGENT_LETTERS],
        )
        self._keeper.add(row)
        self._rows = {**rows, row.digest: row}

    def saw(self, session: Session) -> None:
        """Its cookie was issued anew."""
        digest, seen_ms = self.digest(session), session.issued_s * 1000
        row = self._rows.get(digest)
        if row is not None:  # it may have ended meanwhile
            self._rows[digest] = row._replace(seen_ms=seen_ms)
            self._keeper.touch(digest, seen_ms)

    def remove(self, name: str, now_ms: int) -> bool:
        """False when there is no such session."""
        row = next((row for row in self._rows.values() if name_of(row.digest) == name), None)
        if row is None:
            return False
        self._keeper.revoke(row.digest, now_ms)
        self._rows.pop(row.digest, None)
        return True

    def remove_others(self, kept: Session | None, now_ms: int) -> int:
        """Ends all but this one; returns how many."""
        digest = b"" if kept is None else self.digest(kept)
        self._keeper.revoke_all(now_ms, but=digest)
        before = len(self._rows)
        self._rows = {name: row for name, row in self._rows.items() if name == digest}
        return before - len(self._rows)


def name_of(digest: bytes) -> str:
    """The public name of the session with this digest."""
    return digest.hex()[:_NAME_LETTERS]
