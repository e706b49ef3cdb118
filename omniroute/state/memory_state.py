"""The shared state in the memory of one process: for tests of the data plane, no files, no lmdb.

Keeps the invariants of `State` with plain dictionaries. Nothing survives it, nothing is shared.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from itertools import islice

from omniroute.record import Record
from omniroute.state import layout
from omniroute.state.interface import (
    MAP_FULL,
    StateError,
    StateStats,
    UsageRow,
    UsageTotals,
)
from omniroute.state.limits import TableLimits
from omniroute.state.memory_answers import MemoryAnswers
from omniroute.state.memory_conditions import MemoryConditions
from omniroute.state.memory_sessions import MemorySessions
from omniroute.state.memory_tables import MemoryTable, MemoryTables


class MemoryState:
    """A `State`. `outbox_limit` records fit into the outbox; then records are dropped, counted."""

    def __init__(
        self,
        *,
        outbox_limit: int = 1_000_000,
        needs_rebuild: bool = False,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._keys = layout.OutboxKeys(clock_ns)
        self._usage_keys = layout.UsageKeys()
        self._limit = outbox_limit
        self._needs_rebuild = needs_rebuild
        self._version = 0
        self._snapshot: bytes | None = None
        self._outbox: OrderedDict[bytes, bytes] = OrderedDict()
        self._usage: dict[bytes, bytes] = {}
        self._dropped: dict[str, int] = {}
        self._tables = MemoryTables(self._enter)
        self.limits: TableLimits[MemoryTable] = TableLimits(self._tables)
        self.conditions = MemoryConditions()
        self.sessions = MemorySessions()
        self.answers = MemoryAnswers(alive=self.limits.is_alive)

    @property
    def warnings(self) -> tuple[str, ...]:
        return ()

    @property
    def needs_rebuild(self) -> bool:
        return self._needs_rebuild

    def versions(self) -> tuple[int, int]:
        return self._version, self.conditions.version()

    def snapshot_version(self) -> int:
        return self._version

    def read_snapshot(self) -> bytes | None:
        return self._snapshot

    def publish_snapshot(self, blob: bytes) -> int:
        if self._needs_rebuild:
            raise StateError("the usage counters have not been rebuilt yet: call rebuild() first")
        self._snapshot = bytes(blob)
        self._version += 1
        return self._version

    def settle(self, record: Record, ticket: bytes = b"", now_ms: int = 0) -> bool:
        if ticket:
            with self._tables.write() as txn:
                self.limits.settle_in(txn, ticket, record, now_ms)
        return self._enter(record)

    def _enter(self, record: Record) -> bool:
        key = self._usage_keys.of(record)
        self._usage[key] = layout.add_record(self._usage.get(key), record)
        if len(self._outbox) >= self._limit:
            self.count_drop(MAP_FULL)
            return False
        self._outbox[self._keys.next()] = layout.encode_record(record)
        return True

    def drain(self, limit: int) -> list[tuple[bytes, bytes]]:
        return list(islice(self._outbox.items(), limit))

    def forget(self, keys: Sequence[bytes]) -> int:
        return sum(self._outbox.pop(key, None) is not None for key in keys)

    def usage(self, key_id: str, day: int) -> UsageTotals:
        stored = self._usage.get(layout.usage_key(key_id, day))
        return UsageTotals() if stored is None else layout.unpack_counts(stored)

    def all_usage(self) -> dict[tuple[str, int], UsageTotals]:
        return {
            layout.split_usage_key(key): layout.unpack_counts(stored)
            for key, stored in self._usage.items()
        }

    def forget_usage(self, before_day: int) -> int:
        old = [key for key in self._usage if layout.split_usage_key(key)[1] < before_day]
        for key in old:
            del self._usage[key]
        return len(old)

    def rebuild(self, totals: Iterable[UsageRow]) -> None:
        self._usage = {
            layout.usage_key(key_id, day): layout.pack_counts(counts)
            for key_id, day, counts in totals
        }
        self._needs_rebuild = False

    def count_drop(self, reason: str, records: int = 1) -> None:
        self._dropped[reason] = self._dropped.get(reason, 0) + records

    def sync(self) -> None:
        """Nothing to do: there is no disk."""

    def reader_check(self) -> int:
        return 0

    def in_place(self) -> bool:
        return True

    def stats(self) -> StateStats:
        used_bytes = sum(map(len, self._outbox.values()))
        return StateStats(
            map_bytes=0,
            used_bytes=used_bytes,
            outbox_records=len(self._outbox),
            outbox_bytes=used_bytes,
            outbox_limit_bytes=0,
            dropped=dict(self._dropped),
            owed=0,
            snapshot_version=self._version,
            readers=0,
            preallocated=False,
        )

    def close(self) -> None:
        """Nothing to release."""
