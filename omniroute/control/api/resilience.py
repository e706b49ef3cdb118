"""What is held against providers, accounts and models, and how a person lifts it."""

from typing import Any, Literal

import msgspec

from omniroute.control.api.declare import Call, Route
from omniroute.control.health import told_health
from omniroute.control.policy import Policy
from omniroute.control.resetting import reset


class Reset(msgspec.Struct, forbid_unknown_fields=True):
    """What is to be forgotten; everything without any of the three."""

    kind: Literal["breaker", "cooldown", "lockout", "target", "quota"] | None = None
    subject: str = ""  # a connection's id (`acme/main`), or a provider's for all of its own
    detail: str = ""  # a model, or the window of a quota


class Forgotten(msgspec.Struct):
    """How many conditions there were."""

    removed: int


async def conditions(call: Call) -> dict[str, Any]:
    """As in the status, without the rest of it."""
    _, table = await call.blocking(call.services.state.conditions.read)
    return told_health(table, call.services.now_ms())


async def lift(call: Call) -> Forgotten:
    """In force at the next request in every worker."""
    wish: Reset = call.body
    removed = await call.blocking(
        reset,
        call.services.state.conditions,
        kind=wish.kind or "",
        subject=wish.subject,
        detail=wish.detail,
    )
    call.audit("conditions", before=wish, after={"removed": removed})
    return Forgotten(removed)


ROUTES = (
    Route(
        "GET",
        "/api/resilience/conditions",
        Policy.READ,
        "Breakers, cooldowns, lockouts, failing models, reported quotas.",
        conditions,
        output=dict[str, Any],
    ),
    Route(
        "POST",
        "/api/resilience/reset",
        Policy.WRITE,
        "Forget what is held against providers, accounts and models.",
        lift,
        input=Reset,
        output=Forgotten,
        description="With an empty object everything; else what fits all that is given. It is in "
        "force at the next request. Who is banned stays banned.",
    ),
)
