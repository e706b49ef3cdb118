"""Is it alive, and how is everything: health for anybody, the status for those who may see it."""

from typing import Any

import msgspec

from omniroute.control.api.declare import Call, Route
from omniroute.control.policy import Policy


class Health(msgspec.Struct):
    """That the control process answers; no detail."""

    status: str


async def health(call: Call) -> Health:
    return Health("ok")


async def status(call: Call) -> dict[str, Any]:
    """Numbers and short sentences; nothing in it is secret."""
    return await call.blocking(call.services.status)


ROUTES = (
    Route("GET", "/api/health", Policy.OPEN, "Is the gateway alive?", health, output=Health),
    Route(
        "GET",
        "/api/status",
        Policy.READ,
        "How everything is: processes, configuration, history, state, limits, jobs, problems.",
        status,
        output=dict[str, Any],
    ),
)
