"""Roll-ups: what the history holds of each slice, summed by hour and by day (UTC).

A slice is what people filter and sum by: key, provider, connection, model, combo, class of the
status, and what the cache did. There are as many as combinations that occur, hundreds mostly, so a
month of hours is some ten thousand rows where the history has a million.

Invariant: the numbers of each request up to the row that is kept among the facts, and of no other,
are in the rows of its hour and its day. Requests are added many at a time, once `PENDING` wait, and
all that wait before anything is read: ten records of a slice cost as much as one. A step is one
transaction, so being killed at any moment keeps the invariant. Trimming the history leaves the
roll-ups as they are: they are the longer memory.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection

from omniroute.record import Record
from omniroute.store.connecting import Database
from omniroute.store.histograms import bucket_of, pack
from omniroute.store.schema import DIMENSIONS, HISTOGRAMS, MAXIMA, MINIMA, SUMS

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
STEP = 20_000  # requests in one transaction, so that nobody waits long
PENDING = STEP
SANE = 1 << 44
"""More than any true number of one request (half a year in µs): sums take no more of each."""

_ROW_FACT = "rollups.row"
_MOST_SLICES = 100_000  # known by heart; beyond, they are looked up anew

_SUMMED = {
    "requests": "count(*)",
    "errors": "sum(outcome NOT IN ('ok', 'cancelled'))",
    "cancelled": "sum(outcome = 'cancelled')",
    "cost_max_microusd": "max(cost_microusd)",
    "total_max_us": "max(total_us)",
    "cost_min_microusd": "min(cost_microusd)",
    "total_histogram": "group_concat(total_us)",
    "first_byte_histogram": "group_concat(nullif(first_byte_us, 0))",  # 0: never answered
    "overhead_histogram": "group_concat(overhead_us)",
}
_COLUMNS = (*SUMS, *MAXIMA, *MINIMA, *HISTOGRAMS)
_SUM = (
    f"SELECT started_ms / {HOUR_MS} * {HOUR_MS} AS from_ms, slice_id, "
    + ", ".join(_SUMMED.get(name, f"sum(min({name}, {SANE}))") for name in _COLUMNS)
    + " FROM requests WHERE rowid > ? AND rowid <= ? GROUP BY 1, 2"
)
_MERGED = ", ".join(
    [f"{name} = {name} + excluded.{name}" for name in SUMS]
    + [f"{name} = max({name}, excluded.{name})" for name in MAXIMA]
    + [f"{name} = min({name}, excluded.{name})" for name in MINIMA]
    + [f"{name} = histogram_sum({name}, excluded.{name})" for name in HISTOGRAMS]
)
_ADD = {
    table: (
        f"INSERT INTO {table} (from_ms, slice_id, {', '.join(_COLUMNS)}) "
        f"VALUES ({', '.join('?' * (2 + len(_COLUMNS)))}) "
        f"ON CONFLICT (from_ms, slice_id) DO UPDATE SET {_MERGED}"
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


def catch_up(database: Database) -> None:
    """Adds all requests that are not in the roll-ups yet."""
    with database.reading("look for what is not summed yet") as connection:
        waiting = pending(connection)
    while waiting > 0:
        with database.writing("sum the history") as connection:
            add_pending(connection)
            waiting = pending(connection)


def pending(connection: Connection) -> int:
    """How many requests are not in the roll-ups yet, at most."""
    return _last_row(connection) - _rolled_row(connection)


def add_pending(connection: Connection) -> None:
    """Adds those that wait, `STEP` at most."""
    since = _rolled_row(connection)
    until = min(_last_row(connection), since + STEP)
    hours = [
        (*row[: -len(HISTOGRAMS)], *map(_histogram, row[-len(HISTOGRAMS) :]))
        for row in connection.exec_driver_sql(_SUM, (since, until))
    ]
    if hours:
        days = [(row[0] // DAY_MS * DAY_MS, *row[1:]) for row in hours]
        connection.exec_driver_sql(_ADD["rollup_hours"], hours)
        connection.exec_driver_sql(_ADD["rollup_days"], days)
    _set_rolled_row(connection, until)


def rolled_until(connection: Connection) -> int:
    """The last row whose request is in the roll-ups: what may be trimmed."""
    return _rolled_row(connection)


def rows_are_gone(connection: Connection) -> None:
    """Must follow on removing requests that are in the roll-ups, in the same transaction.

    Rows are numbered behind the last one there is, so numbers of removed ones may come again.
    """
    _set_rolled_row(connection, min(_rolled_row(connection), _last_row(connection)))


def last_rolled_id(connection: sqlite3.Connection) -> str | None:
    """The id of the last request that is in the roll-ups: for after a `VACUUM`, which may number
    rows anew but keeps their order."""
    row = connection.execute(
        "SELECT id FROM requests WHERE rowid <= (SELECT CAST(value AS INT) FROM meta "
        "WHERE name = ?) ORDER BY rowid DESC LIMIT 1",
        (_ROW_FACT,),
    ).fetchone()
    return None if row is None else str(row[0])


def set_last_rolled_id(connection: sqlite3.Connection, id_: str | None) -> None:
    """Says that the roll-ups hold all requests up to this one, and none without one."""
    connection.execute(
        "INSERT OR REPLACE INTO meta (name, value) SELECT ?, "
        "CAST(coalesce((SELECT rowid FROM requests WHERE id = ?), 0) AS TEXT)",
        (_ROW_FACT, id_),
    )


def _histogram(values: str | None) -> bytes:
    """Of numbers as `group_concat` joins them."""
    return pack(Counter(map(bucket_of, map(int, values.split(","))))) if values else b""


def _last_row(connection: Connection) -> int:
    query = "SELECT coalesce(max(rowid), 0) FROM requests"
    return int(connection.exec_driver_sql(query).scalar_one())


def _rolled_row(connection: Connection) -> int:
    query = "SELECT value FROM meta WHERE name = ?"
    return int(connection.exec_driver_sql(query, (_ROW_FACT,)).scalar_one_or_none() or 0)


def _set_rolled_row(connection: Connection, row: int) -> None:
    connection.exec_driver_sql(
        "INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)", (_ROW_FACT, str(row))
    )
