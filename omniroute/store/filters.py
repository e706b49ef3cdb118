"""Which requests somebody asks about, and what that is in SQL.

Values of one question are alternatives, questions are joined by "and"; what is empty or None is not
asked. What a slice knows (`DIMENSIONS`) is asked of the table of slices, which is small; the rest,
the details, of each request. Parameters are bound, never written into the text.
"""

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection

from omniroute.store.schema import FAILED

CACHED = ("hit", "semantic-hit", "collapsed", "replayed")
"""What `Record.cache` says of a request that cost no call of its own."""


class RequestFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Times in Unix ms; money in millionths of a dollar; `status_class` is the status / 100."""

    since_ms: int | None = None
    until_ms: int | None = None  # exclusive
    key_id: tuple[str, ...] = ()
    provider: tuple[str, ...] = ()
    connection: tuple[str, ...] = ()
    model: tuple[str, ...] = ()
    combo: tuple[str, ...] = ()
    cache: tuple[str, ...] = ()
    status_class: tuple[int, ...] = ()
    cached: bool | None = None
    failed: bool | None = None  # a status from 400, or an error in what the client got
    status: tuple[int, ...] = ()
    outcome: tuple[str, ...] = ()
    error_text: str = ""  # part of the error, in either case of its letters
    min_cost_microusd: int | None = None
    max_cost_microusd: int | None = None
    min_total_us: int | None = None


EVERYTHING = RequestFilter()


class Condition(NamedTuple):
    """A condition in SQL, "" for none, and the values of its question marks."""

    sql: str
    values: tuple[Any, ...]


DETAILS = (
    "failed",
    "status",
    "outcome",
    "error_text",
    "min_cost_microusd",
    "max_cost_microusd",
    "min_total_us",
)
"""What only each request itself can tell."""

_OF_SLICES = ("key_id", "provider", "connection", "model", "combo", "cache", "status_class")


def slices_of(connection: Connection, wanted: RequestFilter) -> list[int] | None:
    """The slices in which such requests can be; None when nothing is asked of slices."""
    terms: list[str] = []
    values: list[Any] = []
    for name in _OF_SLICES:
        if asked := getattr(wanted, name):
            terms.append(f"{name} IN ({_marks(len(asked))})")
            values += asked
    if wanted.cached is not None:
        terms.append(f"cache {'IN' if wanted.cached else 'NOT IN'} ({_marks(len(CACHED))})")
        values += CACHED
    if wanted.status:
        classes = {status // 100 for status in wanted.status}
        terms.append(f"status_class IN ({_marks(len(classes))})")
        values += sorted(classes)
    if not terms:
        return None
    query = f"SELECT id FROM slices WHERE {' AND '.join(terms)}"
    return list(connection.exec_driver_sql(query, tuple(values)).scalars())


def details_of(wanted: RequestFilter) -> Condition:
    """What is asked of each request itself, but for the time."""
    terms: list[str] = []
    values: list[Any] = []
    if only_failures(wanted):
        terms.append(FAILED)
    if wanted.failed is False:
        terms.append(f"NOT {FAILED}")
    if wanted.status:
        terms.append(f"status IN ({_marks(len(wanted.status))})")
        values += wanted.status
    if wanted.outcome:
        terms.append(f"outcome IN ({_marks(len(wanted.outcome))})")
        values += wanted.outcome
    for asked, term in (
        (f"%{_escaped(wanted.error_text)}%" if wanted.error_text else None, _LIKE),
        (wanted.min_cost_microusd, "cost_microusd >= ?"),
        (wanted.max_cost_microusd, "cost_microusd <= ?"),
        (wanted.min_total_us, "total_us >= ?"),
    ):
        if asked is not None:
            terms.append(term)
            values.append(asked)
    return Condition(" AND ".join(terms), tuple(values))


def only_failures(wanted: RequestFilter) -> bool:
    """Whether all such requests are in the index of failures."""
    return (
        wanted.failed is True
        or bool(wanted.error_text)
        or (bool(wanted.status) and min(wanted.status) >= 400)
        or (bool(wanted.status_class) and min(wanted.status_class) >= 4)
    )


def narrowing_of(wanted: RequestFilter) -> Condition:
    """What the roll-up of an hour that holds such requests has in common."""
    terms: list[str] = []
    values: list[int] = []
    for asked, term in (
        (wanted.min_cost_microusd, "cost_max_microusd >= ?"),
        (wanted.max_cost_microusd, "cost_min_microusd <= ?"),
        (wanted.min_total_us, "total_max_us >= ?"),
    ):
        if asked is not None:
            terms.append(term)
            values.append(asked)
    if wanted.outcome and "ok" not in wanted.outcome:
        terms.append("errors + cancelled > 0")
    return Condition(" AND ".join(terms), tuple(values))


def needs_rollups(wanted: RequestFilter) -> bool:
    """Whether the roll-ups are what finds such requests quickly."""
    return not only_failures(wanted) and (
        wanted.cached is not None
        or any(getattr(wanted, name) for name in ("status", *_OF_SLICES))
        or bool(narrowing_of(wanted).sql)
    )


def ids_value(ids: Iterable[int]) -> str:
    """Any number of ids in one parameter, for `IN_IDS`."""
    return json.dumps(list(ids))


IN_IDS = "slice_id IN (SELECT value FROM json_each(?))"

_LIKE = r"error LIKE ? ESCAPE '\'"


def _marks(count: int) -> str:
    return ", ".join("?" * count)


def _escaped(text: str) -> str:
    for special in "\\%_":
        text = text.replace(special, f"\\{special}")
    return text
