"""Roll-ups: what the history holds of each slice, summed by hour and by day (UTC).

Invariant: for every record in the history, and for no other, its numbers are in the rows of its
hour and its day. They are added in the transaction that inserts the record, so being killed at any
moment keeps this. Trimming the history later leaves the roll-ups: they are the longer memory.

A slice is what people filter and sum by: key, provider, connection, model, combo, class of the
status, and what the cache did. There are as many as combinations that occur, hundreds mostly, so a
month of hours is some ten thousand rows where the history has a million.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection

from omniroute.record import Record
from omniroute.store.histograms import bucket_of, pack
from omniroute.store.schema import DIMENSIONS, HISTOGRAMS, MAXIMA, MINIMA, SUMS

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS

_MOST_SLICES = 100_000  # known by heart; beyond, they are looked up anew
_SUM_MAX = 1 << 53  # of what one batch adds; no true sum comes near

_COLUMNS = ("from_ms", "slice_id", *SUMS, *MAXIMA, *MINIMA, *HISTOGRAMS)
_SET = ", ".join(
    [f"{name} = {name} + excluded.{name}" for name in SUMS]
    + [f"{name} = max({name}, excluded.{name})" for name in MAXIMA]
    + [f"{name} = min({name}, excluded.{name})" for name in MINIMA]
    + [f"{name} = histogram_sum({name}, excluded.{name})" for name in HISTOGRAMS]
)
_ADD = {
    table: (
        f"INSERT INTO {table} ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))}) "
        f"ON CONFLICT (from_ms, slice_id) DO UPDATE SET {_SET}"
    )
    for table in ("rollup_hours", "rollup_days")
}
_ADD_SLICE = (
    f"INSERT OR IGNORE INTO slices ({', '.join(DIMENSIONS)}) "
    f"VALUES ({', '.join('?' * len(DIMENSIONS))})"
)
_FIND_SLICE = f"SELECT id FROM slices WHERE {' AND '.join(f'{name} = ?' for name in DIMENSIONS)}"


def slice_of(record: Record) -> tuple[Any, ...]:
    """The values of `DIMENSIONS` of a record."""
    return (
        record.key_id,
        record.provider,
        record.connection,
        record.model,
        record.combo,
        record.status // 100,
        record.cache,
    )


class SliceIds:
    """The ids of slices, known by heart. One writer at a time."""

    def __init__(self) -> None:
        self._known: dict[tuple[Any, ...], int] = {}

    def of(self, connection: Connection, records: Iterable[Record]) -> list[int]:
        """The id of each record's slice; new slices get one.

        When the transaction is undone afterwards, `forget` must be called.
        """
        known = self._known
        ids = []
        for record in records:
            slice_ = slice_of(record)
            id_ = known.get(slice_)
            if id_ is None:
                if len(known) >= _MOST_SLICES:
                    known.clear()
                connection.exec_driver_sql(_ADD_SLICE, slice_)
                id_ = connection.exec_driver_sql(_FIND_SLICE, slice_).scalar_one()
                known[slice_] = id_
            ids.append(id_)
        return ids

    def forget(self) -> None:
        self._known.clear()


def add(connection: Connection, records: Iterable[tuple[Record, int]]) -> None:
    """Adds records, new in the history, with their slices, to the rows of their hours and days."""
    groups: dict[tuple[int, int], list[Record]] = {}
    for record, slice_id in records:
        hour = record.started_ms // HOUR_MS, slice_id
        if (group := groups.get(hour)) is None:
            groups[hour] = [record]
        else:
            group.append(record)
    if not groups:
        return
    hours = [
        (hour * HOUR_MS, slice_id, *_sums(group)) for (hour, slice_id), group in groups.items()
    ]
    days = [(row[0] // DAY_MS * DAY_MS, *row[1:]) for row in hours]
    connection.exec_driver_sql(_ADD["rollup_hours"], hours)
    connection.exec_driver_sql(_ADD["rollup_days"], days)


def _sums(group: list[Record]) -> tuple[Any, ...]:
    """The values of `SUMS`, `MAXIMA`, `MINIMA` and `HISTOGRAMS` of some records."""
    outcomes = [record.outcome for record in group]
    usages = [record.usage for record in group]
    totals = [record.total_us for record in group]
    first_bytes = [record.first_byte_us for record in group]
    overheads = [record.overhead_us for record in group]
    costs = [record.cost_microusd for record in group]
    cancelled = outcomes.count("cancelled")
    sums = (
        len(group),
        len(group) - outcomes.count("ok") - cancelled,
        cancelled,
        sum([usage.input_tokens for usage in usages]),
        sum([usage.cache_read_tokens for usage in usages]),
        sum([usage.cache_write_tokens for usage in usages]),
        sum([usage.output_tokens for usage in usages]),
        sum([usage.reasoning_tokens for usage in usages]),
        sum(costs),
        sum(totals),
        sum(first_bytes),
        sum(overheads),
        max(costs),
        max(totals),
        min(costs),
    )
    return (
        *[min(value, _SUM_MAX) for value in sums],
        pack(Counter(map(bucket_of, totals))),
        # What was never answered has no first byte.
        pack(Counter(map(bucket_of, filter(None, first_bytes)))),
        pack(Counter(map(bucket_of, overheads))),
    )
