"""The sessions of the shared state in LMDB: which account a conversation stays with.

A value is the time until which it is kept (8 bytes, Unix ms) and the connection's id. Renewing
writes only when it gains a second, so that the many requests of one busy conversation do not.

Their number is bounded, as names of sessions come from clients: a new one beyond `SESSIONS_MAX` is
not kept, and control forgets old ones every minute. A conversation without a kept account works; it
may meet a cold prompt cache.
"""

from typing import TYPE_CHECKING, Final

import lmdb

from omniroute.state.interface import StateError
from omniroute.state.memory_sessions import SESSIONS_MAX

if TYPE_CHECKING:
    from lmdb import _Database

RENEWAL_MS: Final = 1000

_CUT: Final = 256  # removed by one transaction
_LOOK: Final = 4096  # looked at by one read transaction


class LmdbSessions:
    """`Sessions` in one named database of an environment."""

    def __init__(self, environment: lmdb.Environment, database: "_Database") -> None:
        self._environment = environment
        self._database = database

    def account(self, session: bytes, now_ms: int) -> str | None:
        with self._environment.begin(self._database) as txn:
            stored = txn.get(session)
        if stored is None or _until_ms(stored) <= now_ms:
            return None
        return stored[8:].decode()

    def is_empty(self) -> bool:
        with self._environment.begin(self._database) as txn:
            return txn.stat(self._database)["entries"] == 0

    def keep(self, session: bytes, connection: str, until_ms: int) -> None:
        value = until_ms.to_bytes(8, "big") + connection.encode()
        try:
            with self._environment.begin(self._database) as txn:
                stored = txn.get(session)
                full = stored is None and txn.stat(self._database)["entries"] >= SESSIONS_MAX
            if full or (stored is not None and not _gains(stored, value)):
                return
            with self._environment.begin(self._database, write=True) as txn:
                txn.put(session, value)
        except lmdb.Error as error:
            raise StateError(f"the shared state cannot keep a session: {error}") from error

    def forget(self, now_ms: int) -> int:
        forgotten = 0
        start: bytes | None = b""
        while start is not None:
            old, start = self._look(start, now_ms)
            for cut in range(0, len(old), _CUT):
                forgotten += self._remove(old[cut : cut + _CUT], now_ms)
        return forgotten

    def _look(self, start: bytes, now_ms: int) -> tuple[list[bytes], bytes | None]:
        """What is over among the next `_LOOK` from `start`, and where to go on; None at the end."""
        try:
            with self._environment.begin(self._database) as txn:
                cursor = txn.cursor(self._database)
                found = cursor.set_range(start) if start else cursor.first()
                old: list[bytes] = []
                for _ in range(_LOOK):
                    if not found:
                        return old, None
                    if _until_ms(cursor.value()) <= now_ms:
                        old.append(cursor.key())
                    found = cursor.next()
                return old, cursor.key() if found else None
        except lmdb.Error as error:
            raise StateError(f"the shared state cannot read its sessions: {error}") from error

    def _remove(self, sessions: list[bytes], now_ms: int) -> int:
        """Removes those that are still over: another process may have renewed one meanwhile."""
        gone = 0
        try:
            with self._environment.begin(self._database, write=True) as txn:
                for session in sessions:
                    stored = txn.get(session)
                    if stored is not None and _until_ms(stored) <= now_ms:
                        gone += txn.delete(session)
        except lmdb.Error as error:
            raise StateError(f"the shared state cannot forget sessions: {error}") from error
        return gone


def _until_ms(stored: bytes) -> int:
    return int.from_bytes(stored[:8], "big")


def _gains(stored: bytes, value: bytes) -> bool:
    return stored[8:] != value[8:] or _until_ms(value) - _until_ms(stored) >= RENEWAL_MS
