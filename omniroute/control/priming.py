"""Meters that nothing is known of yet get what the history says, before anybody can use them.

That is so when the shared state was lost, and when a limit appears in the configuration. The caller
primes before it publishes the snapshot that has the meter. What requests under way at that moment
will cost is not known to a meter that is new: they were admitted without it.

Sums come in spans of time, and each counts as used at the end of its span, so a meter is never
primed with less than was used in its window; it may be with up to one span more.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Final, NamedTuple, Protocol

from omniroute.record import Record
from omniroute.resilience.gauges import gauge
from omniroute.resilience.meters import Measure, Meter, Part, measure
from omniroute.snapshot import Snapshot
from omniroute.state.interface import State
from omniroute.store.interface import UsedRow

LONG_SPAN_MS: Final = 300_000
SHORT_SPAN_MS: Final = 1_000
SHORT_MS: Final = 3_600_000
"""What reaches back further than this is summed in long spans."""


class Owner(NamedTuple):
    """Whose requests a meter counts: those with this value in this field of their records."""

    field: str
    name: str


class Past(Protocol):
    """What is asked of the history."""

    def used_since(self, since_ms: int, span_ms: int) -> Iterator[UsedRow]: ...

    def left_over(self) -> list[Record]:
        """Finished requests that the history has not got yet."""


_COUNTS: Final[Mapping[Measure, Callable[[UsedRow], int]]] = {
    "requests": lambda row: row.requests,
    "tokens": lambda row: row.tokens,
    "usd": lambda row: row.cost_microusd,
}


def owners_of(snapshot: Snapshot) -> dict[Meter, Owner]:
    """Every meter of the configuration and whose it is."""
    owners: dict[Meter, Owner] = {}
    for key in snapshot.keys:
        owners.update((meter, Owner("key_id", key.id)) for meter in key.meters)
    for connection in snapshot.connections:
        owners.update((meter, Owner("connection", connection.id)) for meter in connection.meters)
    for budget in snapshot.budgets:
        owner = Owner("tier", budget.tier) if budget.tier else Owner("provider", budget.provider)
        owners[budget.meter] = owner
    return owners


def prime(
    state: State,
    snapshot: Snapshot,
    before: Snapshot | None,
    open_past: Callable[[], AbstractContextManager[Past]],
    now_ms: int,
) -> int:
    """Primes the meters of the snapshot that nothing is known of; returns how many.

    `before` is the snapshot in force: a meter that it has not may have been of an earlier one, and
    knows nothing of what was used since. The history is opened only when there is something to
    prime. Raises StateError or StoreError.
    """
    if before is not None:
        state.limits.forget_others(owners_of(before))
    owners = owners_of(snapshot)
    reaches: dict[Meter, int] = {}
    for meter in state.limits.unused(owners):
        if (since_ms := gauge(meter).reaches_back_ms(now_ms)) is not None:
            reaches[meter] = since_ms
    if not reaches:
        return 0
    parts: dict[Meter, list[Part]] = {meter: [] for meter in reaches}
    with open_past() as past:
        left = past.left_over()
        for span_ms, meters in _by_span(reaches, now_ms).items():
            since_ms = min(reaches[meter] for meter in meters)
            rows = past.used_since(since_ms, span_ms)
            add_rows(parts, {meter: owners[meter] for meter in meters}, rows, span_ms, now_ms)
    add_records(parts, owners, left, now_ms)
    return state.limits.prime(parts, now_ms)


def _by_span(reaches: Mapping[Meter, int], now_ms: int) -> dict[int, list[Meter]]:
    spans: dict[int, list[Meter]] = {}
    for meter, since_ms in reaches.items():
        span_ms = SHORT_SPAN_MS if now_ms - since_ms <= SHORT_MS else LONG_SPAN_MS
        spans.setdefault(span_ms, []).append(meter)
    return spans


def add_rows(
    parts: Mapping[Meter, list[Part]],
    owners: Mapping[Meter, Owner],
    rows: Iterable[UsedRow],
    span_ms: int,
    now_ms: int,
) -> None:
    """Adds to each of the meters of `owners` what the rows say that its owner used."""
    meters = _by_owner(owners)
    for row in rows:
        at_ms = min(now_ms, row.from_ms + span_ms - 1)
        for owner in _owners_of_row(row):
            for meter in meters.get(owner, ()):
                if amount := _COUNTS[meter.measure](row):
                    parts[meter].append((at_ms, amount))


def add_records(
    parts: Mapping[Meter, list[Part]],
    owners: Mapping[Meter, Owner],
    records: Iterable[Record],
    now_ms: int,
) -> None:
    """The same of single records, for the meters of `parts`."""
    meters = _by_owner({meter: owners[meter] for meter in parts})
    for record in records:
        at_ms = min(now_ms, record.started_ms + record.total_us // 1000)
        for owner in _owners_of_row(record):
            for meter in meters.get(owner, ()):
                if amount := measure(meter, record):
                    parts[meter].append((at_ms, amount))


def _by_owner(owners: Mapping[Meter, Owner]) -> dict[Owner, list[Meter]]:
    meters: dict[Owner, list[Meter]] = {}
    for meter, owner in owners.items():
        meters.setdefault(owner, []).append(meter)
    return meters


def _owners_of_row(row: UsedRow | Record) -> tuple[Owner, ...]:
    return (
        Owner("key_id", row.key_id),
        Owner("connection", row.connection),
        Owner("provider", row.provider),
        Owner("tier", row.tier),
    )
