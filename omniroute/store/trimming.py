"""Forgetting what is old: every table by age and by number of rows, in steps.

A step is one transaction of at most `_MOST_ROWS` rows whose size follows how long the last one
took, so that writers (the drain above all) wait about `_STEP_MS` at most. What was deleted is
reused by SQLite; the file does not shrink by itself.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

from omniroute.store import rollups
from omniroute.store.connecting import Database

_STEP_MS = 8.0
_LEAST_ROWS = 20
_FIRST_ROWS = 200
_MOST_ROWS = 5_000
_EVERY_ROW = 1 << 62


class Keep(NamedTuple):
    """How much of a table is kept: what breaks either bound goes. None: no bound."""

    max_age_ms: int | None = None
    max_rows: int | None = None


class _Table(NamedTuple):
    """A table that is trimmed, and how its rows are told apart."""

    time: str  # indexed
    row: str = "rowid"


_TABLES = {
    "requests": _Table("started_ms"),
    "bodies": _Table("at_ms"),
    "audit": _Table("at_ms"),
    "proxy_log": _Table("at_ms"),
    "rollup_hours": _Table("from_ms", "(from_ms, slice_id)"),
    "rollup_days": _Table("from_ms", "(from_ms, slice_id)"),
}
TRIMMED = tuple(_TABLES)
"""The tables that can be trimmed."""


def trim(
    database: Database,
    table: str,
    keep: Keep,
    now_ms: int,
    *,
    go_on: Callable[[], bool] = lambda: True,
) -> int:
    """Deletes what is beyond `keep`, oldest first; returns how many rows went.

    `go_on` is called between two steps, so that others get their turn and it can be stopped; the
    rest stays for the next time.
    """
    if table == "requests":
        rollups.catch_up(database)
    gone = 0
    if keep.max_age_ms is not None:
        older = f"{_TABLES[table].time} < {now_ms - keep.max_age_ms:d}"
        gone += _delete(database, table, older, _EVERY_ROW, go_on)
    if keep.max_rows is not None:
        with database.reading(f"count the rows of {table}") as connection:
            count = connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one()
        gone += _delete(database, table, "true", max(0, count - keep.max_rows), go_on)
    return gone


def _delete(
    database: Database, table: str, which: str, most: int, go_on: Callable[[], bool]
) -> int:
    """Deletes up to `most` rows that fulfil a condition, the oldest first."""
    time_column, row = _TABLES[table]
    is_history = table == "requests"
    columns = row.strip("()")
    gone = 0
    rows = _FIRST_ROWS
    while gone < most:
        rows = min(rows, most - gone)
        begin = time.perf_counter()
        with database.writing(f"trim {table}") as connection:
            # What is not in the roll-ups yet must not get lost for them.
            only = (
                f"{which} AND rowid <= {rollups.rolled_until(connection)}" if is_history else which
            )
            deleted = connection.exec_driver_sql(
                f"DELETE FROM {table} WHERE {row} IN (SELECT {columns} FROM {table} "
                f"WHERE {only} ORDER BY {time_column} LIMIT {rows})"
            ).rowcount
            if is_history:
                rollups.rows_are_gone(connection)
        gone += deleted
        if deleted < rows or not go_on():
            break
        took_ms = (time.perf_counter() - begin) * 1000
        rows = round(min(_MOST_ROWS, max(_LEAST_ROWS, rows * _STEP_MS / max(took_ms, 0.1))))
    return gone
