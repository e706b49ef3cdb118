"""Meters: limits as data, and what a finished request counts at one.

A `Meter` names one limit of one owner; `gauges` decides on what is stored for it. Times are Unix
milliseconds.
"""

from collections.abc import Callable, Mapping
from typing import Final, Literal, NamedTuple, TypeAlias

from msgspec import Struct

from omniroute.record import Record

Measure = Literal["requests", "tokens", "usd", "running", "gap"]
Kind = Literal["running", "rolling", "fixed", "session", "gap"]


class Meter(Struct, frozen=True, kw_only=True, cache_hash=True):
    """One limit of one owner.

    kind: `running` counts what is under way; `rolling` what was used in the last `window_ms`;
    `fixed` what was used since `period` began at `reset_minute` of the local day; `session` what
    was used in a window of `window_ms` that began with its first use; `gap` is the time in ms that
    must pass between two requests.

    measure: what is counted. `requests` and `gap` count when admitted and are not given back;
    `tokens` (input + output) and `usd` (in micro-USD) are reserved and settled; `running` is
    reserved and given back.
    """

    key: str  # unique: "key/file/laptop/usd/monthly"; the owner's kind comes first
    measure: Measure
    kind: Kind
    limit: int  # requests, tokens, micro-USD, running requests; ms for a gap
    window_ms: int = 0  # rolling and session
    period: Literal["", "daily", "weekly", "monthly"] = ""  # fixed
    reset_minute: int = 0  # of the local day
    timezone: str = "UTC"


class Refused(NamedTuple):
    """Why an amount was not admitted."""

    used: int
    reserved: int
    wait_ms: int | None  # when trying again may help; None: the amount is greater than the limit


class Reading(NamedTuple):
    """A meter at one moment."""

    used: int
    reserved: int
    resets_ms: int | None  # Unix time at which the window ends or something becomes free


Part: TypeAlias = tuple[int, int]
"""Something that was used in the past: Unix time in ms, and how much."""

MEASURES: Final[Mapping[Measure, Callable[[Record], int]]] = {
    "requests": lambda _: 1,
    "tokens": lambda record: record.usage.total_tokens,
    "usd": lambda record: record.cost_microusd,
    "running": lambda _: 0,
    "gap": lambda _: 0,
}


def measure(meter: Meter, record: Record) -> int:
    """What a finished request counts at the meter; never negative."""
    return max(0, MEASURES[meter.measure](record))
