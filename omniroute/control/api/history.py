"""The request log: pages of it by any filter, one request with its attempts, bodies, CSV."""

import re
from collections.abc import Iterator
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from omniroute.control.api.answers import Lines, csv_lines
from omniroute.control.api.asking import LogFilter, Text, Time, filter_of
from omniroute.control.api.declare import Call, Route
from omniroute.control.policy import Policy
from omniroute.control.refusal import invalid, missing
from omniroute.logs import redact
from omniroute.record import Record, Tried
from omniroute.store.captured import ConnectFilter
from omniroute.store.filters import RequestFilter
from omniroute.store.history import CSV_COLUMNS, Cursor, History
from omniroute.store.interface import ProxyConnect, StoredBody

_PAGE: Final = 50
_MOST: Final = 500
_CURSOR: Final = re.compile(r"(\d{1,16})-(\d{1,19})")


class RequestOut(msgspec.Struct, kw_only=True):
    """A finished request. Durations in microseconds, money in millionths of a dollar."""

    id: str
    started_ms: int
    ended_ms: int
    worker: int
    key_id: str
    client_format: str
    endpoint: str
    provider: str
    connection: str
    requested_model: str
    model: str
    combo: str
    tier: str
    stream: bool
    status: int
    outcome: str
    error: str
    attempts: int
    cache: str
    session: str
    guard: str
    bytes_in: int
    bytes_out: int
    input_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    output_tokens: int
    reasoning_tokens: int
    usage_source: str
    cost_microusd: int
    cost_usd: float
    beyond_microusd: int
    queue_us: int
    connect_us: int
    first_byte_us: int
    total_us: int
    overhead_us: int


class AttemptOut(msgspec.Struct, kw_only=True):
    """One try at one target. `took_us` of the last one is what the earlier ones left."""

    number: int
    provider: str
    connection: str
    model: str
    status: int
    error: str
    took_us: int
    is_last: bool


class RequestPage(msgspec.Struct):
    """Latest first. `next` gives the next page as `cursor`; null at the end."""

    requests: list[RequestOut]
    next: str | None


class RequestDetail(msgspec.Struct):
    """One request with its attempts in their order."""

    request: RequestOut
    attempts: list[AttemptOut]
    has_bodies: bool


class BodyOut(msgspec.Struct, kw_only=True):
    """A captured body. `size` is that of the whole one; what is kept may be its begin and end."""

    attempt: int
    side: str
    direction: str
    at_ms: int
    size: int
    text: str


class Bodies(msgspec.Struct):
    """The client's side first, then those of each attempt."""

    bodies: list[BodyOut]


class Listing(LogFilter, forbid_unknown_fields=True, kw_only=True):
    """A page of the log. `cursor` is the `next` of the page before."""

    limit: Annotated[int, Meta(ge=1, le=_MOST)] = _PAGE
    cursor: str = ""


class Since(msgspec.Struct, forbid_unknown_fields=True):
    """From when on; all that is there without it."""

    since_ms: Time | None = None


class Connects(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Which connects through proxies. `before` is the `next` of the page before."""

    proxy: Text = ""
    provider: Text = ""
    connection: Text = ""
    outcome: Text = ""
    since_ms: Time | None = None
    until_ms: Time | None = None
    limit: Annotated[int, Meta(ge=1, le=_MOST)] = _PAGE
    before: Time | None = None


class ConnectOut(msgspec.Struct, kw_only=True):
    """One connection made, or tried, through a proxy."""

    id: int
    at_ms: int
    proxy: str
    target: str
    level: str
    provider: str
    connection: str
    outcome: str
    error: str
    took_us: int


class ConnectPage(msgspec.Struct):
    """Latest first. `next` gives the next page as `before`; null at the end."""

    connects: list[ConnectOut]
    next: int | None


class Removed(msgspec.Struct):
    """How many there were."""

    removed: int


async def call_logs(call: Call) -> RequestPage:
    return await _page(call)


async def request_logs(call: Call) -> RequestPage:
    """The same under the name that the dashboard of old has for it."""
    return await _page(call)


async def _page(call: Call) -> RequestPage:
    query: Listing = call.query
    page = await call.blocking(
        call.services.store.history.page, filter_of(query), query.limit, _cursor(query.cursor)
    )
    after = f"{page.next.started_ms}-{page.next.row}" if page.next is not None else None
    return RequestPage([shown(record) for record in page.records], after)


async def call_log(call: Call) -> RequestDetail:
    store, id_ = call.services.store, call.path["id"]
    record = await call.blocking(store.history.get, id_)
    if record is None:
        raise missing(f"request {id_}")
    bodies = await call.blocking(store.bodies.of, id_)
    return RequestDetail(shown(record), attempts_of(record), bool(bodies))


async def bodies(call: Call) -> Bodies:
    """Empty where none were captured, or those are no longer kept."""
    found = await call.blocking(call.services.store.bodies.of, call.path["id"])
    opened = await call.blocking(lambda: [_opened(call, body) for body in found])
    return Bodies(opened)


async def export(call: Call) -> Lines:
    """As many rows as fit, read while they are sent."""
    rows = _rows(call.services.store.history, filter_of(call.query))
    return csv_lines("omniroute-requests.csv", CSV_COLUMNS, rows)


async def filters(call: Call) -> dict[str, Any]:
    """By dimension."""
    return await call.blocking(call.services.store.history.values, call.query.since_ms)


async def proxy_logs(call: Call) -> ConnectPage:
    query: Connects = call.query
    wanted = ConnectFilter(
        proxy=query.proxy,
        provider=query.provider,
        connection=query.connection,
        outcome=query.outcome,
        since_ms=query.since_ms,
        until_ms=query.until_ms,
    )
    log = call.services.store.proxy_log
    found = await call.blocking(log.page, wanted, query.limit + 1, query.before)
    rows = found[: query.limit]
    after = rows[-1].id if len(found) > len(rows) else None
    return ConnectPage([_shown_connect(row) for row in rows], after)


async def clear_proxy_logs(call: Call) -> Removed:
    return Removed(await call.blocking(call.services.store.proxy_log.clear))


def shown(record: Record) -> RequestOut:
    """A record of the history, for people."""
    usage = record.usage
    return RequestOut(
        **{
            name: getattr(record, name)
            for name in RequestOut.__struct_fields__
            if name in Record.__struct_fields__ and name != "error"
        },
        error=redact(record.error),
        ended_ms=record.started_ms + record.total_us // 1000,
        input_tokens=usage.input_tokens,
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        output_tokens=usage.output_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        cost_usd=record.cost_microusd / 1e6,
    )


def attempts_of(record: Record) -> list[AttemptOut]:
    """Those that came to nothing, then the one that the request ended with."""
    tries = list(record.tried)
    if record.attempts > len(tries):
        left_us = record.total_us - record.queue_us - sum(tried.took_us for tried in tries)
        last = Tried(
            record.provider,
            record.connection,
            record.model,
            record.status,
            record.error,
            max(0, left_us),
        )
        tries.append(last)
    return [
        AttemptOut(
            number=number,
            provider=tried.provider,
            connection=tried.connection,
            model=tried.model,
            status=tried.status,
            error=redact(tried.error),
            took_us=tried.took_us,
            is_last=number > len(record.tried),
        )
        for number, tried in enumerate(tries, 1)
    ]


def _cursor(text: str) -> Cursor | None:
    if not text:
        return None
    found = _CURSOR.fullmatch(text)
    if found is None:
        raise invalid("cursor", "this is not the `next` of a page")
    return Cursor(int(found[1]), min(int(found[2]), (1 << 63) - 1))


def _rows(history: History, wanted: RequestFilter) -> Iterator[list[Any]]:
    rows = history.csv_rows(wanted)
    error_at = next(rows).index("error")  # the first are the names of the columns
    for row in rows:
        row[error_at] = redact(row[error_at])
        yield row


def _opened(call: Call, body: StoredBody) -> BodyOut:
    return BodyOut(
        attempt=body.attempt,
        side=body.side,
        direction=body.direction,
        at_ms=body.at_ms,
        size=body.size,
        text=call.services.installation.decrypt(body.sealed).decode("utf-8", "replace"),
    )


def _shown_connect(connect: ProxyConnect) -> ConnectOut:
    return ConnectOut(**connect._asdict())


ROUTES: Final = (
    Route(
        "GET",
        "/api/usage/call-logs",
        Policy.READ,
        "The request log, by any filter, a page at a time.",
        call_logs,
        query=Listing,
        output=RequestPage,
    ),
    Route(
        "GET",
        "/api/usage/request-logs",
        Policy.READ,
        "The same.",
        request_logs,
        query=Listing,
        output=RequestPage,
    ),
    Route(
        "GET",
        "/api/usage/call-logs/{id}",
        Policy.READ,
        "One request with each attempt and its times.",
        call_log,
        output=RequestDetail,
        refuses=(404,),
    ),
    Route(
        "GET",
        "/api/usage/call-logs/{id}/bodies",
        Policy.ADMIN,
        "What client and upstream saw of one request, where that was captured.",
        bodies,
        output=Bodies,
        description="Bodies hold what people wrote, so an admin key needs the scope `admin`.",
    ),
    Route(
        "GET",
        "/api/usage/filters",
        Policy.READ,
        "The values that occur: what a filter can offer.",
        filters,
        query=Since,
        output=dict[str, Any],
    ),
    Route(
        "GET",
        "/api/logs/export",
        Policy.READ,
        "The request log as CSV, by any filter.",
        export,
        query=LogFilter,
        produces="text/csv",
    ),
    Route(
        "GET",
        "/api/usage/proxy-logs",
        Policy.READ,
        "The log of connects through proxies.",
        proxy_logs,
        query=Connects,
        output=ConnectPage,
    ),
    Route(
        "DELETE",
        "/api/usage/proxy-logs",
        Policy.WRITE,
        "Empty the log of connects through proxies.",
        clear_proxy_logs,
        output=Removed,
    ),
)
