"""Models: added to a provider's list, changed or hidden, and the catalog of all that can be asked
for, by provider and type."""

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from omniroute.config import ModelSettings
from omniroute.control.api.declare import Answer, Call, Route
from omniroute.control.api.services import Services
from omniroute.control.api.things import Area, editing_of, in_wire_names, routes
from omniroute.control.policy import Policy
from omniroute.providers.pricing import PriceBook
from omniroute.snapshot import Snapshot

CUSTOM = Area("model", ModelSettings, "/api/provider-models", "ProviderModel", "models")


class CatalogModel(msgspec.Struct):
    """One model that can be asked for by `name`. Prices are USD per million tokens."""

    id: str
    name: str
    displayName: str
    type: Literal["chat"]
    contextTokens: int | None
    maxOutputTokens: int | None
    inputUsd: float | None
    outputUsd: float | None
    isCustom: bool
    isActive: bool


class CatalogProvider(msgspec.Struct):
    id: str
    name: str
    tier: str
    needs: str
    models: list[CatalogModel]


class Catalog(msgspec.Struct):
    """By provider; combos and aliases are names of their own."""

    providers: list[CatalogProvider]
    combos: list[str]
    aliases: dict[str, str]


class ByQuery(msgspec.Struct, forbid_unknown_fields=True):
    """A model by its provider and the provider's name of it."""

    provider: str
    model: str


class Visibility(msgspec.Struct, forbid_unknown_fields=True):
    """Whether a model is listed and served."""

    provider: str
    modelId: str
    isActive: bool


async def catalog(call: Call) -> Catalog:
    return await call.blocking(_catalog, call.services)


def _catalog(services: Services) -> Catalog:
    snapshot = services.configuration.snapshot
    assert snapshot is not None, "published before this process serves"
    return Catalog(
        providers=list(_providers(services, snapshot)),
        combos=[combo.name for combo in snapshot.combos],
        aliases={one.pattern: one.target for one in snapshot.aliases},
    )


def _providers(services: Services, snapshot: Snapshot) -> Iterator[CatalogProvider]:
    book = PriceBook(snapshot.prices, {view.id: view.tier for view in snapshot.providers})
    known = {
        row.id: {model.id for model in row.models} for row in services.configuration.registry()
    }
    for view in snapshot.providers:
        models = []
        for model in view.models:
            price = book.price(view.id, model.id)
            models.append(
                CatalogModel(
                    id=model.id,
                    name=f"{view.prefixes[0]}/{model.id}",
                    displayName=model.name,
                    type="chat",
                    contextTokens=model.context_tokens,
                    maxOutputTokens=model.max_output_tokens,
                    inputUsd=None if price is None else _usd(price.input),
                    outputUsd=None if price is None else _usd(price.output),
                    isCustom=model.id not in known.get(view.id, ()),
                    isActive=True,
                )
            )
        for id_ in view.models_off:
            models.append(
                CatalogModel(
                    id=id_,
                    name=f"{view.prefixes[0]}/{id_}",
                    displayName=id_,
                    type="chat",
                    contextTokens=None,
                    maxOutputTokens=None,
                    inputUsd=None,
                    outputUsd=None,
                    isCustom=id_ not in known.get(view.id, ()),
                    isActive=False,
                )
            )
        yield CatalogProvider(view.id, view.name, view.tier, view.needs, models)


def _usd(rate: int) -> float:
    return rate / 1_000_000


async def show_or_hide(call: Call) -> Any:
    """Hiding a model of the provider's list stores no more than that."""
    wish: Visibility = call.body
    with in_wire_names(ModelSettings):
        thing = await call.blocking(_show_or_hide, call.services, wish)
    call.audit(f"model/{thing.id}", after=thing.hidden())
    (shown,) = await call.blocking(CUSTOM.shown, call.services, [thing])
    return Answer(shown, etag=thing.version)


def _show_or_hide(services: Services, wish: Visibility) -> Any:
    editing = editing_of(services)
    id_ = f"{editing.provider_id(wish.provider)}/{wish.modelId}"
    if services.store.entities.get("model", id_) is not None:
        return editing.patch("model", id_, {"enabled": wish.isActive})[1]
    values = {"provider": wish.provider, "id": wish.modelId, "enabled": wish.isActive}
    return editing.create("model", values)


async def remove(call: Call) -> None:
    """By provider and model, as older scripts name them."""
    editing = editing_of(call.services)
    id_ = f"{await call.blocking(editing.provider_id, call.query.provider)}/{call.query.model}"
    thing = await call.blocking(editing.delete, "model", id_, call.match)
    call.audit(f"model/{id_}", before=thing.hidden())


ROUTES = (
    *routes(CUSTOM),
    Route(
        "PATCH",
        "/api/provider-models",
        Policy.WRITE,
        "Hide a model, or show it again.",
        show_or_hide,
        input=Visibility,
        output=CUSTOM.output(),
        refuses=(409,),
    ),
    Route(
        "DELETE",
        "/api/provider-models",
        Policy.WRITE,
        "Delete a custom model.",
        remove,
        query=ByQuery,
        editable=True,
        refuses=(404,),
    ),
    *(
        Route(
            "GET",
            path,
            Policy.READ,
            "All models that can be asked for, by provider and type, with prices.",
            catalog,
            output=Catalog,
        )
        for path in ("/api/models", "/api/models/catalog")
    ),
)
