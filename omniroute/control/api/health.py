"""How the gateway is: processes, data, jobs, conditions; limits in use; quotas of the accounts."""

from typing import Any, Final

import msgspec

from omniroute.control.api.declare import Call, Route
from omniroute.control.api.services import Services
from omniroute.control.in_use import LimitInUse, limits_in_use
from omniroute.control.policy import Policy
from omniroute.control.quotas_shown import AccountQuotas, account_quotas
from omniroute.control.refusal import missing
from omniroute.control.resetting import KINDS, reset
from omniroute.resilience import quota

# What the status has beside, such as the limits, has a route of its own.
_PARTS: Final = (
    "version",
    "started_ms",
    "uptime_s",
    "endpoint",
    "dashboard",
    "draining",
    "control_restarts",
    "configuration",
    "outbox",
    "history",
    "state",
    "cache",
    "data_bytes",
    "health",
    "jobs",
    "traces",
    "problems",
)


class Health(msgspec.Struct, kw_only=True):
    """`status` is `healthy` or, where a person should look at something, `degraded`."""

    status: str
    processes: list[dict[str, Any]]
    system: dict[str, Any]


class Limits(msgspec.Struct):
    """In the order of the configuration. `throttled`: the keys of those that hold now."""

    limits: list[LimitInUse]
    throttled: list[str]


class Quotas(msgspec.Struct):
    """By account."""

    accounts: list[AccountQuotas]


class Refresh(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """One connection, or all."""

    connection_id: str = ""


class Refreshing(msgspec.Struct):
    """How many accounts are asked for."""

    asked: int


class Running(msgspec.Struct):
    """What runs in one worker."""

    worker: int
    state: str
    inflight: int


class Active(msgspec.Struct):
    """Requests under way."""

    inflight: int
    workers: list[Running]


class Forgotten(msgspec.Struct):
    """How many conditions there were."""

    removed: int


async def monitoring(call: Call) -> Health:
    """What the status tells, processes with their memory and CPU joined to what they do."""
    document = await call.blocking(call.services.status)
    problems = document.get("problems", [])
    doing = {f"worker-{each['worker']}": each for each in document.get("workers", [])}
    return Health(
        status="degraded" if problems else "healthy",
        processes=[
            {**doing.get(each["process"], {}), **each} for each in document.get("processes", [])
        ],
        system={name: document[name] for name in _PARTS if name in document},
    )


async def forget(call: Call) -> Forgotten:
    """Breakers, cooldowns, lockouts and failing models; quotas are what providers report."""
    removed = await call.blocking(_forget, call.services)
    call.audit("conditions", after={"removed": removed})
    return Forgotten(removed)


def _forget(services: Services) -> int:
    kinds = (kind for kind in KINDS if kind != quota.QUOTA)
    return sum(reset(services.state.conditions, kind=kind) for kind in kinds)


async def rate_limits(call: Call) -> Limits:
    return await _limits(call)


async def utilization(call: Call) -> Limits:
    """The same under the name that it has among the figures of usage."""
    return await _limits(call)


async def _limits(call: Call) -> Limits:
    services = call.services
    limits = await call.blocking(
        limits_in_use, services.state, services.configuration.snapshot, services.now_ms()
    )
    return Limits(limits, [limit.key for limit in limits if limit.is_throttled])


async def quotas(call: Call) -> Quotas:
    return Quotas(await call.blocking(_quotas, call.services))


async def provider_limits(call: Call) -> Quotas:
    """The same under the name that the dashboard of old has for it."""
    return Quotas(await call.blocking(_quotas, call.services))


async def refresh_quotas(call: Call) -> Refreshing:
    """Answers at once; what providers tell is there within seconds."""
    asked = call.services.hurry_quotas(call.body.connection_id)
    if call.body.connection_id and not asked:
        raise missing(f"account {call.body.connection_id} whose provider can be asked")
    return Refreshing(asked)


async def account(call: Call) -> AccountQuotas:
    id_ = call.path["connection"]
    for each in await call.blocking(_quotas, call.services):
        if each.connection == id_:
            return each
    raise missing(f"connection {id_}")


def _quotas(services: Services) -> list[AccountQuotas]:
    snapshot = services.configuration.snapshot
    if snapshot is None:
        return []
    _, table = services.state.conditions.read()
    return account_quotas(snapshot, table, services.now_ms())


async def active(call: Call) -> Active:
    document = await call.blocking(call.services.status)
    workers = [
        Running(each["worker"], each.get("state", ""), each.get("inflight", 0))
        for each in document.get("workers", [])
    ]
    return Active(sum(worker.inflight for worker in workers), workers)


ROUTES: Final = (
    Route(
        "GET",
        "/api/monitoring/health",
        Policy.READ,
        "How everything is: processes, data, queues, jobs, what stands against accounts.",
        monitoring,
        output=Health,
    ),
    Route(
        "DELETE",
        "/api/monitoring/health",
        Policy.WRITE,
        "Forget all breakers, cooldowns, lockouts and failing models.",
        forget,
        output=Forgotten,
        description="In force at the next request. Single ones: `POST /api/resilience/reset`.",
    ),
    Route(
        "GET",
        "/api/rate-limits",
        Policy.READ,
        "Limits in use: used, reserved and left, and who is throttled now.",
        rate_limits,
        output=Limits,
    ),
    Route(
        "GET",
        "/api/usage/utilization",
        Policy.READ,
        "The same.",
        utilization,
        output=Limits,
    ),
    Route(
        "GET",
        "/api/usage/quota",
        Policy.READ,
        "The quotas of all accounts as their providers report them, with a countdown.",
        quotas,
        output=Quotas,
    ),
    Route(
        "GET",
        "/api/usage/provider-limits",
        Policy.READ,
        "The same.",
        provider_limits,
        output=Quotas,
    ),
    Route(
        "POST",
        "/api/usage/provider-limits",
        Policy.WRITE,
        "Ask providers for the quotas of an account, or of all, before their time.",
        refresh_quotas,
        input=Refresh,
        output=Refreshing,
        status=202,
        refuses=(404,),
        changes=False,
        description="Nobody is asked twice within a minute.",
    ),
    Route(
        "GET",
        "/api/usage/{connection:path}",
        Policy.READ,
        "The quotas of one account.",
        account,
        output=AccountQuotas,
        refuses=(404,),
    ),
    Route(
        "GET",
        "/api/logs/active",
        Policy.READ,
        "How many requests are under way, in each worker.",
        active,
        output=Active,
    ),
)
