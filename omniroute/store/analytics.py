"""Sums over the history by any dimensions and spans of time, from the roll-ups.

Days are those of UTC, weeks begin on Monday. Whole days are read from the roll-ups by day, what is
left at either end from those by hour; a span that begins or ends within an hour counts with all of
it. Percentiles come from merged histograms, so those of a month are as right as those of an hour.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

import msgspec
from sqlalchemy import Connection

from omniroute.store import histograms
from omniroute.store.connecting import Database
from omniroute.store.filters import DETAILS, EVERYTHING, IN_IDS, RequestFilter, ids_value, slices_of
from omniroute.store.rollups import DAY_MS, HOUR_MS, catch_up
from omniroute.store.schema import HISTOGRAMS, MAXIMA, SUMS

Dimension = Literal["key_id", "provider", "connection", "model", "combo", "status_class", "cache"]
Bucket = Literal["hour", "day", "week", "month", "total"]

WEEK_MS = 7 * DAY_MS
_MONDAY_MS = 4 * DAY_MS  # the first one after the epoch, which was a Thursday
_SHARES = (0.5, 0.95, 0.99)
_END_OF_TIME_MS = 1 << 62

# In SQL: when the bucket of a row began.
_BUCKETS: dict[Bucket, str] = {
    "hour": "from_ms",
    "day": f"from_ms / {DAY_MS} * {DAY_MS}",
    "week": f"(from_ms - {_MONDAY_MS} + {WEEK_MS}) / {WEEK_MS} * {WEEK_MS} "
    f"+ {_MONDAY_MS} - {WEEK_MS}",
    "month": "CAST(strftime('%s', from_ms / 1000, 'unixepoch', 'start of month') AS INT) * 1000",
    "total": "0",
}


class Percentiles(msgspec.Struct, frozen=True):
    """Of durations in microseconds."""

    p50_us: int
    p95_us: int
    p99_us: int


NO_PERCENTILES = Percentiles(0, 0, 0)


class Summed(msgspec.Struct, kw_only=True):
    """The requests of one bucket with the same values of the dimensions asked for.

    `total_us`, `first_byte_us` and `overhead_us` are sums: divided by `requests`, the mean.
    """

    from_ms: int  # when the bucket began; 0 for the total
    by: dict[str, str | int]
    requests: int
    errors: int  # failed, or lost with their worker
    cancelled: int  # by the client
    input_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    output_tokens: int
    reasoning_tokens: int
    cost_microusd: int
    total_us: int
    first_byte_us: int
    overhead_us: int
    cost_max_microusd: int
    total_max_us: int
    total: Percentiles = NO_PERCENTILES
    first_byte: Percentiles = NO_PERCENTILES  # of requests that were answered
    overhead: Percentiles = NO_PERCENTILES  # what the gateway itself took


class Analytics:
    """Reads the roll-ups."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def sums(
        self,
        wanted: RequestFilter = EVERYTHING,
        *,
        by: Sequence[Dimension] = (),
        bucket: Bucket = "total",
        percentiles: bool = False,
    ) -> list[Summed]:
        """By bucket, then the most requests first. Buckets without requests are left out.

        Of `wanted`, time and dimensions count; what must be asked of each request itself (costs,
        texts, single statuses) the roll-ups cannot tell, and `ValueError` says so.
        """
        _refuse_details(wanted)
        catch_up(self._database)
        keys = ("bucket", *by)
        found: dict[tuple[Any, ...], Summed] = {}
        with self._database.reading("read the sums of the history") as connection:
            source = _source(connection, wanted, bucket, by)
            values = [*(f"sum({name})" for name in SUMS), *(f"max({name})" for name in MAXIMA)]
            for row in source.rows([*keys, *values], f"GROUP BY {', '.join(keys)}"):
                found[tuple(row[: len(keys)])] = Summed(
                    from_ms=row[0],
                    by=dict(zip(by, row[1 : len(keys)], strict=True)),
                    **dict(zip((*SUMS, *MAXIMA), row[len(keys) :], strict=True)),
                )
            if percentiles:
                _add_percentiles(found, source.rows([*keys, *HISTOGRAMS]))
        return sorted(
            found.values(), key=lambda row: (row.from_ms, -row.requests, [*row.by.values()])
        )

    def costs(
        self, wanted: RequestFilter = EVERYTHING, *, by: Dimension = "model"
    ) -> list[tuple[str | int, int]]:
        """Value of the dimension and cost in millionths of a dollar, the dearest first."""
        rows = [(row.by[by], row.cost_microusd) for row in self.sums(wanted, by=(by,))]
        return sorted(rows, key=lambda row: -row[1])


class _Source(NamedTuple):
    """The rows of roll-ups that are asked for, each with its bucket and dimensions."""

    connection: Connection
    sql: str
    values: tuple[Any, ...]

    def rows(self, columns: Iterable[str], end: str = "") -> Iterable[tuple[Any, ...]]:
        query = f"SELECT {', '.join(columns)} {self.sql} {end}"
        # The driver's own tuples: there may be many.
        driver = self.connection.connection.driver_connection
        assert driver is not None, "in use"
        found: Iterable[tuple[Any, ...]] = driver.execute(query, self.values)
        return found


def _source(
    connection: Connection, wanted: RequestFilter, bucket: Bucket, by: Sequence[Dimension]
) -> _Source:
    parts = list(_parts(wanted, bucket))
    ids = slices_of(connection, wanted)
    joined = "CROSS JOIN slices ON slices.id = slice_id" if by else ""  # roll-ups first
    where = "from_ms >= ? AND from_ms < ?" + (f" AND {IN_IDS}" if ids is not None else "")
    dimensions = "".join(f", slices.{name}" for name in by)
    columns = ", ".join((*SUMS, *MAXIMA, *HISTOGRAMS))
    selects = [
        f"SELECT {_BUCKETS[bucket]} AS bucket{dimensions}, {columns} FROM {table} {joined} "
        f"WHERE {where}"
        for table, _, _ in parts
    ]
    values: list[Any] = []
    for _, since_ms, until_ms in parts:
        values += (since_ms, until_ms)
        if ids is not None:
            values.append(ids_value(ids))
    return _Source(connection, f"FROM ({' UNION ALL '.join(selects)})", tuple(values))


def _parts(wanted: RequestFilter, bucket: Bucket) -> Iterator[tuple[str, int, int]]:
    """Which table to read from when until when: days where they are whole."""
    since_ms = (wanted.since_ms or 0) // HOUR_MS * HOUR_MS
    until_ms = (
        _END_OF_TIME_MS if wanted.until_ms is None else -(-wanted.until_ms // HOUR_MS) * HOUR_MS
    )
    first_day_ms = -(-since_ms // DAY_MS) * DAY_MS
    last_day_ms = until_ms if wanted.until_ms is None else until_ms // DAY_MS * DAY_MS
    if bucket == "hour" or first_day_ms >= last_day_ms:
        yield "rollup_hours", since_ms, until_ms
        return
    yield "rollup_days", first_day_ms, last_day_ms
    if since_ms < first_day_ms:
        yield "rollup_hours", since_ms, first_day_ms
    if last_day_ms < until_ms:
        yield "rollup_hours", last_day_ms, until_ms


def _add_percentiles(found: dict[tuple[Any, ...], Summed], rows: Iterable[tuple[Any, ...]]) -> None:
    stored: dict[tuple[Any, ...], tuple[list[bytes], ...]] = {key: ([], [], []) for key in found}
    for *key, total, first_byte, overhead in rows:
        totals, first_bytes, overheads = stored[tuple(key)]
        totals.append(total)
        first_bytes.append(first_byte)
        overheads.append(overhead)
    for of, columns in stored.items():
        summed = found[of]
        summed.total, summed.first_byte, summed.overhead = (
            Percentiles(*histograms.percentiles(histograms.merged(blobs), _SHARES))
            for blobs in columns
        )


def _refuse_details(wanted: RequestFilter) -> None:
    for name in DETAILS:
        if getattr(wanted, name) != getattr(EVERYTHING, name):
            raise ValueError(f"sums cannot be filtered by {name}")
