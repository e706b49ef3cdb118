"""Lockouts: models that rest at an account or a provider, and lifting one of them by hand."""

from typing import Any, Final, Literal

import msgspec

from omniroute.control.api.declare import Call, Route
from omniroute.control.health import told_health
from omniroute.control.policy import Policy
from omniroute.control.refusal import missing
from omniroute.control.resetting import reset
from omniroute.resilience import cooldown

_KINDS: Final = (cooldown.LOCKOUT, cooldown.TARGET, cooldown.CONNECTION)


class Lockouts(msgspec.Struct):
    """What rests: models of an account, models of a provider, whole accounts."""

    lockouts: list[dict[str, Any]]
    targets: list[dict[str, Any]]
    cooldowns: list[dict[str, Any]]


class Unlock(msgspec.Struct, forbid_unknown_fields=True):
    """`identifier`: an account (`acme/main`) or provider, and after a blank a model, for that one
    alone."""

    action: Literal["unlock"]
    identifier: str


class Unlocked(msgspec.Struct):
    """How many conditions there were."""

    removed: int


async def lockouts(call: Call) -> Lockouts:
    _, table = await call.blocking(call.services.state.conditions.read)
    told = told_health(table, call.services.now_ms())
    return Lockouts(told["lockouts"], told["targets"], told["cooldowns"])


async def unlock(call: Call) -> Unlocked:
    """In force at the next request in every worker."""
    subject, _, detail = call.body.identifier.strip().partition(" ")
    if not subject:
        raise missing("such lockout")
    conditions = call.services.state.conditions
    removed = await call.blocking(
        lambda: sum(
            reset(conditions, kind=kind, subject=subject, detail=detail.strip()) for kind in _KINDS
        )
    )
    if not removed:
        raise missing(f"lockout of {call.body.identifier}")
    call.audit("conditions", before=call.body, after={"removed": removed})
    return Unlocked(removed)


ROUTES: Final = (
    Route(
        "GET", "/api/policies", Policy.READ, "What is locked out now.", lockouts, output=Lockouts
    ),
    Route(
        "POST",
        "/api/policies",
        Policy.WRITE,
        "Lift one lockout.",
        unlock,
        input=Unlock,
        output=Unlocked,
        refuses=(404,),
    ),
)
