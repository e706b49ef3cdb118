"""What the processes share, as one interface: `State`.

Who calls what:

* a worker opens the state, waits until `read_snapshot()` gives something, asks `versions()` on
  every request, reserves at `limits`, calls `settle` once when a request ends, and asks
  `in_place()` with its heartbeat;
* control is the only one that publishes, rebuilds, drains and forgets, and calls `sync()` every
  second and `reader_check()` after a child died.

Invariants every implementation keeps:

* `settle` puts the record into the outbox and adds it to the usage counters as one step: after a
  process was killed there are both or neither.
* A record leaves the outbox only by `forget`. What `drain` gives twice has the same key.
* No room never loses a counter, nor what a request used of a limit: the log record is dropped and
  counted in `dropped` instead.
* No call here waits for a disk save `sync` and `close`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol, TypeAlias

from msgspec import Struct

from omniroute.record import Record
from omniroute.resilience.meters import Meter, Part, Reading
from omniroute.state.answers import Answers

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


class Hold(Struct, frozen=True, gc=False):
    """What a request takes of one meter: an upper bound until it is settled."""

    meter: Meter
    amount: int


class Refusal(NamedTuple):
    """Why a reservation was not made. Nothing of it was."""

    hold: Hold  # the first that did not fit
    used: int
    reserved: int
    wait_ms: int | None  # when trying again may help; None: the amount is greater than the limit


class Limits(Protocol):
    """Reservations, over all workers of the machine. Every call is one short transaction.

    Invariant: at each meter used + reserved <= limit after every `reserve` and `exchange`, whatever
    other processes do and wherever one is killed. A ticket names the reservation of one request; it
    begins with the incarnation of its worker, so that a dead worker's can be found. What a ticket
    has reserved is kept under it, so giving back and settling need no more than the ticket, and
    doing either twice is doing it once.

    `reserve`, `exchange`, `release` and `note` raise `StateError` when there is no room: a limit
    that cannot be kept is not passed over.
    """

    def incarnate(self) -> bytes:
        """Registers this process; returns the 8 bytes with which its tickets begin."""

    def is_alive(self, incarnation: bytes) -> bool:
        """False once its process has ended, also after `reap` has forgotten it."""

    def reserve(
        self, ticket: bytes, holds: Sequence[Hold], note: Record, now_ms: int
    ) -> Refusal | None:
        """All of the holds or, with a refusal, none. `note`: the record if it were lost now.

        For a ticket that has reserved nothing yet; `exchange` adds to one that has.
        """

    def exchange(
        self, ticket: bytes, gone: Sequence[Hold], new: Sequence[Hold], note: Record, now_ms: int
    ) -> Refusal | None:
        """Gives some holds back and takes others, in one step; on a refusal all stays as it was.

        A request that falls back to another target gives back that of the first. What counts when
        admitted stays counted. With nothing left that is reserved, the reservation is gone, its
        note with it. Raises `StateError` for a hold that the ticket has not.
        """

    def release(self, ticket: bytes, now_ms: int) -> None:
        """Gives everything back: the request came to nothing that costs."""

    def note(self, notes: Sequence[tuple[bytes, Record]]) -> None:
        """How far running requests are, as the records they would leave if they were lost now.

        For tickets with and without reservation, only of requests that still run: a note for one
        without makes an empty reservation, which `State.settle` or `release` must end.
        """

    def readings(self, meters: Sequence[Meter], now_ms: int) -> list[Reading]:
        """The meters as they are; zeros for what was never used."""

    def unused(self, meters: Iterable[Meter]) -> list[Meter]:
        """Those of the meters that nothing is known of, neither by use nor by `prime`."""

    def prime(self, used: Mapping[Meter, Sequence[Part]], now_ms: int) -> int:
        """Sets meters that were never used to what the history says; returns how many."""

    def forget_others(self, meters: Iterable[Meter]) -> int:
        """Removes meters that are not among these and that no request holds; returns how many.

        What was used while a limit was not set is unknown to its meter; gone, it can be primed.
        """

    def reap(self, now_ms: int) -> list[Record]:
        """Settles what dead processes left: their last notes become records `worker_lost`.

        Record, counters and meters in one step for each, as in `State.settle`. For control.
        """


class Conditions(Protocol):
    """What is known of providers, accounts and models beside the configuration: cooldowns,
    lockouts, breakers, reported quotas. A small table, read whole by whoever sees its version move.

    Keys are text: kind, ":", subject ("cooldown:acme/main", "breaker:acme"). Values belong to
    `resilience`, whose functions decide on them.
    """

    def version(self) -> int:
        """Grows with each change."""

    def read(self) -> tuple[int, dict[str, bytes]]:
        """The version and the whole table, of one moment."""

    def change(self, key: str, decide: Callable[[bytes | None], bytes | None]) -> bytes | None:
        """Replaces a value by what `decide` makes of it (None: none), as one step; returns it.

        The version moves only when the value changed. `decide` must be quick: all processes wait.
        """

    def clear(self, prefix: str = "") -> int:
        """Removes all whose key begins so; returns how many there were."""


class Sessions(Protocol):
    """Which account a conversation stays with."""

    def account(self, session: bytes, now_ms: int) -> str | None:
        """The connection's id; None when none is kept or it rested longer than its time."""

    def is_empty(self) -> bool:
        """Is none kept at all? Those whose time is over count until they are forgotten."""

    def keep(self, session: bytes, connection: str, until_ms: int) -> None: ...

    def forget(self, now_ms: int) -> int:
        """Removes those whose time is over, in short steps; returns how many."""


class State(Protocol):
    """See the module's text for who calls what and for the invariants."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person should know about how the state was opened; empty when all is well."""

    @property
    def needs_rebuild(self) -> bool:
        """True for a freshly created state, until `rebuild` has filled its counters."""

    @property
    def limits(self) -> Limits: ...

    @property
    def conditions(self) -> Conditions: ...

    @property
    def sessions(self) -> Sessions: ...

    @property
    def answers(self) -> Answers: ...

    def versions(self) -> tuple[int, int]:
        """`snapshot_version()` and `conditions.version()`, by one look: asked on every request."""

    def snapshot_version(self) -> int:
        """0 before the first snapshot; grows by one with each that is published."""

    def read_snapshot(self) -> bytes | None:
        """The published snapshot; None before the first."""

    def publish_snapshot(self, blob: bytes) -> int:
        """Replaces the snapshot; returns its version.

        Raises `StateError` while `needs_rebuild`: workers start on a snapshot and must not meet
        counters that know nothing of the past.
        """

    def settle(self, record: Record, ticket: bytes = b"", now_ms: int = 0) -> bool:
        """Record into the outbox, onto the counters of its key and UTC day, and what its ticket has
        reserved settled to what the record says (`meters.measure`), the ticket forgotten: in one
        step. `now_ms` matters with a ticket only.

        False when there was no room for the log record: it is lost and counted, its counters and
        meters are not.
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
