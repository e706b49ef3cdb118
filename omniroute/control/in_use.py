"""Limits in use: of every configured limit what is used, reserved and left, and who waits now."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from omniroute.control.priming import owners_of
from omniroute.resilience.meters import Meter, Reading
from omniroute.snapshot import Snapshot
from omniroute.state.interface import State


class LimitInUse(msgspec.Struct, kw_only=True):
    """One limit at one moment. Amounts are requests, tokens, micro-USD or running requests; of a
    gap, milliseconds. `is_throttled`: the next request has to wait or is refused."""

    key: str
    owner_kind: str  # key | connection | provider | tier
    owner: str
    measure: str
    kind: str
    period: str
    window_ms: int
    limit: int
    used: int
    reserved: int
    left: int
    resets_ms: int | None
    resets_in_s: float | None
    is_throttled: bool


class Limit(msgspec.Struct):
    """A limit of a key or a connection: how much of it is used."""

    key: str
    measure: str
    limit: int
    used: int
    reserved: int
    resetsMs: int | None


def limits_of(
    state: State, meters: Mapping[str, Sequence[Meter]], now_ms: int
) -> dict[str, list[Limit]]:
    """Of each owner, named as in `meters`, its limits in their order. Raises StateError."""
    readings = iter(
        state.limits.readings([each for own in meters.values() for each in own], now_ms)
    )
    # One owner after the other takes its own from the front.
    return {
        owner: [
            Limit(each.key, each.measure, each.limit, read.used, read.reserved, read.resets_ms)
            for each, read in zip(own, readings, strict=False)
        ]
        for owner, own in meters.items()
    }


def limits_in_use(state: State, snapshot: Snapshot | None, now_ms: int) -> list[LimitInUse]:
    """Every limit of the configuration, in its order. Raises StateError."""
    owners = {} if snapshot is None else owners_of(snapshot)
    meters = list(owners)
    readings = state.limits.readings(meters, now_ms)
    return [
        _shown(meter, owners[meter].field.removesuffix("_id"), owners[meter].name, reading, now_ms)
        for meter, reading in zip(meters, readings, strict=True)
    ]


def _shown(meter: Meter, kind: str, name: str, reading: Reading, now_ms: int) -> LimitInUse:
    left = max(0, meter.limit - reading.used - reading.reserved)
    resets_ms = reading.resets_ms
    return LimitInUse(
        key=meter.key,
        owner_kind=kind,
        owner=name,
        measure=meter.measure,
        kind=meter.kind,
        period=meter.period,
        window_ms=meter.window_ms,
        limit=meter.limit,
        used=reading.used,
        reserved=reading.reserved,
        left=left,
        resets_ms=resets_ms,
        resets_in_s=None if resets_ms is None else max(0, resets_ms - now_ms) / 1000,
        is_throttled=reading.used > 0 if meter.kind == "gap" else left == 0,
    )


def plain(limits: list[LimitInUse]) -> list[dict[str, Any]]:
    """The same as plain data, for the status."""
    return [msgspec.structs.asdict(limit) for limit in limits]
