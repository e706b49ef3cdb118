"""Limits as meters: one for each limit of each owner, under a key that people can read.

A key says whose the meter is, what it counts and over which time: "key/file/laptop/usd/monthly",
"connection/acme/main/rpm", "tier/cheap/usd/daily". What is stored under a key belongs to the meter
that it names, so whatever changes the meaning of stored figures is part of the key.
"""

from collections.abc import Iterator
from typing import Final, Literal

from omniroute.config import (
    BudgetSettings,
    ConnectionSettings,
    KeySettings,
    QuotaSettings,
    SharedBudgetSettings,
)
from omniroute.resilience.meters import Meter

MINUTE_MS: Final = 60_000
MICRO: Final = 1_000_000

_DAY_MS: Final = 86_400_000
# A rolling month is 30 days: the shortest that no calendar month exceeds by more than one.
_WINDOW_MS: Final = {
    "5h": 18_000_000,
    "daily": _DAY_MS,
    "weekly": 7 * _DAY_MS,
    "monthly": 30 * _DAY_MS,
}


def key_meters(owner: str, key: KeySettings) -> tuple[Meter, ...]:
    """The limits of an API key; `owner` is its id ("file/laptop")."""
    prefix = f"key/{owner}"
    return (
        *_per_minute(f"{prefix}/rpm", "requests", key.rpm),
        *_per_minute(f"{prefix}/tpm", "tokens", key.tpm),
        *_running(prefix, key.max_concurrent),
        *(budget_meter(prefix, budget) for budget in key.budgets()),
    )


def connection_meters(owner: str, connection: ConnectionSettings) -> tuple[Meter, ...]:
    """The limits of a connection; `owner` is its id ("acme/main")."""
    prefix = f"connection/{owner}"
    threshold = connection.quota_threshold
    return (
        *_per_minute(f"{prefix}/rpm", "requests", connection.rpm),
        *_gap(prefix, connection.min_gap_ms),
        *_running(prefix, connection.max_concurrent),
        *(_quota(prefix, quota, threshold) for quota in connection.quotas),
    )


def budget_meter(prefix: str, budget: BudgetSettings | SharedBudgetSettings) -> Meter:
    """So many USD in a calendar period."""
    return Meter(
        key=f"{prefix}/usd/{budget.period}",
        measure="usd",
        kind="fixed",
        limit=microusd(budget.usd),
        period=budget.period,
        reset_minute=minute_of(budget.reset),
        timezone=budget.timezone,
    )


def microusd(usd: float) -> int:
    """USD as whole micro-USD."""
    return round(usd * MICRO)


def minute_of(time: str) -> int:
    """ "HH:MM" as minutes since midnight."""
    hours, minutes = time.split(":")
    return int(hours) * 60 + int(minutes)


def _per_minute(
    key: str, measure: Literal["requests", "tokens"], limit: int | None
) -> Iterator[Meter]:
    if limit is not None:
        yield Meter(key=key, measure=measure, kind="rolling", limit=limit, window_ms=MINUTE_MS)


def _running(prefix: str, limit: int | None) -> Iterator[Meter]:
    if limit is not None:
        yield Meter(key=f"{prefix}/running", measure="running", kind="running", limit=limit)


def _gap(prefix: str, gap_ms: int) -> Iterator[Meter]:
    if gap_ms:
        yield Meter(key=f"{prefix}/gap", measure="gap", kind="gap", limit=gap_ms)


def _quota(prefix: str, quota: QuotaSettings, threshold: float) -> Meter:
    """The share of a quota that may be used: the account is passed over from there on."""
    whole = microusd(quota.limit) if quota.measure == "usd" else int(quota.limit)
    fixed = quota.kind == "fixed"
    return Meter(
        key=f"{prefix}/{quota.measure}/{quota.window}/{quota.kind}",
        measure=quota.measure,
        kind=quota.kind,
        limit=max(1, round(whole * threshold)),
        window_ms=0 if fixed else _WINDOW_MS[quota.window],
        period=quota.window if fixed and quota.window != "5h" else "",
        reset_minute=minute_of(quota.reset) if fixed else 0,
        timezone=quota.timezone if fixed else "UTC",
    )
