"""Reservations at meters, over three tables of a store that has write transactions.

One implementation of `interface.Limits`, for LMDB and for its twin in memory: the tables and the
way to begin a transaction are given. What the stored bytes of a meter mean is for
`resilience.gauges`; here is who has reserved what.

* meters: `Gauge.key` -> the bytes of its kind;
* reservations: ticket (16 bytes: incarnation, number) -> how many holds, where the note begins, the
  holds (amount, length of the meter's blob, the blob), the note as an outbox value;
* incarnations: 8 random bytes -> which process that is.

All that a request holds is in its reservation, so whoever ends it needs nothing but the ticket:
the worker itself, or `reap` after the worker has died. A request whose holds all count when
admitted has nothing to give back, and so no reservation.
"""

import contextlib
import os
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from omniroute.record import Record
from omniroute.resilience.gauges import Gauge, Gauges
from omniroute.resilience.meters import Meter, Part, Reading, Refused
from omniroute.state import incarnation
from omniroute.state.interface import Hold, Refusal, StateError
from omniroute.state.layout import decode_record, encode_record

WORKER_LOST = "worker_lost"
LOST_STATUS = 499

_CUT = 16  # reservations, notes or meters to a transaction
_ALL = 1 << 20

_head = struct.Struct("<HI")
_hold = struct.Struct("<qH")
_pack_head, _pack_hold = _head.pack, _hold.pack

Table = TypeVar("Table")


class Transaction(Protocol):
    """What is asked of a transaction, in the words of lmdb's. Not committed, it never was."""

    def get(self, key: bytes, default: None = None, db: Any = None) -> bytes | None: ...
    def put(
        self,
        key: bytes,
        value: bytes,
        dupdata: bool = True,
        overwrite: bool = True,
        append: bool = False,
        db: Any = None,
    ) -> bool: ...
    def pop(self, key: bytes, db: Any = None) -> bytes | None: ...
    def delete(self, key: bytes, value: bytes = b"", db: Any = None) -> bool: ...
    def commit(self) -> None: ...
    def abort(self) -> None: ...
    def __enter__(self) -> "Transaction": ...
    def __exit__(self, *args: object) -> None: ...


class Tables(Protocol[Table]):
    """Where the tables are."""

    failure: type[Exception]  # what a transaction raises: no room, mostly

    @property
    def meters(self) -> Table: ...
    @property
    def reservations(self) -> Table: ...
    @property
    def incarnations(self) -> Table: ...

    def write(self) -> Transaction:
        """To be ended by its user, which commits unless an error passes."""

    def read(self) -> Transaction: ...

    def scan(self, txn: Any, table: Table, start: bytes, most: int) -> list[tuple[bytes, bytes]]:
        """The first rows from the key `start` on, in the order of keys."""

    def enter(self, txn: Any, record: Record) -> None:
        """Puts a record into the outbox and onto its usage counters."""


class TableLimits(Generic[Table]):
    """A `Limits` (see `interface`)."""

    def __init__(self, tables: Tables[Table]) -> None:
        self._tables = tables
        self._meters = tables.meters
        self._reservations = tables.reservations
        self._incarnations = tables.incarnations
        self._write = tables.write
        self._failure = tables.failure
        self._gauges = Gauges()
        # What this process has reserved by one `reserve`, so that it need not be read to settle it.
        self._own: dict[bytes, list[tuple[Gauge, int]]] = {}

    # --- processes ---

    def incarnate(self) -> bytes:
        name = os.urandom(incarnation.INCARNATION_BYTES)
        with self._writing("register this process") as txn:
            txn.put(name, incarnation.own(), db=self._incarnations)
        return name

    def is_alive(self, name: bytes) -> bool:
        with self._reading("look for a process") as txn:
            stored = txn.get(name, db=self._incarnations)
        return stored is not None and incarnation.is_alive(stored)

    # --- requests ---

    def reserve(
        self, ticket: bytes, holds: Sequence[Hold], note: Record, now_ms: int
    ) -> Refusal | None:
        kept: list[bytes] = []
        taken: list[tuple[Gauge, int]] = []
        try:
            txn = self._write()
            try:
                refusal = self._take(txn, holds, kept, taken, now_ms)
                if refusal is not None:
                    return refusal
                if kept:
                    row = _packed(kept, encode_record(note))
                    if not txn.put(ticket, row, True, False, False, self._reservations):
                        raise StateError("a ticket reserves once: exchange() adds to a reservation")
                txn.commit()
                if kept:
                    self._own[ticket] = taken
            finally:
                txn.abort()  # which undoes nothing that was committed
        except self._failure as error:
            raise StateError(f"cannot reserve in the shared state: {error}") from error
        return None

    def exchange(
        self, ticket: bytes, gone: Sequence[Hold], new: Sequence[Hold], note: Record, now_ms: int
    ) -> Refusal | None:
        self._own.pop(ticket, None)
        try:
            with self._write() as txn:
                stored = txn.get(ticket, db=self._reservations)
                kept = list(_holds(stored)) if stored is not None else []
                self._give_back(txn, gone, kept, now_ms)
                if (refusal := self._take(txn, new, kept, [], now_ms)) is not None:
                    txn.abort()
                    return refusal
                if kept:
                    packed = _packed(kept, encode_record(note))
                    txn.put(ticket, packed, db=self._reservations)
                elif stored is not None:
                    txn.delete(ticket, db=self._reservations)
        except self._failure as error:
            raise StateError(f"cannot reserve in the shared state: {error}") from error
        return None

    def _take(
        self,
        txn: Transaction,
        holds: Sequence[Hold],
        kept: list[bytes],
        taken: list[tuple[Gauge, int]],
        now_ms: int,
    ) -> Refusal | None:
        """Admits all, or says what did not fit, and then the transaction is to be aborted.

        What will have to be given back is added to `kept` and, as what it means, to `taken`.
        """
        meters, get, put, gauges = self._meters, txn.get, txn.put, self._gauges.of
        for hold in holds:
            amount = hold.amount
            gauge = gauges[hold.meter]
            key = gauge.key
            admitted = gauge.admit(get(key, None, meters), amount, now_ms)
            if isinstance(admitted, Refused):
                return Refusal(hold, admitted.used, admitted.reserved, admitted.wait_ms)
            put(key, admitted, True, True, False, meters)
            if gauge.reserves:
                kept.append(_held(gauge, amount))
                taken.append((gauge, amount))
        return None

    def _give_back(
        self, txn: Transaction, gone: Sequence[Hold], kept: list[bytes], now_ms: int
    ) -> None:
        for hold in gone:
            gauge = self._gauges.of[hold.meter]
            if not gauge.reserves:
                continue
            held = _held(gauge, hold.amount)
            if held not in kept:
                raise StateError(
                    f"{hold.amount} of {hold.meter.key} are not reserved under this ticket"
                )
            kept.remove(held)
            self._end(txn, gauge, hold.amount, 0, now_ms)

    def _end(self, txn: Transaction, gauge: Gauge, held: int, actual: int, now_ms: int) -> None:
        ended = gauge.settle(txn.get(gauge.key, db=self._meters), held, actual, now_ms)
        if ended is not None:
            txn.put(gauge.key, ended, db=self._meters)

    def settle_in(self, txn: Any, ticket: bytes, record: Record, now_ms: int) -> None:
        """The ticket's part of `State.settle`, within the transaction of its other parts."""
        held = self._own.pop(ticket, None)
        if held is None:
            stored = txn.pop(ticket, self._reservations)
            held = self._read(stored) if stored is not None else []
        elif not txn.delete(ticket, b"", self._reservations):
            return  # it was settled before
        meters, get, put = self._meters, txn.get, txn.put
        for gauge, amount in held:
            actual = gauge.measured(record)
            key = gauge.key
            ended = gauge.settle(
                get(key, None, meters), amount, actual if actual > 0 else 0, now_ms
            )
            if ended is not None:
                put(key, ended, True, True, False, meters)

    def _read(self, stored: bytes) -> list[tuple[Gauge, int]]:
        """The gauges and amounts of a reservation."""
        return [
            (self._gauges.of_blob(held[_hold.size :]), _hold.unpack_from(held)[0])
            for held in _holds(stored)
        ]

    def release(self, ticket: bytes, now_ms: int) -> None:
        with self._writing("give back a reservation") as txn:
            self._own.pop(ticket, None)
            stored = txn.pop(ticket, db=self._reservations)
            for gauge, amount in self._read(stored) if stored is not None else ():
                self._end(txn, gauge, amount, 0, now_ms)

    def note(self, notes: Sequence[tuple[bytes, Record]]) -> None:
        encoded = [(ticket, encode_record(record)) for ticket, record in notes]
        for start in range(0, len(encoded), _CUT):
            with self._writing("note how far requests are") as txn:
                for ticket, blob in encoded[start : start + _CUT]:
                    stored = txn.get(ticket, db=self._reservations)
                    if stored is None:
                        kept = _packed([], b"")
                    else:
                        kept = stored[: _head.unpack_from(stored)[1]]
                    txn.put(ticket, kept + blob, db=self._reservations)

    # --- meters ---

    def readings(self, meters: Sequence[Meter], now_ms: int) -> list[Reading]:
        with self._reading("read meters") as txn:
            return [
                gauge.read(txn.get(gauge.key, db=self._meters), now_ms)
                for gauge in map(self._gauges.of.__getitem__, meters)
            ]

    def unused(self, meters: Iterable[Meter]) -> list[Meter]:
        with self._reading("look for meters") as txn:
            return [
                meter
                for meter in meters
                if txn.get(self._gauges.of[meter].key, db=self._meters) is None
            ]

    def prime(self, used: Mapping[Meter, Sequence[Part]], now_ms: int) -> int:
        primed = 0
        rows = [
            (gauge.key, value)
            for gauge, parts in ((self._gauges.of[meter], parts) for meter, parts in used.items())
            if (value := gauge.prime(parts, now_ms)) is not None
        ]
        for start in range(0, len(rows), _CUT):
            with self._writing("prime meters") as txn:
                for key, value in rows[start : start + _CUT]:
                    primed += txn.put(key, value, True, False, db=self._meters)
        return primed

    def forget_others(self, meters: Iterable[Meter]) -> int:
        kept = {self._gauges.of[meter].key for meter in meters}
        with self._reading("look for meters") as txn:
            rows = self._tables.scan(txn, self._reservations, b"", _ALL)
            kept.update(gauge.key for _, stored in rows for gauge, _ in self._read(stored))
            stored_keys = [key for key, _ in self._tables.scan(txn, self._meters, b"", _ALL)]
        others = [key for key in stored_keys if key not in kept]
        for start in range(0, len(others), _CUT):
            with self._writing("forget meters") as txn:
                for key in others[start : start + _CUT]:
                    txn.delete(key, db=self._meters)
        return len(others)

    # --- the dead ---

    def reap(self, now_ms: int) -> list[Record]:
        lost: list[Record] = []
        for name in self._dead():
            while tickets := self._tickets_of(name):
                lost += self._reap(tickets, now_ms)
            with self._writing("forget a dead process") as txn:
                txn.delete(name, db=self._incarnations)
        return lost

    def _dead(self) -> list[bytes]:
        """Incarnations whose process is gone, and such as nobody has registered."""
        with self._reading("look for dead processes") as txn:
            known = dict(self._tables.scan(txn, self._incarnations, b"", _ALL))
            start = b""
            while rows := self._tables.scan(txn, self._reservations, start, 1):
                name = rows[0][0][: incarnation.INCARNATION_BYTES]
                known.setdefault(name, b"")
                start = name + b"\xff" * (incarnation.INCARNATION_BYTES + 1)
        return [name for name, process in known.items() if not incarnation.is_alive(process)]

    def _tickets_of(self, name: bytes) -> list[bytes]:
        with self._reading("look for reservations") as txn:
            rows = self._tables.scan(txn, self._reservations, name, _CUT)
        return [ticket for ticket, _ in rows if ticket.startswith(name)]

    def _reap(self, tickets: Sequence[bytes], now_ms: int) -> list[Record]:
        lost: list[Record] = []
        with self._writing("settle what a dead process left") as txn:
            for ticket in tickets:
                # Another reaper may have been here since the tickets were read.
                if (stored := txn.get(ticket, db=self._reservations)) is not None:
                    record = _lost(ticket, stored, now_ms)
                    self._tables.enter(txn, record)
                    self.settle_in(txn, ticket, record, now_ms)
                    lost.append(record)
        return lost

    # --- transactions ---

    @contextlib.contextmanager
    def _ended(self, begin: Callable[[], Transaction], what: str) -> Iterator[Transaction]:
        try:
            with begin() as txn:
                yield txn
        except self._failure as error:
            raise StateError(f"the shared state cannot {what}: {error}") from error

    def _writing(self, what: str) -> contextlib.AbstractContextManager[Transaction]:
        return self._ended(self._write, what)

    def _reading(self, what: str) -> contextlib.AbstractContextManager[Transaction]:
        return self._ended(self._tables.read, what)


def _held(gauge: Gauge, amount: int) -> bytes:
    """A hold as it is kept in a reservation."""
    blob = gauge.blob
    return _pack_hold(amount, len(blob)) + blob


def _packed(holds: Sequence[bytes], note: bytes) -> bytes:
    body = b"".join(holds)
    return _pack_head(len(holds), _head.size + len(body)) + body + note


def _holds(stored: bytes) -> Iterator[bytes]:
    """The holds of a reservation, each with its amount before the meter's blob."""
    count, _ = _head.unpack_from(stored)
    at = _head.size
    for _ in range(count):
        end = at + _hold.size + _hold.unpack_from(stored, at)[1]
        yield stored[at:end]
        at = end


def _lost(ticket: bytes, stored: bytes, now_ms: int) -> Record:
    """The record that a reservation leaves when its worker died."""
    try:
        note = decode_record(stored[_head.unpack_from(stored)[1] :])
    except msgspec.MsgspecError:  # of another version: what it holds is given back all the same
        note = Record(id=ticket.hex(), started_ms=now_ms)
    return msgspec.structs.replace(
        note,
        status=note.status or LOST_STATUS,
        outcome=WORKER_LOST,
        error=note.error or "the worker process ended",
    )
