"""The shared state in LMDB: one memory-mapped file, used by control and every worker.

The rules, and why:

* Every write is one short transaction, inline: begin, work, commit. The write lock of LMDB stops
  all processes, so work on many entries is cut into transactions of `_CUT` of them (far below a
  millisecond each).
* No sync at commit: the death of a process loses nothing, as the kernel keeps the pages; the loss
  of power loses what came after the last `sync()`, which control calls every second. Since LMDB
  gives no order of writes then, a file that a crash of the machine has left is verified before it
  is used (`lmdb.verify`, which reads it without mapping it).
* The file is mapped writable (3 times faster) only with all its blocks allocated; otherwise a full
  disk were a bus error. Where that fails, LMDB writes by system calls, and `warnings` says so.
* The outbox may fill `_OUTBOX_SHARE` of the map. What is beyond is dropped and counted; the rest is
  kept for counters. Should even that not do (a full disk, a stuck reader), counters wait in memory,
  and go in with the next transaction that succeeds.
* A read transaction keeps every page that is copied while it lasts, about six for each settled
  record: a map of 16 MiB is used up after some 700 of them, one of 256 MiB after some 10 000. Then
  records are dropped although the outbox is nearly empty. So reads are short, small maps are for
  tests, and `reader_check` must follow every death of a process.
* Even removing needs free pages, as LMDB copies what it changes. So a reserve of pages lies in a
  database of its own; `forget` gives it up when it finds no room, and puts it back later. Meanwhile
  the outbox takes no records, so that what is freed is not used up at once.
"""

import contextlib
import errno
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import lmdb

from omniroute.record import Record
from omniroute.state import files, layout
from omniroute.state.interface import (
    DISK_FULL,
    MAP_FULL,
    StateError,
    StateStats,
    UsageRow,
    UsageTotals,
)
from omniroute.state.limits import TableLimits
from omniroute.state.lmdb_answers import LmdbAnswers
from omniroute.state.lmdb_conditions import CONDITIONS_VERSION, LmdbConditions
from omniroute.state.lmdb_opening import DATABASES, RESERVE, Opened, open_files, reserve
from omniroute.state.lmdb_sessions import LmdbSessions

if TYPE_CHECKING:
    from lmdb import Transaction, _Database

    _Txn: TypeAlias = Transaction[bytes]

_CUT = 256
_OUTBOX_SHARE = 0.4
_ANSWERS_SHARE = 0.45  # what is left is for limits, counters and what readers keep
_OUTBOX_LOOK_EVERY = 64  # settles; looking costs a quarter of one

# LMDB reports a write that the file system cut short as EIO.
_DISK_FULL_CODES = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO))

_REBUILT = b"rebuilt"
_VERSION = b"snapshot_version"
_SNAPSHOT = b"current"


def open_state(
    directory: Path,
    *,
    map_bytes: int,
    create: bool,
    repair: bool = False,
    clock_ns: Callable[[], int] = time.time_ns,
) -> "LmdbState":
    """Opens the state in `directory`, whose parent exists.

    `create` (control): makes it where it is missing; such a state has `needs_rebuild`. Whoever
    opens it while nobody else does gives it the size `map_bytes`; others follow those inside.
    `repair` (control, at its start): what is broken is moved aside as `<name>.damaged-<time>`, told
    in `warnings`, and a new one is made. A large map is slow to allocate on some file systems.

    Raises `StateMissing` (try again), `StateDamaged` (what, and how to recover) or `StateError`.
    """
    opened = open_files(directory, map_bytes=map_bytes, create=create, repair=repair)
    return LmdbState(directory, opened, clock_ns)


class LmdbState:
    """A `State` (see `interface`), opened by `open_state`."""

    def __init__(
        self,
        directory: Path,
        opened: Opened,
        clock_ns: Callable[[], int],
    ) -> None:
        environment, databases, mapping, use, warnings = opened
        self._directory = directory
        self._environment = environment
        self._meta = databases[b"meta"]
        self._snapshot = databases[b"snapshot"]
        self._outbox = databases[b"outbox"]
        self._usage = databases[b"usage"]
        self._drops = databases[b"drops"]
        self._reserve = databases[b"reserve"]
        self._mapping = mapping
        self._use = use
        self._warnings = warnings
        self._keys = layout.OutboxKeys(clock_ns)
        self._usage_keys = layout.UsageKeys()
        self._file_id = _file_id(directory)
        self._databases = databases
        self._outbox_limit_bytes = int(mapping.map_bytes * _OUTBOX_SHARE)
        self._outbox_open = True
        self._look_in = 0
        self._owed_counts: dict[bytes, UsageTotals] = {}
        self._owed_drops: dict[str, int] = {}
        self._owed_tickets: list[tuple[bytes, Record, int]] = []
        self._closed = False
        self.limits = TableLimits(_LimitTables(environment, databases, self._enter))
        self._conditions = databases[b"conditions"]
        self._seen = b"", b""
        self._versions = 0, 0
        self.conditions = LmdbConditions(environment, self._conditions)
        self.sessions = LmdbSessions(environment, databases[b"sessions"])
        self.answers = LmdbAnswers(
            environment,
            databases[b"answers"],
            ceiling_bytes=int(mapping.map_bytes * _ANSWERS_SHARE),
            alive=self.limits.is_alive,
        )

    @property
    def warnings(self) -> tuple[str, ...]:
        return self._warnings

    # --- snapshot ---

    @property
    def needs_rebuild(self) -> bool:
        with self._environment.begin(self._meta) as txn:
            return txn.get(_REBUILT) is None

    def versions(self) -> tuple[int, int]:
        txn = self._environment.begin()
        snapshot = txn.get(_VERSION, b"", self._meta)
        conditions = txn.get(CONDITIONS_VERSION, b"", self._conditions)
        txn.abort()
        # They are nearly always those of the last look, and then no numbers are made of them.
        if (snapshot, conditions) != self._seen:
            self._seen = (snapshot, conditions)
            self._versions = int.from_bytes(snapshot, "big"), int.from_bytes(conditions, "big")
        return self._versions

    def snapshot_version(self) -> int:
        with self._environment.begin(self._meta) as txn:
            return int.from_bytes(txn.get(_VERSION, b""), "big")

    def read_snapshot(self) -> bytes | None:
        with self._environment.begin(self._snapshot) as txn:
            return txn.get(_SNAPSHOT)

    def publish_snapshot(self, blob: bytes) -> int:
        with self._writing("publish the snapshot") as txn:
            if txn.get(_REBUILT, db=self._meta) is None:
                raise StateError(
                    "the usage counters have not been rebuilt yet: call rebuild() first"
                )
            version = int.from_bytes(txn.get(_VERSION, b"", db=self._meta), "big") + 1
            txn.put(_SNAPSHOT, blob, db=self._snapshot)
            txn.put(_VERSION, version.to_bytes(8, "big"), db=self._meta)
        return version

    # --- records and counters ---

    def settle(self, record: Record, ticket: bytes = b"", now_ms: int = 0) -> bool:
        blob = layout.encode_record(record)
        try:
            txn = self._environment.begin(write=True)
            try:
                kept = self._enter(txn, record, blob)
                if ticket:
                    self.limits.settle_in(txn, ticket, record, now_ms)
                if self._owed_drops:  # whoever owes counters owes a drop, too
                    self._pay(txn)
                txn.commit()
            finally:
                txn.abort()  # which undoes nothing that was committed
        except lmdb.Error as error:
            if reason := _no_room(error):
                self._look_in = 0
                if ticket:
                    self._owed_tickets.append((ticket, record, now_ms))
                self._owe(self._usage_keys.of(record), layout.record_counts(record), reason)
                return False
            raise StateError(f"cannot settle a request in the shared state: {error}") from error
        if self._owed_drops:
            self._forget_owed()
        return kept

    def _enter(self, txn: "_Txn", record: Record, blob: bytes) -> bool:
        """Into the outbox, or else among the drops, and onto the counters."""
        self._look_in -= 1
        if self._look_in < 0:
            self._look_at_outbox(txn)
        if kept := self._outbox_open:
            while not txn.put(self._keys.next(), blob, True, False, False, self._outbox):
                """Another process made this very key; the next one is free."""
        else:
            self._add_drops(txn, MAP_FULL, 1)
        usage_key = self._usage_keys.of(record)
        usage = self._usage
        counted = layout.add_record(txn.get(usage_key, None, usage), record)
        txn.put(usage_key, counted, True, True, False, usage)
        return kept

    def _look_at_outbox(self, txn: "_Txn") -> None:
        self._outbox_open = (
            _bytes_of(txn, self._outbox) < self._outbox_limit_bytes
            and txn.stat(self._reserve)["entries"] > 0
        )
        # Closed: look each time, since the drain makes room at any moment.
        self._look_in = _OUTBOX_LOOK_EVERY if self._outbox_open else 0

    def _owe(self, usage_key: bytes, counts: UsageTotals, reason: str) -> None:
        owed = self._owed_counts.get(usage_key, UsageTotals())
        self._owed_counts[usage_key] = UsageTotals(*map(int.__add__, owed, counts))
        self._owed_drops[reason] = self._owed_drops.get(reason, 0) + 1
        self._try_to_pay()

    def _try_to_pay(self) -> None:
        """Counters alone need less room than counters and a record."""
        try:
            with self._environment.begin(write=True) as txn:
                self._pay(txn)
        except lmdb.Error as error:
            if _no_room(error):
                return  # stays owed, and is told by stats()
            raise StateError(f"cannot count a request in the shared state: {error}") from error
        self._forget_owed()

    def _pay(self, txn: "_Txn") -> None:
        for usage_key, counts in self._owed_counts.items():
            stored = txn.get(usage_key, db=self._usage)
            txn.put(usage_key, layout.add_counts(stored, counts), db=self._usage)
        for reason, records in self._owed_drops.items():
            self._add_drops(txn, reason, records)
        for ticket, record, now_ms in self._owed_tickets:
            self.limits.settle_in(txn, ticket, record, now_ms)

    def _forget_owed(self) -> None:
        self._owed_counts.clear()
        self._owed_drops.clear()
        self._owed_tickets.clear()

    def _add_drops(self, txn: "_Txn", reason: str, records: int) -> None:
        key = reason.encode()
        count = int.from_bytes(txn.get(key, b"", db=self._drops), "big") + records
        txn.put(key, count.to_bytes(8, "big"), db=self._drops)

    def count_drop(self, reason: str, records: int = 1) -> None:
        with self._writing("count lost records") as txn:
            self._add_drops(txn, reason, records)

    def drain(self, limit: int) -> list[tuple[bytes, bytes]]:
        with self._reading("read the outbox") as txn:
            return list(islice(txn.cursor(self._outbox), limit))

    def forget(self, keys: Sequence[bytes]) -> int:
        forgotten, start, cut = 0, 0, _CUT
        while start < len(keys):
            try:
                with self._environment.begin(write=True) as txn:
                    gone = sum(
                        txn.delete(key, db=self._outbox) for key in keys[start : start + cut]
                    )
            except lmdb.Error as error:
                if _no_room(error) and (cut > 1 or self._give_up_reserve()):
                    cut = max(1, cut // 4)
                    continue
                raise StateError(
                    f"the shared state cannot remove records from the outbox: {error}"
                ) from error
            forgotten += gone
            start += cut
        self._restore_reserve()
        return forgotten

    def _give_up_reserve(self) -> bool:
        """Its pages become free with the second transaction from here."""
        with self._writing("give up its reserve") as txn:
            return txn.delete(RESERVE, db=self._reserve)

    def _restore_reserve(self) -> None:
        with self._reading("look for its reserve") as txn:
            if txn.stat(self._reserve)["entries"]:
                return
        try:
            with self._environment.begin(write=True) as txn:
                txn.put(RESERVE, reserve(self._mapping.map_bytes), db=self._reserve)
        except lmdb.Error as error:
            if not _no_room(error):  # else the next `forget` tries again
                raise StateError(f"the shared state cannot keep a reserve: {error}") from error

    def usage(self, key_id: str, day: int) -> UsageTotals:
        key = layout.usage_key(key_id, day)
        with self._reading("read a counter") as txn:
            stored = txn.get(key, db=self._usage)
        counts = UsageTotals() if stored is None else layout.unpack_counts(stored)
        if owed := self._owed_counts.get(key):
            counts = UsageTotals(*map(int.__add__, counts, owed))
        return counts

    def all_usage(self) -> dict[tuple[str, int], UsageTotals]:
        with self._reading("read the counters") as txn:
            return {
                layout.split_usage_key(key): layout.unpack_counts(stored)
                for key, stored in txn.cursor(self._usage)
            }

    def forget_usage(self, before_day: int) -> int:
        end = layout.usage_key("", before_day)
        forgotten = 0
        while True:
            with self._writing("remove old counters") as txn:
                cursor = txn.cursor(self._usage).iternext(keys=True, values=False)
                old = [key for key in islice(cursor, _CUT) if key < end]
                for key in old:
                    forgotten += txn.delete(key, db=self._usage)
            if len(old) < _CUT:
                return forgotten

    def rebuild(self, totals: Iterable[UsageRow]) -> None:
        with self._writing("empty the counters") as txn:
            txn.delete(_REBUILT, db=self._meta)
            txn.drop(self._usage, delete=False)
        rows = iter(totals)
        while batch := list(islice(rows, _CUT)):
            with self._writing("rebuild the counters") as txn:
                for key_id, day, counts in batch:
                    key = layout.usage_key(key_id, day)
                    txn.put(key, layout.pack_counts(counts), db=self._usage)
        with self._writing("finish the rebuild") as txn:
            txn.put(_REBUILT, b"1", db=self._meta)

    # --- upkeep ---

    def sync(self) -> None:
        try:
            self._environment.sync(True)
        except lmdb.Error as error:
            raise StateError(f"cannot save the shared state to disk: {error}") from error

    def reader_check(self) -> int:
        return self._environment.reader_check()

    def in_place(self) -> bool:
        try:
            return _file_id(self._directory) == self._file_id
        except OSError:
            return False

    def stats(self) -> StateStats:
        with self._reading("read its figures") as txn:
            outbox_bytes = _bytes_of(txn, self._outbox)
            others = [None, *(self._databases[name] for name in DATABASES if name != b"outbox")]
            dropped = {
                key.decode(): int.from_bytes(count, "big") for key, count in txn.cursor(self._drops)
            }
            records = txn.stat(self._outbox)["entries"]
            used_bytes = outbox_bytes + sum(_bytes_of(txn, database) for database in others)
            version = int.from_bytes(txn.get(_VERSION, b"", db=self._meta), "big")
        for reason, owed in self._owed_drops.items():
            dropped[reason] = dropped.get(reason, 0) + owed
        return StateStats(
            map_bytes=self._mapping.map_bytes,
            used_bytes=used_bytes,
            outbox_records=records,
            outbox_bytes=outbox_bytes,
            outbox_limit_bytes=self._outbox_limit_bytes,
            dropped=dropped,
            owed=len(self._owed_counts),
            snapshot_version=version,
            readers=self._environment.info()["num_readers"],
            preallocated=self._mapping.writemap,
        )

    def close(self) -> None:
        """Pays what is owed, saves to disk when nobody else is left, and lets go. Idempotent."""
        if self._closed:
            return
        self._closed = True
        try:
            if self._owed_drops:
                self._try_to_pay()
            if self.in_place():  # else a gate of this name is that of another state
                with files.hold_gate(self._directory) as gate:
                    if self._use.last():
                        self.sync()
                        gate.write(None)
                    self._environment.close()
                    self._use.release()
        finally:
            self._environment.close()
            self._use.release()

    @contextlib.contextmanager
    def _writing(self, what: str) -> Iterator["_Txn"]:
        try:
            with self._environment.begin(write=True) as txn:
                yield txn
        except lmdb.Error as error:
            raise StateError(f"the shared state cannot {what}: {error}") from error

    @contextlib.contextmanager
    def _reading(self, what: str) -> Iterator["_Txn"]:
        try:
            with self._environment.begin() as txn:
                yield txn
        except lmdb.Error as error:
            raise StateError(f"the shared state cannot {what}: {error}") from error


class _LimitTables:
    """The tables of the limits, see `limits.Tables`."""

    failure: type[Exception] = lmdb.Error

    def __init__(
        self,
        environment: lmdb.Environment,
        databases: "dict[bytes, _Database]",
        enter: "Callable[[_Txn, Record, bytes], bool]",
    ) -> None:
        self.meters = databases[b"meters"]
        self.reservations = databases[b"reservations"]
        self.incarnations = databases[b"incarnations"]
        self.write: Callable[[], _Txn] = partial(environment.begin, write=True)
        self.read: Callable[[], _Txn] = environment.begin
        self._enter = enter

    def scan(
        self, txn: "_Txn", table: "_Database", start: bytes, most: int
    ) -> list[tuple[bytes, bytes]]:
        cursor = txn.cursor(table)
        found = cursor.set_range(start) if start else cursor.first()
        return list(islice(cursor.iternext(), most)) if found else []

    def enter(self, txn: "_Txn", record: Record) -> None:
        self._enter(txn, record, layout.encode_record(record))


def _file_id(directory: Path) -> tuple[int, int]:
    stat = os.stat(files.data_file(directory))
    return stat.st_dev, stat.st_ino


def _no_room(error: lmdb.Error) -> str:
    """The reason under which a record is counted as dropped; "" for errors of other kinds."""
    if isinstance(error, lmdb.MapFullError):
        return MAP_FULL
    return DISK_FULL if error.code in _DISK_FULL_CODES else ""


def _bytes_of(txn: "_Txn", database: "_Database | None") -> int:
    figures = txn.stat(database) if database is not None else txn.stat()
    pages = figures["branch_pages"] + figures["leaf_pages"] + figures["overflow_pages"]
    return pages * figures["psize"]
