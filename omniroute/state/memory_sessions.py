"""The sessions of a state in the memory of one process; `lmdb_sessions` has the real ones."""

from typing import Final

SESSIONS_MAX: Final = 100_000
"""Conversations at a time whose account is kept."""


class MemorySessions:
    """`Sessions` in a dictionary."""

    def __init__(self) -> None:
        self._kept: dict[bytes, tuple[str, int]] = {}

    def account(self, session: bytes, now_ms: int) -> str | None:
        connection, until_ms = self._kept.get(session, (None, 0))
        return connection if until_ms > now_ms else None

    def is_empty(self) -> bool:
        return not self._kept

    def keep(self, session: bytes, connection: str, until_ms: int) -> None:
        if session in self._kept or len(self._kept) < SESSIONS_MAX:
            self._kept[session] = connection, until_ms

    def forget(self, now_ms: int) -> int:
        old = [session for session, (_, until_ms) in self._kept.items() if until_ms <= now_ms]
        for session in old:
            del self._kept[session]
        return len(old)
