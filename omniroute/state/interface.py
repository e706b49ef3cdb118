"""What the processes share, as one interface: `State`.

Who calls what:

* a worker opens the state, waits until `read_snapshot()` gives something, asks
  `snapshot_version()` on every request, calls `settle(record)` once when a request ends, and asks
  `in_place()` with its heartbeat;
* control is the only one that publishes, rebuilds, drains and forgets, and calls `sync()` every
  second and `reader_check()` after a child died.

Invariants every implementation keeps:

* `settle` puts the record into the outbox and adds it to the usage counters as one step: after a
  process was killed there are both or neither.
* A record leaves the outbox only by `forget`. What `drain` gives twice has the same key.
* No room never loses a counter: the log record is dropped and counted in `dropped` instead.
* No call here waits for a disk save `sync` and `close`.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol, TypeAlias

from omniroute.record import Record

MAP_FULL = "map_full"
DISK_FULL = "disk_full"
"""Reasons in `StateStats.dropped`."""


class StateError(Exception):
    """The shared state cannot be used; the message says what is wrong and what helps."""


class StateMissing(StateError):
    """Nothing has been created yet: control will do so, a worker tries again shortly."""


class StateDamaged(StateError):
    """The file is not a state of ours, or a broken one; control replaces it with `repair=True`."""


class UsageTotals(NamedTuple):
    """What one key used in one UTC day. The order is that of the stored counters."""

    requests: int = 0
    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    cost_microusd: int = 0


UsageRow: TypeAlias = tuple[str, int, Sequence[int]]
"""Key id, UTC day (days since 1970-01-01), the seven numbers of `UsageTotals` in their order."""


class StateStats(NamedTuple):
    """The state at one moment, for status pages and metrics."""

    map_bytes: int
    used_bytes: int  # live pages; what is free inside the map is not counted
    outbox_records: int
    outbox_bytes: int
    outbox_limit_bytes: int  # beyond this, records are dropped so that counters keep their room
    dropped: dict[str, int]  # records lost since the state was created, by reason
    owed: int  # counter updates this process still holds back for want of room
    snapshot_version: int
    readers: int
    preallocated: bool


class State(Protocol):
    """See the module's text for who calls what and for the invariants."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person should know about how the state was opened; empty when all is well."""

    @property
    def needs_rebuild(self) -> bool:
        """True for a freshly created state, until `rebuild` has filled its counters."""

    def snapshot_version(self) -> int:
        """0 before the first snapshot; grows by one with each that is published."""

    def read_snapshot(self) -> bytes | None:
        """The published snapshot; None before the first."""

    def publish_snapshot(self, blob: bytes) -> int:
        """Replaces the snapshot; returns its version.

        Raises `StateError` while `needs_rebuild`: workers start on a snapshot and must not meet
        counters that know nothing of the past.
        """

    def settle(self, record: Record) -> bool:
        """Record into the outbox and onto the counters of its key and UTC day, in one step.

        False when there was no room for the log record: it is lost and counted, its counters not.
        """

    def drain(self, limit: int) -> list[tuple[bytes, bytes]]:
        """The oldest `limit` outbox entries (key, encoded record), which stay until `forget`."""

    def forget(self, keys: Sequence[bytes]) -> int:
        """Removes outbox entries; returns how many were there."""

    def usage(self, key_id: str, day: int) -> UsageTotals:
        """The counters of a key and UTC day; zeros when it used nothing."""

    def all_usage(self) -> dict[tuple[str, int], UsageTotals]:
        """Every counter, by key id and day."""

    def forget_usage(self, before_day: int) -> int:
        """Removes the counters of days before `before_day`; returns how many there were."""

    def rebuild(self, totals: Iterable[UsageRow]) -> None:
        """Replaces all counters by `totals` and ends `needs_rebuild`.

        For the time before the first snapshot, when nobody settles. May be repeated after a crash.
        """

    def count_drop(self, reason: str, records: int = 1) -> None:
        """Counts records that were lost for a reason found outside, as by the drain."""

    def sync(self) -> None:
        """Everything settled so far to disk. Blocks; for a thread of control."""

    def reader_check(self) -> int:
        """Frees what dead readers held; returns how many there were."""

    def in_place(self) -> bool:
        """False once the files of this open state were deleted or replaced: open it anew."""

    def stats(self) -> StateStats: ...

    def close(self) -> None: ...
