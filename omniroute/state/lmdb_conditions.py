"""The conditions of the shared state in LMDB: one named database, keys as text, a version beside.

The table is small and read whole, so what keeps it small is part of it: a key for which `has_room`
finds none is not kept. Keys come from failures, and what a failure is about comes in part from
clients (names of models).

The version lies in the same database under a key that no condition has, and moves in the
transaction that changes a value: whoever has read the table at a version knows when to read again.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeAlias

import lmdb

from omniroute.state.interface import StateError
from omniroute.state.memory_conditions import has_room

if TYPE_CHECKING:
    from lmdb import Transaction, _Database

    _Txn: TypeAlias = Transaction[bytes]

CONDITIONS_VERSION: Final = b"\x00version"


class LmdbConditions:
    """`Conditions` in one named database of an environment."""

    def __init__(self, environment: lmdb.Environment, database: "_Database") -> None:
        self._environment = environment
        self._database = database

    def version(self) -> int:
        with self._environment.begin(self._database) as txn:
            return self.version_in(txn)

    def version_in(self, txn: "_Txn") -> int:
        """The version as a transaction of the same environment sees it."""
        return int.from_bytes(txn.get(CONDITIONS_VERSION, b"", db=self._database), "big")

    def read(self) -> tuple[int, dict[str, bytes]]:
        try:
            with self._environment.begin(self._database) as txn:
                table = {
                    key.decode(): value
                    for key, value in txn.cursor(self._database)
                    if key != CONDITIONS_VERSION
                }
                return self.version_in(txn), table
        except lmdb.Error as error:
            raise StateError(f"the shared state cannot read its conditions: {error}") from error

    def change(self, key: str, decide: Callable[[bytes | None], bytes | None]) -> bytes | None:
        name = key.encode()
        database = self._database
        try:
            with self._environment.begin(write=True) as txn:
                stored = txn.get(name, db=database)
                wanted = decide(stored)
                if wanted == stored:
                    txn.abort()
                    return stored
                if wanted is None:
                    txn.delete(name, db=database)
                elif stored is None and not has_room(key, self._entries(txn)):
                    txn.abort()
                    return None
                else:
                    txn.put(name, wanted, db=database)
                self._move(txn)
                return wanted
        except lmdb.Error as error:
            raise StateError(f"the shared state cannot keep {key!r}: {error}") from error

    def clear(self, prefix: str = "") -> int:
        start = prefix.encode()
        try:
            with self._environment.begin(write=True) as txn:
                cursor = txn.cursor(self._database)
                gone = []
                found = cursor.set_range(start) if start else cursor.first()
                while found and cursor.key().startswith(start):
                    if cursor.key() != CONDITIONS_VERSION:
                        gone.append(cursor.key())
                    found = cursor.next()
                for key in gone:
                    txn.delete(key, db=self._database)
                if gone:
                    self._move(txn)
                return len(gone)
        except lmdb.Error as error:
            raise StateError(f"the shared state cannot clear its conditions: {error}") from error

    def _entries(self, txn: "_Txn") -> int:
        entries = txn.stat(self._database)["entries"]
        return entries - (txn.get(CONDITIONS_VERSION, db=self._database) is not None)

    def _move(self, txn: "_Txn") -> None:
        version = self.version_in(txn) + 1
        txn.put(CONDITIONS_VERSION, version.to_bytes(8, "big"), db=self._database)
