"""The conditions of a state in the memory of one process; `lmdb_conditions` has the real ones."""

from collections.abc import Callable
from typing import Final

CONDITIONS_MAX: Final = 4096
"""Conditions at a time; of some 60 bytes each, read whole in about a millisecond."""


def has_room(key: str, entries: int) -> bool:
    """Whether a new condition may be kept beside `entries` others.

    A key with a blank tells of a detail (a model, a window) beside its subject. Names of models
    come from clients, so details leave a quarter of the room to accounts and providers.
    """
    return entries < (CONDITIONS_MAX * 3 // 4 if " " in key else CONDITIONS_MAX)


class MemoryConditions:
    """`Conditions` in a dictionary."""

    def __init__(self) -> None:
        self._table: dict[str, bytes] = {}
        self._version = 0

    def version(self) -> int:
        return self._version

    def read(self) -> tuple[int, dict[str, bytes]]:
        return self._version, dict(self._table)

    def change(self, key: str, decide: Callable[[bytes | None], bytes | None]) -> bytes | None:
        stored = self._table.get(key)
        wanted = decide(stored)
        if wanted == stored:
            return stored
        if wanted is None:
            del self._table[key]
        elif stored is None and not has_room(key, len(self._table)):
            return None
        else:
            self._table[key] = wanted
        self._version += 1
        return wanted

    def clear(self, prefix: str = "") -> int:
        gone = [key for key in self._table if key.startswith(prefix)]
        for key in gone:
            del self._table[key]
        self._version += bool(gone)
        return len(gone)
