"""The request log: pages of it by any filter, one request, all of them as rows for a table.

What keeps a page quick at millions of requests, whatever is asked:

- nothing asked but the time: the index over time gives them in order;
- failures, or a text in their error: the index over failures holds all that is looked at;
- anything else: the roll-ups say in which hours the wanted slices have requests at all, so the
  index over slices is read there only, newest hours first, until the page is full. What roll-ups
  cannot say (a cost, a duration) they narrow by the dearest and the longest request of each hour.

Order: latest first by the time they began; among those of the same millisecond, the last inserted.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from omniroute.record import Record
from omniroute.store.connecting import Database
from omniroute.store.filters import (
    IN_IDS,
    RequestFilter,
    details_of,
    ids_value,
    narrowing_of,
    needs_rollups,
    only_failures,
    slices_of,
)
from omniroute.store.rollups import DAY_MS, HOUR_MS, catch_up
from omniroute.store.schema import COLUMNS, DIMENSIONS, record_of, requests, row_of

_END_OF_TIME_MS = 1 << 62
_ROWS_AT_A_TIME = 1_000
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # owasp.org/www-community/attacks/CSV_Injection
CSV_COLUMNS = tuple(name for name in COLUMNS if name not in ("tried", "slice_id"))
_READING = "read the history"


class Cursor(NamedTuple):
    """The place of a request in the log. The next page begins behind it."""

    started_ms: int
    row: int


class Page(NamedTuple):
    """Some requests, latest first, and where to go on; None at the end."""

    records: list[Record]
    next: Cursor | None


class History:
    """Reads the request log."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(self, wanted: RequestFilter, limit: int, after: Cursor | None = None) -> Page:
        """Up to `limit` requests that fit, from behind `after`.

        Each request that fits is on exactly one page; those that come meanwhile belong before the
        first.
        """
        if needs_rollups(wanted):
            catch_up(self._database)
        with self._database.reading(_READING) as connection:
            found = _find(connection, wanted, limit + 1, after)
            records = _records(connection, found[:limit])
        return Page(records, found[limit - 1] if len(found) > limit else None)

    def get(self, id_: str) -> Record | None:
        """One request with its attempts."""
        with self._database.reading(_READING) as connection:
            row = connection.execute(select(requests).where(requests.c.id == id_))
            found = row.mappings().one_or_none()
        return None if found is None else record_of(found)

    def records(self, wanted: RequestFilter) -> Iterator[Record]:
        """All that fit, latest first, read page by page: nobody waits for a slow reader."""
        after: Cursor | None = None
        while True:
            page = self.page(wanted, _ROWS_AT_A_TIME, after)
            yield from page.records
            if page.next is None:
                return
            after = page.next

    def csv_rows(self, wanted: RequestFilter) -> Iterator[list[str]]:
        """The same as texts under `CSV_COLUMNS`, which come first.

        A text that a spreadsheet would take for a formula has an apostrophe before it.
        """
        yield list(CSV_COLUMNS)
        for record in self.records(wanted):
            row = dict(zip(COLUMNS, row_of(record, 0), strict=True))
            yield [_cell(row[name]) for name in CSV_COLUMNS]

    def values(self, since_ms: int | None = None) -> dict[str, list[str] | list[int]]:
        """For each dimension the values that occur (since then, by days), sorted: what a filter
        can offer."""
        query = (
            f"SELECT DISTINCT {', '.join(DIMENSIONS)} FROM slices WHERE id IN "
            "(SELECT slice_id FROM rollup_days WHERE from_ms >= ?)"
        )
        first_ms = (since_ms or 0) // DAY_MS * DAY_MS
        catch_up(self._database)
        with self._database.reading(_READING) as connection:
            rows = connection.exec_driver_sql(query, (first_ms,)).all()
        columns = zip(*rows, strict=True) if rows else [()] * len(DIMENSIONS)
        return {
            name: sorted({value for value in column if value != ""})
            for name, column in zip(DIMENSIONS, columns, strict=True)
        }


def _find(
    connection: Connection, wanted: RequestFilter, limit: int, after: Cursor | None
) -> list[Cursor]:
    slices = slices_of(connection, wanted)
    if slices == []:
        return []
    since_ms = wanted.since_ms or 0
    until_ms = _END_OF_TIME_MS if wanted.until_ms is None else wanted.until_ms
    if after is not None:
        until_ms = min(until_ms, after.started_ms + 1)
    search = _Search(connection, wanted, after)
    if only_failures(wanted):
        return search.run("requests_failed", slices, since_ms, until_ms, limit)
    if not needs_rollups(wanted):
        return search.run("requests_by_time", None, since_ms, until_ms, limit)
    oldest_ms = connection.exec_driver_sql("SELECT min(started_ms) FROM requests").scalar()
    if oldest_ms is None:
        return []
    found: list[Cursor] = []
    since_ms = max(since_ms, oldest_ms)
    if narrowing_of(wanted).sql:
        return _in_single_hours(connection, wanted, slices, since_ms, until_ms, search, limit)
    in_window: set[int] = set()
    expected, enough = 0, limit
    for hour in _hours(connection, wanted, slices, since_ms, until_ms):
        in_window |= hour.slices
        expected += hour.requests
        if expected < enough:
            continue
        from_ms = max(since_ms, hour.from_ms)
        found += search.run("requests_by_slice", in_window, from_ms, until_ms, limit - len(found))
        if len(found) == limit:
            return found
        # What fits is rarer than the roll-ups can tell: larger windows, fewer of them.
        in_window, expected, enough, until_ms = set(), 0, 2 * enough, from_ms
    if in_window:
        found += search.run("requests_by_slice", in_window, since_ms, until_ms, limit - len(found))
    return found


def _in_single_hours(
    connection: Connection,
    wanted: RequestFilter,
    slices: Iterable[int] | None,
    since_ms: int,
    until_ms: int,
    search: "_Search",
    limit: int,
) -> list[Cursor]:
    """Where only some requests of a slice fit: each hour that may hold one, and nothing between."""
    found: list[Cursor] = []
    for hour in _hours(connection, wanted, slices, since_ms, until_ms):
        found += search.run(
            "requests_by_slice",
            hour.slices,
            max(since_ms, hour.from_ms),
            min(until_ms, hour.from_ms + HOUR_MS),
            limit - len(found),
        )
        if len(found) == limit:
            break
    return found


class _Hour(NamedTuple):
    """An hour with requests of slices that are looked at, and how many."""

    from_ms: int
    slices: set[int]
    requests: int


def _hours(
    connection: Connection,
    wanted: RequestFilter,
    slices: Iterable[int] | None,
    since_ms: int,
    until_ms: int,
) -> Iterator[_Hour]:
    """The hours in which there may be requests that fit, latest first."""
    narrowing = narrowing_of(wanted)
    terms = ["from_ms >= ?", "from_ms < ?"]
    values: tuple[Any, ...] = ()
    if slices is not None:
        terms.append(IN_IDS)
        values = (ids_value(slices),)
    if narrowing.sql:
        terms.append(narrowing.sql)
        values += narrowing.values
    where = " AND ".join(terms)
    days = connection.exec_driver_sql(
        f"SELECT DISTINCT from_ms FROM rollup_days WHERE {where} ORDER BY from_ms DESC",
        (since_ms // DAY_MS * DAY_MS, until_ms, *values),
    )
    for day_ms in days.scalars():
        from_ms = max(day_ms, since_ms // HOUR_MS * HOUR_MS)
        rows = connection.exec_driver_sql(
            f"SELECT from_ms, slice_id, requests FROM rollup_hours WHERE {where} "
            "ORDER BY from_ms DESC",
            (from_ms, min(day_ms + DAY_MS, until_ms), *values),
        )
        for hour_ms, group in groupby(rows, itemgetter(0)):
            members = list(group)
            yield _Hour(hour_ms, {row[1] for row in members}, sum(row[2] for row in members))


class _Search:
    """One question, asked of an index in a span of time."""

    def __init__(self, connection: Connection, wanted: RequestFilter, after: Cursor | None) -> None:
        self._connection = connection
        self._details = details_of(wanted)
        self._after = after

    def run(
        self, index: str, slices: Iterable[int] | None, since_ms: int, until_ms: int, limit: int
    ) -> list[Cursor]:
        """The places of the latest requests that fit, from the index alone where that will do."""
        terms = ["started_ms >= ?", "started_ms < ?"]
        values: list[Any] = [since_ms, until_ms]
        if slices is not None:
            terms.append(IN_IDS)
            values.append(ids_value(slices))
        if self._details.sql:
            terms.append(self._details.sql)
            values += self._details.values
        if self._after is not None:
            terms.append("(started_ms, rowid) < (?, ?)")
            values += self._after
        rows = self._connection.exec_driver_sql(
            f"SELECT started_ms, rowid FROM requests INDEXED BY {index} "
            f"WHERE {' AND '.join(terms)} ORDER BY started_ms DESC, rowid DESC LIMIT ?",
            (*values, limit),
        )
        return [Cursor(*row) for row in rows]


def _records(connection: Connection, found: Sequence[Cursor]) -> list[Record]:
    rows = connection.exec_driver_sql(
        "SELECT requests.* FROM requests JOIN json_each(?) AS wanted "
        "ON requests.rowid = wanted.value ORDER BY wanted.key",
        (ids_value(place.row for place in found),),
    )
    return [record_of(row) for row in rows.mappings()]


def _cell(value: object) -> str:
    shown = str(value)
    return f"'{shown}" if isinstance(value, str) and shown.startswith(_FORMULA) else shown
