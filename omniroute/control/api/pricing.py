"""What models cost: the merged table, rows of one's own over the built-in ones, and back to those.

Prices are USD per million tokens. The first row that fits a model holds; rows of one's own come
before all built-in ones, in their order.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import msgspec

from omniroute.config import PriceSettings, StoredName
from omniroute.config.setting import Rate
from omniroute.control.api.declare import Call, Route
from omniroute.control.api.services import Services
from omniroute.control.api.things import Area, editing_of, in_wire_names, routes
from omniroute.control.editing import Editing
from omniroute.control.policy import Policy
from omniroute.control.refusal import missing
from omniroute.providers.pricing import FLAT_TIERS, Price, PriceBook, PriceRow

RULES = Area("price", PriceSettings, "/api/pricing/rules", "PriceRule", "rules")

_MICRO: Final = 1_000_000
Origin = Literal["own", "built in", "flat"]


class PriceOut(msgspec.Struct):
    """What a model costs. `source` is `flat` where the provider's tier costs nothing."""

    input: float
    output: float
    cachedInput: float
    cacheWrite: float
    reasoning: float
    source: Origin


class Pricing(msgspec.Struct):
    """By provider and model; null where nobody says."""

    pricing: dict[str, dict[str, PriceOut | None]]


class DefaultRow(msgspec.Struct):
    model: str
    input: float
    output: float
    cachedInput: float
    cacheWrite: float
    reasoning: float


class Defaults(msgspec.Struct):
    rows: list[DefaultRow]


class PriceIn(msgspec.Struct, forbid_unknown_fields=True):
    input: Rate
    output: Rate
    cachedInput: Rate | None = None
    cacheWrite: Rate | None = None
    reasoning: Rate | None = None


class Override(msgspec.Struct, forbid_unknown_fields=True):
    """Prices by `provider/model`, wildcards allowed."""

    prices: Annotated[dict[str, PriceIn], msgspec.Meta(min_length=1, max_length=1000)]


class WhichPrice(msgspec.Struct, forbid_unknown_fields=True):
    """A row by its `provider/model`; all of one's own when it is left out."""

    model: str = ""


async def merged(call: Call) -> Pricing:
    return await call.blocking(_merged, call.services)


def _merged(services: Services) -> Pricing:
    snapshot = services.configuration.snapshot
    assert snapshot is not None, "published before this process serves"
    tiers = {view.id: view.tier for view in snapshot.providers}
    whole = PriceBook(snapshot.prices, tiers)
    own = PriceBook([row for row in snapshot.prices if row.own], {})
    return Pricing(
        {
            view.id: {
                model.id: _told(
                    whole.price(view.id, model.id),
                    is_own=own.price(view.id, model.id) is not None,
                    is_flat=view.tier in FLAT_TIERS,
                )
                for model in view.models
            }
            for view in snapshot.providers
        }
    )


def _told(price: Price | None, *, is_own: bool, is_flat: bool) -> PriceOut | None:
    if price is None:
        return None
    source: Origin = "own" if is_own else "flat" if is_flat else "built in"
    return PriceOut(*_rates(price), source=source)


def _rates(price: Price) -> tuple[float, float, float, float, float]:
    return (
        price.input / _MICRO,
        price.output / _MICRO,
        price.cached_input / _MICRO,
        price.cache_write / _MICRO,
        price.reasoning / _MICRO,
    )


async def defaults(call: Call) -> Defaults:
    rows: tuple[PriceRow, ...] = await call.blocking(call.services.configuration.prices)
    return Defaults([DefaultRow(row.pattern, *_rates(row.price)) for row in rows])


async def override(call: Call) -> Pricing:
    """Rows that are there are changed, others added behind them."""
    prices: dict[str, PriceIn] = call.body.prices
    with in_wire_names(PriceSettings):
        await call.blocking(_override, editing_of(call.services), call.services, prices)
    call.audit("prices", after=msgspec.to_builtins(prices))
    return await merged(call)


def _override(editing: Editing, services: Services, prices: Mapping[str, PriceIn]) -> None:
    def work() -> None:
        for model, price in prices.items():
            values: dict[str, Any] = {
                "model": model,
                "input": price.input,
                "output": price.output,
                "cached_input": price.cachedInput,
                "cache_write": price.cacheWrite,
                "reasoning": price.reasoning,
            }
            if services.store.entities.get("price", model) is None:
                editing.store_new("price", values)
            else:
                editing.store_changed("price", model, values)

    editing.change(work, *(StoredName("price", model) for model in prices))


async def reset(call: Call) -> Pricing:
    removed = await call.blocking(
        _reset, editing_of(call.services), call.services, call.query.model
    )
    call.audit("prices", before=removed)
    return await merged(call)


def _reset(editing: Editing, services: Services, model: str) -> list[str]:
    stored = [entity.id for entity in services.store.entities.all("price")]
    if model and model not in stored:
        raise missing(f"price of one's own for {model}")
    gone = [model] if model else stored

    def work() -> None:
        for id_ in gone:
            services.store.entities.delete("price", id_)

    editing.change(work)
    return gone


ROUTES = (
    *routes(RULES),
    Route(
        "GET",
        "/api/pricing",
        Policy.READ,
        "What each listed model costs, and who says so.",
        merged,
        output=Pricing,
    ),
    Route(
        "PATCH",
        "/api/pricing",
        Policy.WRITE,
        "Give models prices of one's own.",
        override,
        input=Override,
        output=Pricing,
        refuses=(409,),
    ),
    Route(
        "DELETE",
        "/api/pricing",
        Policy.WRITE,
        "Go back to the built-in prices, for one row or all.",
        reset,
        query=WhichPrice,
        output=Pricing,
        refuses=(404, 409),
    ),
    Route(
        "GET",
        "/api/pricing/defaults",
        Policy.READ,
        "The built-in prices.",
        defaults,
        output=Defaults,
    ),
)
