"""The drain: finished requests from the outbox in shared memory into the history in SQLite.

One step is: read a batch, insert and commit it, then forget it. Killed between any two, the next
drain reads what was not forgotten again, and the history ignores ids it has: nothing is lost and
nothing doubled. A failure leaves the batch in the outbox, is told in `DrainStatus`, and the caller
tries again after a while; meanwhile workers go on filling the outbox.

Blocking calls: for a thread. One drain at a time.
"""

import logging
from collections.abc import Sequence
from typing import Protocol

import msgspec

from omniroute.record import Record
from omniroute.state.interface import State, StateError
from omniroute.state.layout import decode_record
from omniroute.store.interface import StoreError

_log = logging.getLogger("omniroute.control")

BATCH = 1_000
UNREADABLE = "unreadable"


class History(Protocol):
    """What the drain needs of the store."""

    def insert_records(self, records: Sequence[Record]) -> int:
        """All or none; returns how many were new. Raises `StoreError`."""


class DrainStatus(msgspec.Struct):
    """How the drain is doing, for people. Lives as long as the process."""

    moved: int = 0  # records that left the outbox for the history
    unreadable: int = 0  # entries that were no records, and were thrown away
    failures: int = 0  # in a row; 0 when the last try worked
    problem: str = ""  # why the last try failed; empty when it worked
    beyond: int = 0  # moved records of requests that cost more than had been reserved
    beyond_microusd: int = 0  # how much more


def drain_once(state: State, store: History, batch: int, status: DrainStatus) -> int:
    """Moves up to `batch` records; returns how many entries left the outbox.

    0 means: nothing there, or a failure, which `status.problem` tells. A result of `batch` means
    there may be more.
    """
    try:
        gone = _drain(state, store, batch, status)
    except (StoreError, StateError) as error:
        status.failures += 1
        status.problem = str(error)
        return 0
    status.failures = 0
    status.problem = ""
    return gone


def _drain(state: State, store: History, batch: int, status: DrainStatus) -> int:
    entries = state.drain(batch)
    records: list[Record] = []
    unreadable: list[bytes] = []
    for key, blob in entries:
        try:
            records.append(decode_record(blob))
        except msgspec.MsgspecError:
            unreadable.append(key)
    store.insert_records(records)
    if unreadable:
        # One that can never be read would stop all behind it.
        state.forget(unreadable)
        state.count_drop(UNREADABLE, len(unreadable))
        status.unreadable += len(unreadable)
    dropped = set(unreadable)
    state.forget([key for key, _ in entries if key not in dropped])
    status.moved += len(records)
    for record in records:
        if record.beyond_microusd > 0:
            _tell_beyond(record, status)
    return len(entries)


def _tell_beyond(record: Record, status: DrainStatus) -> None:
    """The one way in which a limit can be passed is never passed over in silence."""
    status.beyond += 1
    status.beyond_microusd += record.beyond_microusd
    _log.error(
        "request %s at %s cost %d micro-USD more than its upper bound; its limits count it all",
        record.id,
        record.connection,
        record.beyond_microusd,
    )
