"""The routes that every kind of editable thing has: list, create, read, change, delete, order.

    AREA = Area("combo", ComboSettings, "/api/combos", "Combo", "combos")
    ROUTES = (*routes(AREA), …)

`PUT` and `PATCH` are the same: what is not given stays, `null` gives the default. Both honour
If-Match, as does `DELETE`; the ETag is the thing's version. A secret is answered as `[secret]`, and
stays what it is when that comes back.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from omniroute.config.setting import Setting
from omniroute.control.access import Actor
from omniroute.control.api import shapes
from omniroute.control.api.declare import Answer, Call, Route
from omniroute.control.api.services import Services
from omniroute.control.editing import Editing, Thing
from omniroute.control.policy import Policy
from omniroute.control.refusal import Denied, Detail

_SECRETS = (
    "A secret is shown as `[secret]`; sent back so, it stays what it is. What the configuration "
    "file declares has the source `file` and cannot be changed here (409). What would send a "
    "secret elsewhere needs the secret itself in the same request, or the scope `admin` (403)."
)


class Order(msgspec.Struct, forbid_unknown_fields=True):
    """Ids in the order that is wished; what is not named follows as it was. Older scripts give them
    as `comboIds`."""

    ids: list[str] = []
    comboIds: list[str] = []

    def wished(self) -> list[str]:
        return self.ids or self.comboIds


@dataclass(frozen=True)
class Area:
    """One kind of things and where it is managed."""

    kind: str
    struct: type[Setting]
    path: str
    noun: str  # of the structs in the API's document: "Combo"
    plural: str  # under which the list is answered
    omit: tuple[str, ...] = ()  # settings that have another way
    more: tuple[tuple[str, Any], ...] = ()  # what else is answered: name, type
    tell: Callable[[Services, Sequence[Thing]], list[dict[str, Any]]] | None = None
    """What else is said of each of these things, in their order; blocks."""
    has_order: bool = True

    def output(self) -> type[msgspec.Struct]:
        return shapes.given(self.noun, self.struct, self.omit, self.more)

    def shown(self, services: Services, things: Sequence[Thing]) -> list[dict[str, Any]]:
        """As they are answered. Blocks."""
        extras = self.tell(services, things) if self.tell else [{} for _ in things]
        return [
            {
                **shapes.shown(thing.struct, thing.hidden(), self.omit),
                "id": thing.id,
                "source": thing.source,
                "version": thing.version,
                "problem": thing.problem,
                **extra,
            }
            for thing, extra in zip(things, extras, strict=True)
        ]


def editing_of(services: Services, actor: Actor | None = None) -> Editing:
    """For this caller. Without one it is for somebody who may not do everything."""
    return Editing(
        services.store,
        services.configuration,
        services.installation,
        services.now_ms,
        unlimited=actor is not None and Policy.ADMIN in actor.scopes,
    )


@contextlib.contextmanager
def in_wire_names(struct: type[Setting]) -> Iterator[None]:
    """Refusals name fields as the client does."""
    try:
        yield
    except Denied as denial:
        if not denial.details:
            raise
        details = tuple(
            Detail(shapes.wire_path(struct, field), message) for field, message in denial.details
        )
        first = details[0]
        message = f"{first.field}: {first.message}" if first.field else first.message
        if len(details) > 1:
            message += f" (and {len(details) - 1} more)"
        raise Denied(denial.status, message, denial.wait_s, details=details) from denial


def routes(area: Area) -> tuple[Route, ...]:
    """All of them."""
    listing = msgspec.defstruct(f"{area.noun}List", [(area.plural, list[area.output()])])  # type: ignore[misc]
    output = area.output()
    change = shapes.patched(f"{area.noun}Change", area.struct, area.omit)
    one = f"{area.path}/{{id}}"
    rest = _handlers(area)
    noun = area.kind
    a_noun = f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
    made = (
        Route(
            "GET",
            area.path,
            Policy.READ,
            f"Every {noun}, of the file and stored, in order.",
            rest["index"],
            output=listing,
        ),
        Route(
            "POST",
            area.path,
            Policy.WRITE,
            f"Create {a_noun}; it acts at the next request.",
            rest["create"],
            input=shapes.taken(f"{area.noun}New", area.struct, area.omit),
            output=output,
            status=201,
            refuses=(409,),
            description=_SECRETS,
        ),
        Route("GET", one, Policy.READ, f"One {noun}.", rest["read"], output=output),
        *(
            Route(
                method,
                one,
                Policy.WRITE,
                f"Change {a_noun}: what is not given stays, null gives the default.",
                rest["change"],
                input=change,
                output=output,
                editable=True,
                description=_SECRETS,
            )
            for method in ("PUT", "PATCH")
        ),
        Route("DELETE", one, Policy.WRITE, f"Delete {a_noun}.", rest["delete"], editable=True),
    )
    if not area.has_order:
        return made
    order = Route(
        "POST",
        f"{area.path}/reorder",
        Policy.WRITE,
        f"Put the stored ones in another order ({area.plural}).",
        rest["reorder"],
        input=Order,
        output=listing,
        refuses=(404, 409),
    )
    return (*made, order)


def _handlers(area: Area) -> Mapping[str, Any]:
    kind = area.kind

    async def index(call: Call) -> Any:
        return await call.blocking(_listed, call.services, area)

    async def create(call: Call) -> Any:
        with in_wire_names(area.struct):
            thing = await call.blocking(
                editing_of(call.services, call.actor).create, kind, shapes.values_of(call.body)
            )
        call.audit(f"{kind}/{thing.id}", after=thing.hidden())
        return await _answer(call, area, thing)

    async def read(call: Call) -> Any:
        thing = await call.blocking(editing_of(call.services).thing, kind, call.path["id"])
        return await _answer(call, area, thing)

    async def change(call: Call) -> Any:
        with in_wire_names(area.struct):
            before, after = await call.blocking(
                editing_of(call.services, call.actor).patch,
                kind,
                call.path["id"],
                shapes.values_of(call.body),
                call.match,
            )
        call.audit(f"{kind}/{before.id}", before=before.hidden(), after=after.hidden())
        return await _answer(call, area, after)

    async def delete(call: Call) -> None:
        thing = await call.blocking(
            editing_of(call.services, call.actor).delete, kind, call.path["id"], call.match
        )
        call.audit(f"{kind}/{thing.id}", before=thing.hidden())

    async def reorder(call: Call) -> Any:
        ids = call.body.wished()
        await call.blocking(editing_of(call.services).reorder, kind, ids)
        call.audit(area.plural, after={"order": ids})
        return await call.blocking(_listed, call.services, area)

    handlers = (index, create, read, change, delete, reorder)
    return {handler.__name__: handler for handler in handlers}


def _listed(services: Services, area: Area) -> dict[str, Any]:
    return {area.plural: area.shown(services, editing_of(services).things(area.kind))}


async def _answer(call: Call, area: Area, thing: Thing) -> Answer:
    (shown,) = await call.blocking(area.shown, call.services, [thing])
    return Answer(shown, etag=thing.version)
