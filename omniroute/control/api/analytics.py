"""Sums over the history: by any dimension and span of time, costs, percentiles, per provider."""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from omniroute.control.api.asking import SumsFilter, filter_of
from omniroute.control.api.declare import Call, Route
from omniroute.control.policy import Policy
from omniroute.control.refusal import invalid
from omniroute.store.analytics import Bucket, Dimension, Percentiles, Summed
from omniroute.store.filters import RequestFilter
from omniroute.store.rollups import DAY_MS, HOUR_MS

_ROWS: Final = 20_000  # of one answer
_DIMENSIONS: Final = 3
_SUMMARY_MS: Final = DAY_MS


class Sums(SumsFilter, forbid_unknown_fields=True, kw_only=True):
    """Which sums. Days are those of UTC; a span that begins or ends within an hour counts whole."""

    by: Annotated[list[Dimension], Meta(max_length=_DIMENSIONS)] = msgspec.field(
        default_factory=list
    )
    bucket: Bucket = "total"
    percentiles: bool = False


class Costs(SumsFilter, forbid_unknown_fields=True, kw_only=True):
    """What costs are split by."""

    by: Dimension = "model"


class Series(SumsFilter, forbid_unknown_fields=True, kw_only=True):
    """A series over time, without dimensions."""

    bucket: Literal["hour", "day", "week", "month"] = "day"


class Analytics(msgspec.Struct):
    """By time, then the most requests first; what has no requests is left out."""

    rows: list[Summed]


class Cost(msgspec.Struct, kw_only=True):
    """What one value of the dimension cost."""

    value: str | int
    cost_microusd: int
    cost_usd: float


class CostTable(msgspec.Struct, kw_only=True):
    """The dearest first."""

    by: Dimension
    total_microusd: int
    total_usd: float
    costs: list[Cost]


class Latencies(msgspec.Struct, kw_only=True):
    """Percentiles of some requests. The share of failures is 0 to 1."""

    requests: int
    failed_share: float
    total: Percentiles
    first_byte: Percentiles
    overhead: Percentiles


class Summary(msgspec.Struct, kw_only=True):
    """Of all requests in the span, and of each provider."""

    since_ms: int
    all: Latencies | None
    providers: dict[str, Latencies]


class Counters(msgspec.Struct, kw_only=True):
    """What one provider or combo did. Means in microseconds."""

    requests: int
    errors: int
    cancelled: int
    success_share: float
    input_tokens: int
    output_tokens: int
    cost_microusd: int
    cost_usd: float
    mean_total_us: int
    total: Percentiles
    first_byte: Percentiles


class CountersByName(msgspec.Struct, kw_only=True):
    """By id of the provider or name of the combo."""

    since_ms: int
    metrics: dict[str, Counters]


async def analytics(call: Call) -> Analytics:
    query: Sums = call.query
    if len(set(query.by)) < len(query.by):
        raise invalid("by", "a dimension is named twice")
    return Analytics(
        await _sums(call, filter_of(query), tuple(query.by), query.bucket, query.percentiles)
    )


async def history(call: Call) -> Analytics:
    query: Series = call.query
    return Analytics(await _sums(call, filter_of(query), (), query.bucket, False))


async def costs(call: Call) -> CostTable:
    query: Costs = call.query
    store = call.services.store.analytics
    found = await call.blocking(lambda: store.costs(filter_of(query), by=query.by))
    total = sum(cost for _, cost in found)
    return CostTable(
        by=query.by,
        total_microusd=total,
        total_usd=total / 1e6,
        costs=[
            Cost(value=value, cost_microusd=cost, cost_usd=cost / 1e6)
            for value, cost in found[:_ROWS]
        ],
    )


async def summary(call: Call) -> Summary:
    wanted = _recent(call)
    whole = await _sums(call, wanted, (), "total", True)
    split = await _sums(call, wanted, ("provider",), "total", True)
    return Summary(
        since_ms=wanted.since_ms or 0,
        all=_latencies(whole[0]) if whole else None,
        providers={str(row.by["provider"]): _latencies(row) for row in split if row.by["provider"]},
    )


async def provider_metrics(call: Call) -> CountersByName:
    return await _counters(call, "provider")


async def combo_metrics(call: Call) -> CountersByName:
    return await _counters(call, "combo")


async def _counters(call: Call, dimension: Dimension) -> CountersByName:
    wanted = _recent(call)
    rows = await _sums(call, wanted, (dimension,), "total", True)
    found = {str(row.by[dimension]): _counted(row) for row in rows if row.by[dimension]}
    return CountersByName(since_ms=wanted.since_ms or 0, metrics=found)


def _recent(call: Call) -> RequestFilter:
    """Without a begin: the last day, by whole hours."""
    query: SumsFilter = call.query
    if query.since_ms is None:
        query.since_ms = max(0, call.services.now_ms() - _SUMMARY_MS) // HOUR_MS * HOUR_MS
    return filter_of(query)


async def _sums(
    call: Call,
    wanted: RequestFilter,
    by: tuple[Dimension, ...],
    bucket: Bucket,
    percentiles: bool,
) -> list[Summed]:
    store = call.services.store.analytics
    rows = await call.blocking(
        lambda: store.sums(wanted, by=by, bucket=bucket, percentiles=percentiles)
    )
    if len(rows) > _ROWS:
        raise invalid(
            "bucket",
            f"these are {len(rows)} rows, and an answer has {_ROWS} at most: ask for a shorter "
            "time, larger buckets or fewer dimensions",
        )
    return rows


def _latencies(row: Summed) -> Latencies:
    return Latencies(
        requests=row.requests,
        failed_share=row.errors / row.requests,
        total=row.total,
        first_byte=row.first_byte,
        overhead=row.overhead,
    )


def _counted(row: Summed) -> Counters:
    return Counters(
        requests=row.requests,
        errors=row.errors,
        cancelled=row.cancelled,
        success_share=1 - row.errors / row.requests,
        input_tokens=row.input_tokens,
        output_tokens=row.output_tokens,
        cost_microusd=row.cost_microusd,
        cost_usd=row.cost_microusd / 1e6,
        mean_total_us=row.total_us // row.requests,
        total=row.total,
        first_byte=row.first_byte,
    )


ROUTES: Final = (
    Route(
        "GET",
        "/api/usage/analytics",
        Policy.READ,
        "Sums by up to three dimensions and a span of time, with percentiles on demand.",
        analytics,
        query=Sums,
        output=Analytics,
    ),
    Route(
        "GET",
        "/api/usage/history",
        Policy.READ,
        "Sums over time: requests, tokens, costs of each hour, day, week or month.",
        history,
        query=Series,
        output=Analytics,
    ),
    Route(
        "GET",
        "/api/usage/costs",
        Policy.READ,
        "What was spent, by any dimension.",
        costs,
        query=Costs,
        output=CostTable,
    ),
    Route(
        "GET",
        "/api/telemetry/summary",
        Policy.READ,
        "p50, p95 and p99 of all requests and of each provider; of the last day unless asked.",
        summary,
        query=SumsFilter,
        output=Summary,
    ),
    Route(
        "GET",
        "/api/provider-metrics",
        Policy.READ,
        "Counts, shares and durations of each provider; of the last day unless asked.",
        provider_metrics,
        query=SumsFilter,
        output=CountersByName,
    ),
    Route(
        "GET",
        "/api/combos/metrics",
        Policy.READ,
        "Counts, shares and durations of each combo; of the last day unless asked.",
        combo_metrics,
        query=SumsFilter,
        output=CountersByName,
    ),
)
