"""Names that stand for others: aliases, wildcard routes (model to combo), fallback chains.

Aliases can also be read and set as a table of names at `/api/models/alias`, as older scripts do.
"""

from typing import Annotated

import msgspec

from omniroute.config import AliasSettings, FallbackChainSettings, RouteSettings
from omniroute.control.api.declare import Call, Route
from omniroute.control.api.services import Services
from omniroute.control.api.things import Area, editing_of, in_wire_names, routes
from omniroute.control.policy import Policy

ALIASES = Area("alias", AliasSettings, "/api/aliases", "Alias", "aliases")
MAPPINGS = Area(
    "route", RouteSettings, "/api/model-combo-mappings", "ModelComboMapping", "mappings"
)
CHAINS = Area("chain", FallbackChainSettings, "/api/fallback/chains", "FallbackChain", "chains")

Name = Annotated[str, msgspec.Meta(min_length=1)]


class AliasTable(msgspec.Struct):
    """What each name stands for."""

    aliases: dict[str, str]


class SetAlias(msgspec.Struct, forbid_unknown_fields=True):
    """`alias` stands for `model`: `provider/model` or a combo."""

    alias: Name
    model: Name


class WhichAlias(msgspec.Struct, forbid_unknown_fields=True):
    alias: str


async def aliases(call: Call) -> AliasTable:
    things = await call.blocking(editing_of(call.services).things, "alias")
    return AliasTable(
        {each.values["pattern"]: each.values["target"] for each in things if not each.problem}
    )


async def set_alias(call: Call) -> AliasTable:
    wish: SetAlias = call.body
    with in_wire_names(AliasSettings):
        await call.blocking(_set_alias, call.services, wish)
    call.audit(f"alias/{wish.alias}", after={"target": wish.model})
    return await aliases(call)


def _set_alias(services: Services, wish: SetAlias) -> None:
    editing = editing_of(services)
    if services.store.entities.get("alias", wish.alias) is None:
        editing.create("alias", {"pattern": wish.alias, "target": wish.model})
    else:
        editing.patch("alias", wish.alias, {"target": wish.model})


async def drop_alias(call: Call) -> AliasTable:
    thing = await call.blocking(editing_of(call.services).delete, "alias", call.query.alias)
    call.audit(f"alias/{thing.id}", before=thing.hidden())
    return await aliases(call)


def _table(path: str) -> tuple[Route, ...]:
    return (
        Route("GET", path, Policy.READ, "What each name stands for.", aliases, output=AliasTable),
        Route(
            "PUT",
            path,
            Policy.WRITE,
            "Let a name stand for a model or combo.",
            set_alias,
            input=SetAlias,
            output=AliasTable,
            refuses=(409,),
        ),
        Route(
            "DELETE",
            path,
            Policy.WRITE,
            "Let a name stand for nothing else any more.",
            drop_alias,
            query=WhichAlias,
            output=AliasTable,
            refuses=(404, 409),
        ),
    )


ROUTES = (
    *routes(ALIASES),
    *routes(MAPPINGS),
    *routes(CHAINS),
    *_table("/api/models/alias"),
    *_table("/api/settings/model-aliases"),
)
