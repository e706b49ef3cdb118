"""The conditions of a state in the memory of one process; `lmdb_conditions` has the real ones."""

from collections.abc import Callable
from typing import Final

CONDITIONS_MAX: Final = 4096
"""Conditions at a time; of some 60 bytes each, read whole in about a millisecond."""


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
        elif stored is None and len(self._table) >= CONDITIONS_MAX:
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
