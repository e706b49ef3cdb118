"""Tables in memory with transactions that can be taken back, for the limits of `memory_state`."""

from collections.abc import Callable
from itertools import islice
from typing import Any

from omniroute.record import Record

MemoryTable = dict[bytes, bytes]


class MemoryTransaction:
    """Changes the tables at once and remembers what was there, until it is committed."""

    def __init__(self) -> None:
        self._before: list[tuple[MemoryTable, bytes, bytes | None]] = []

    def get(self, key: bytes, default: None = None, db: Any = None) -> bytes | None:
        value: bytes | None = db.get(key, default)
        return value

    def put(
        self,
        key: bytes,
        value: bytes,
        dupdata: bool = True,
        overwrite: bool = True,
        append: bool = False,
        db: Any = None,
    ) -> bool:
        if not overwrite and key in db:
            return False
        self._before.append((db, key, db.get(key)))
        db[key] = bytes(value)
        return True

    def pop(self, key: bytes, db: Any = None) -> bytes | None:
        value: bytes | None = db.pop(key, None)
        self._before.append((db, key, value))
        return value

    def delete(self, key: bytes, value: bytes = b"", db: Any = None) -> bool:
        return self.pop(key, db) is not None

    def commit(self) -> None:
        self._before.clear()

    def abort(self) -> None:
        for table, key, value in reversed(self._before):
            if value is None:
                table.pop(key, None)
            else:
                table[key] = value
        self._before.clear()

    def __enter__(self) -> "MemoryTransaction":
        return self

    def __exit__(self, *error: object) -> None:
        if error[0] is None:
            self.commit()
        else:
            self.abort()


class MemoryTables:
    """The tables of the limits, see `limits.Tables`."""

    failure: type[Exception] = MemoryError

    def __init__(self, enter: Callable[[Record], object]) -> None:
        self.meters: MemoryTable = {}
        self.reservations: MemoryTable = {}
        self.incarnations: MemoryTable = {}
        self._enter = enter

    def write(self) -> MemoryTransaction:
        return MemoryTransaction()

    def read(self) -> MemoryTransaction:
        return MemoryTransaction()

    def scan(
        self, txn: MemoryTransaction, table: MemoryTable, start: bytes, most: int
    ) -> list[tuple[bytes, bytes]]:
        return list(islice(((key, table[key]) for key in sorted(table) if key >= start), most))

    def enter(self, txn: MemoryTransaction, record: Record) -> None:
        self._enter(record)
