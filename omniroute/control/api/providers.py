"""Connections with their live state, custom and changed providers, and who there is.

A connection is one account or key of a provider; its id is `provider/name`, in a path
`provider%2Fname`. A provider of one's own, or what differs from a built-in one, is a node.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec

from omniroute.config import ConnectionSettings, ProviderSettings
from omniroute.control.api.declare import Call, Route
from omniroute.control.api.services import Services
from omniroute.control.api.things import Area, editing_of, in_wire_names, routes
from omniroute.control.editing import Thing
from omniroute.control.health import told_health
from omniroute.control.in_use import Limit, limits_of
from omniroute.control.policy import Policy
from omniroute.control.refusal import missing
from omniroute.providers.registry import ProviderRow
from omniroute.snapshot import ProviderView, Snapshot

Conditions = Mapping[str, list[dict[str, Any]]]

State = Literal["usable", "off", "left out", "incomplete", "blocked", "cooling", "provider down"]


def _tell_connections(services: Services, things: Sequence[Thing]) -> list[dict[str, Any]]:
    now_ms = services.now_ms()
    health = told_health(services.state.conditions.read()[1], now_ms)
    snapshot = services.configuration.snapshot
    assert snapshot is not None, "published before this process serves"
    views = {view.id: view for view in snapshot.connections}
    providers = {view.id: view for view in snapshot.providers}
    limits = limits_of(
        services.state,
        {thing.id: views[thing.id].meters for thing in things if thing.id in views},
        now_ms,
    )
    told = []
    for thing in things:
        provider = thing.id.partition("/")[0]
        conditions = [
            each for part in ("cooldowns", "lockouts") for each in _of(health[part], thing.id)
        ]
        told.append(
            {
                "state": _state(thing, providers.get(provider), health, snapshot),
                "hasCredential": bool(thing.values.get("api_key")),
                "conditions": conditions,
                "breaker": next(_of(health["breakers"], provider), None),
                "quotasReported": list(_of(health["quotas"], thing.id)),
                "limits": limits.get(thing.id, []),
            }
        )
    return told


def _of(conditions: Sequence[dict[str, Any]], subject: str) -> Iterator[dict[str, Any]]:
    return (each for each in conditions if each["subject"] == subject)


def _state(
    thing: Thing, provider: ProviderView | None, health: Conditions, snapshot: Snapshot
) -> State:
    """The first reason why it would not be used now."""
    if thing.problem:
        return "left out"
    if not thing.values.get("enabled", True):
        return "off"
    if provider is None:
        return "blocked"
    if provider.needs:
        return "incomplete"
    if any(each["state"] == "open" for each in _of(health["breakers"], provider.id)):
        return "provider down"
    if any(each["state"] == "cooling" for each in _of(health["cooldowns"], thing.id)):
        return "cooling"
    return "usable"


CONNECTIONS = Area(
    "connection",
    ConnectionSettings,
    "/api/providers",
    "Connection",
    "connections",
    more=(
        ("state", State),
        ("hasCredential", bool),
        ("conditions", list[dict[str, Any]]),
        ("breaker", dict[str, Any] | None),
        ("quotasReported", list[dict[str, Any]]),
        ("limits", list[Limit]),
    ),
    tell=_tell_connections,
)

NODES = Area("provider", ProviderSettings, "/api/provider-nodes", "ProviderNode", "nodes")


# Who there is


class Known(msgspec.Struct):
    """A provider that is built in or configured. `needs` says what it lacks, "" when nothing."""

    id: str
    name: str
    prefixes: list[str]
    format: str
    tier: str
    baseUrl: str
    builtIn: bool
    signIn: str
    isActive: bool
    isBlocked: bool
    isUsable: bool
    needs: str
    connections: int
    models: int


class KnownList(msgspec.Struct):
    providers: list[Known]


class Switch(msgspec.Struct, forbid_unknown_fields=True):
    """A whole provider on or off."""

    isActive: bool


async def catalog(call: Call) -> KnownList:
    return KnownList(await call.blocking(_known, call.services))


def _known(services: Services) -> list[Known]:
    snapshot, settings = services.configuration.snapshot, services.configuration.settings
    assert snapshot is not None, "published before this process serves"
    rows = {row.id: row for row in services.configuration.registry()}
    views = {view.id: view for view in snapshot.providers}
    editing = editing_of(services)
    counts: dict[str, int] = {}
    for connection in settings.connections if settings else ():
        id_ = editing.provider_id(connection.provider)
        counts[id_] = counts.get(id_, 0) + 1
    declared = {
        editing.provider_id(provider.id): provider
        for provider in (settings.providers if settings else ())
    }
    blocked = {editing.provider_id(name) for name in snapshot.routing.blocked_providers}
    return [
        _known_one(
            id_,
            rows.get(id_),
            views.get(id_),
            declared.get(id_),
            is_blocked=id_ in blocked,
            connections=counts.get(id_, 0),
        )
        for id_ in dict.fromkeys((*declared, *views, *rows))
    ]


def _known_one(
    id_: str,
    row: ProviderRow | None,
    view: ProviderView | None,
    declared: ProviderSettings | None,
    *,
    is_blocked: bool,
    connections: int,
) -> Known:
    wish = declared or ProviderSettings(id=id_)
    return Known(
        id=id_,
        name=row.name if row else id_,
        prefixes=list(row.prefixes) if row else [id_],
        format=view.format if view else wish.format or (row.format if row else ""),
        tier=view.tier if view else wish.tier or (row.tier if row else "apikey"),
        baseUrl=view.base_url if view else wish.base_url or (row.base_url if row else ""),
        builtIn=row is not None,
        signIn=row.sign_in if row else "",
        isActive=wish.enabled,
        isBlocked=is_blocked,
        isUsable=view is not None and not view.needs,
        needs=view.needs if view else "",
        connections=connections,
        models=len(view.models) if view else len(row.models) if row else 0,
    )


async def switch(call: Call) -> Known:
    """Stores only this where nothing is stored of the provider yet."""
    id_ = call.path["id"]
    known = {each.id for each in await call.blocking(_known, call.services)}
    if id_ not in known:
        raise missing(f"provider {id_}")
    with in_wire_names(ProviderSettings):
        await call.blocking(_switch, call.services, id_, call.body.isActive)
    call.audit(f"provider/{id_}", after={"isActive": call.body.isActive})
    return next(each for each in await call.blocking(_known, call.services) if each.id == id_)


def _switch(services: Services, id_: str, is_on: bool) -> None:
    editing = editing_of(services)
    if services.store.entities.get("provider", id_) is None:
        editing.create("provider", {"id": id_, "enabled": is_on})
    else:
        editing.patch("provider", id_, {"enabled": is_on})


ROUTES = (
    *routes(CONNECTIONS),
    *routes(NODES),
    Route(
        "GET",
        "/api/providers/catalog",
        Policy.READ,
        "Every provider that is built in or configured.",
        catalog,
        output=KnownList,
    ),
    Route(
        "PATCH",
        "/api/providers/catalog/{id}",
        Policy.WRITE,
        "Switch a whole provider on or off.",
        switch,
        input=Switch,
        output=Known,
        refuses=(409,),
    ),
)
