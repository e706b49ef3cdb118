"""Budgets: of keys, tiers and providers, with what is used of them right now."""

from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, UnsetType

from omniroute.config import KeySettings, SharedBudgetSettings
from omniroute.config.spending import TIME
from omniroute.control.api.declare import Call, Route
from omniroute.control.api.keys import issuing_of
from omniroute.control.api.services import Services
from omniroute.control.api.things import Area, in_wire_names, routes
from omniroute.control.policy import Policy
from omniroute.control.refusal import invalid
from omniroute.resilience.meters import Meter

SHARED = Area(
    "budget", SharedBudgetSettings, "/api/budgets", "SharedBudget", "budgets", has_order=False
)

_MICRO: Final = 1_000_000
Usd = Annotated[float, msgspec.Meta(ge=0, le=1_000_000_000)]
_PERIODS: Final = ("daily", "weekly", "monthly")


class BudgetState(msgspec.Struct):
    """A budget and how it stands. `ownerId` is a key's or provider's id, or a tier."""

    owner: Literal["key", "tier", "provider"]
    ownerId: str
    name: str
    period: str
    limitUsd: float
    usedUsd: float
    reservedUsd: float
    leftUsd: float
    limit_microusd: int
    used_microusd: int
    reserved_microusd: int
    resetsMs: int | None


class BudgetStates(msgspec.Struct):
    budgets: list[BudgetState]


class OfKey(msgspec.Struct, forbid_unknown_fields=True):
    """Those of one key; all where it is left out."""

    apiKeyId: str = ""


class KeyBudget(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A key's limits in USD: what is not given stays, null ends a limit. Either by period or, as
    older scripts say it, `keyId`, `limit` and `period`."""

    apiKeyId: str = ""
    keyId: str = ""
    dailyLimitUsd: Usd | UnsetType | None = UNSET
    weeklyLimitUsd: Usd | UnsetType | None = UNSET
    monthlyLimitUsd: Usd | UnsetType | None = UNSET
    limit: Usd | UnsetType | None = UNSET
    period: Literal["daily", "weekly", "monthly"] = "monthly"
    resetTime: Annotated[str, msgspec.Meta(pattern=TIME)] | UnsetType = UNSET
    timezone: str | UnsetType = UNSET


async def states(call: Call) -> BudgetStates:
    return await call.blocking(_states, call.services, call.query.apiKeyId)


def _states(services: Services, key_id: str) -> BudgetStates:
    if key_id:
        issuing_of(services).key(key_id)  # refuses an unknown one
    known = [each for each in _meters(services) if not key_id or each[:2] == ("key", key_id)]
    readings = services.state.limits.readings([meter for *_, meter in known], services.now_ms())
    return BudgetStates(
        [
            BudgetState(
                owner=owner,
                ownerId=id_,
                name=name,
                period=meter.period,
                limitUsd=meter.limit / _MICRO,
                usedUsd=reading.used / _MICRO,
                reservedUsd=reading.reserved / _MICRO,
                leftUsd=max(0, meter.limit - reading.used - reading.reserved) / _MICRO,
                limit_microusd=meter.limit,
                used_microusd=reading.used,
                reserved_microusd=reading.reserved,
                resetsMs=reading.resets_ms,
            )
            for (owner, id_, name, meter), reading in zip(known, readings, strict=True)
        ]
    )


def _meters(
    services: Services,
) -> Iterator[tuple[Literal["key", "tier", "provider"], str, str, Meter]]:
    snapshot = services.configuration.snapshot
    assert snapshot is not None, "published before this process serves"
    seen: set[str] = set()  # a key that was rotated stands there twice
    for key in snapshot.keys:
        for meter in key.meters:
            if meter.measure == "usd" and meter.key not in seen:
                seen.add(meter.key)
                yield "key", key.id, key.name, meter
    for budget in snapshot.budgets:
        if budget.tier:
            yield "tier", budget.tier, budget.tier, budget.meter
        else:
            yield "provider", budget.provider, budget.provider, budget.meter


async def limit_key(call: Call) -> BudgetStates:
    wish: KeyBudget = call.body
    id_ = wish.apiKeyId or wish.keyId
    if not id_:
        raise invalid("apiKeyId", "this field is needed")
    with in_wire_names(KeySettings):
        before, after = await call.blocking(_limit_key, call.services, id_, wish)
    call.audit(f"key/{id_}", before={"budget": before}, after={"budget": after})
    return await call.blocking(_states, call.services, id_)


def _limit_key(services: Services, id_: str, wish: KeyBudget) -> tuple[Any, Any]:
    issuing = issuing_of(services)
    known = issuing.key(id_).thing.values.get("budget", [])
    budgets = {each.get("period", "monthly"): dict(each) for each in _listed(known)}
    wished = {
        period: limit
        for period, limit in (
            (wish.period, wish.limit),
            *zip(
                _PERIODS,
                (wish.dailyLimitUsd, wish.weeklyLimitUsd, wish.monthlyLimitUsd),
                strict=True,
            ),
        )
        if limit is not UNSET
    }
    for period, limit in wished.items():
        if limit is None:
            budgets.pop(period, None)
            continue
        budget = budgets.setdefault(period, {"period": period})
        budget["usd"] = limit
        budget |= {
            name: value
            for name, value in (("reset", wish.resetTime), ("timezone", wish.timezone))
            if value is not UNSET
        }
    before, after = issuing.patch(id_, {"budget": list(budgets.values()) or None})
    return before.thing.values.get("budget"), after.thing.values.get("budget")


def _listed(budget: Any) -> list[dict[str, Any]]:
    """A key's budgets may be written as one table."""
    return [budget] if isinstance(budget, dict) else list(budget)


ROUTES = (
    *routes(SHARED),
    Route(
        "GET",
        "/api/usage/budget",
        Policy.READ,
        "Every budget and what is used, reserved and left of it.",
        states,
        query=OfKey,
        output=BudgetStates,
        refuses=(404,),
    ),
    Route(
        "POST",
        "/api/usage/budget",
        Policy.KEYS,
        "Limit what a key may spend.",
        limit_key,
        input=KeyBudget,
        output=BudgetStates,
        refuses=(404, 409),
    ),
)
