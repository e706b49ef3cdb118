"""Client keys: made and shown once, changed, rotated with an overlap, revoked; what each used."""

from typing import Annotated, Any, Final

import msgspec

from omniroute.config import KeySettings
from omniroute.control.api import shapes
from omniroute.control.api.declare import Answer, Call, Route
from omniroute.control.api.services import Services
from omniroute.control.api.things import Area, editing_of, in_wire_names
from omniroute.control.in_use import Limit, limits_of
from omniroute.control.issuing import LONGEST_OVERLAP_S, IssuedThing, Issuing
from omniroute.control.policy import Policy
from omniroute.state.interface import UsageTotals

DAY_MS: Final = 86_400_000
_OMIT: Final = ("key",)


class KeyUsage(msgspec.Struct):
    """What a key used."""

    requests: int
    inputTokens: int
    outputTokens: int
    cost_microusd: int
    costUsd: float


_MORE: Final[tuple[tuple[str, Any], ...]] = (
    ("createdMs", int | None),
    ("revokedMs", int | None),
    ("previousUntilMs", int | None),
    ("usageToday", KeyUsage),
    ("usage30Days", KeyUsage),
    ("limits", list[Limit]),
)
AREA = Area("key", KeySettings, "/api/keys", "ClientKey", "keys", _OMIT, _MORE)

KeyOut = AREA.output()
KeyMade = shapes.given("ClientKeyMade", KeySettings, _OMIT, (*_MORE, ("key", str)))
KeyList = msgspec.defstruct("ClientKeyList", [("keys", list[KeyOut])])  # type: ignore[valid-type]


class KeysWanted(msgspec.Struct, forbid_unknown_fields=True):
    """Which keys to list."""

    revoked: bool = False


class Rotation(msgspec.Struct, forbid_unknown_fields=True):
    """For how long the present key is let in beside the new one."""

    overlapS: Annotated[float, msgspec.Meta(ge=0, le=LONGEST_OVERLAP_S)] = 86400.0


def issuing_of(services: Services) -> Issuing:
    return Issuing(editing_of(services), services.store, services.installation, services.now_ms)


async def index(call: Call) -> Any:
    return await call.blocking(_listed, call.services, call.query.revoked)


def _listed(services: Services, revoked: bool) -> dict[str, Any]:
    return {"keys": shown(services, issuing_of(services).keys(revoked=revoked))}


async def create(call: Call) -> Any:
    with in_wire_names(KeySettings):
        issued, text = await call.blocking(
            issuing_of(call.services).create, shapes.values_of(call.body)
        )
    call.audit(f"key/{issued.thing.id}", after=issued.thing.hidden())
    return await _answer(call, issued, text)


async def read(call: Call) -> Any:
    return await _answer(call, await call.blocking(issuing_of(call.services).key, call.path["id"]))


async def change(call: Call) -> Any:
    with in_wire_names(KeySettings):
        before, after = await call.blocking(
            issuing_of(call.services).patch,
            call.path["id"],
            shapes.values_of(call.body),
            call.match,
        )
    call.audit(f"key/{before.thing.id}", before=before.thing.hidden(), after=after.thing.hidden())
    return await _answer(call, after)


async def rotate(call: Call) -> Any:
    issued, text = await call.blocking(
        issuing_of(call.services).rotate, call.path["id"], call.body.overlapS, call.match
    )
    call.audit(f"key/{issued.thing.id}", after={"previous_until_ms": issued.previous_until_ms})
    return await _answer(call, issued, text)


async def revoke(call: Call) -> None:
    issued = await call.blocking(issuing_of(call.services).revoke, call.path["id"], call.match)
    call.audit(f"key/{issued.thing.id}", before=issued.thing.hidden())


async def _answer(call: Call, issued: IssuedThing, text: str = "") -> Answer:
    (told,) = await call.blocking(shown, call.services, [issued])
    if text:
        told["key"] = text
    return Answer(told, etag=issued.thing.version)


def shown(services: Services, keys: list[IssuedThing]) -> list[dict[str, Any]]:
    """Keys as they are answered. Blocks."""
    now_ms = services.now_ms()
    today = now_ms // DAY_MS
    usage = services.state.all_usage()
    snapshot = services.configuration.snapshot
    assert snapshot is not None, "published before this process serves"
    limits = limits_of(services.state, {view.id: view.meters for view in snapshot.keys}, now_ms)
    told = []
    for issued, settings in zip(
        keys, AREA.shown(services, [issued.thing for issued in keys]), strict=True
    ):
        own = {day: totals for (id_, day), totals in usage.items() if id_ == issued.thing.id}
        told.append(
            {
                **settings,
                "createdMs": issued.created_ms or None,
                "revokedMs": issued.revoked_ms,
                "previousUntilMs": issued.previous_until_ms,
                "usageToday": _usage([own.get(today, UsageTotals())]),
                "usage30Days": _usage([each for day, each in own.items() if day > today - 30]),
                "limits": limits.get(issued.thing.id, []),
            }
        )
    return told


def _usage(days: list[UsageTotals]) -> KeyUsage:
    cost = sum(day.cost_microusd for day in days)
    return KeyUsage(
        requests=sum(day.requests for day in days),
        inputTokens=sum(day.input_tokens for day in days),
        outputTokens=sum(day.output_tokens for day in days),
        cost_microusd=cost,
        costUsd=cost / 1_000_000,
    )


_ONE = "/api/keys/{id}"
_ONCE = "The key stands in the answer, this once; stored is its digest."

ROUTES = (
    Route(
        "GET",
        "/api/keys",
        Policy.READ,
        "Every client key, with its limits and what it used; never the key itself.",
        index,
        query=KeysWanted,
        output=KeyList,
    ),
    Route(
        "POST",
        "/api/keys",
        Policy.KEYS,
        "Make a client key.",
        create,
        input=shapes.taken("ClientKeyNew", KeySettings, _OMIT),
        output=KeyMade,
        status=201,
        refuses=(409,),
        description=_ONCE,
    ),
    Route("GET", _ONE, Policy.READ, "One client key.", read, output=KeyOut),
    *(
        Route(
            method,
            _ONE,
            Policy.KEYS,
            "Change a client key: what is not given stays, null gives the default.",
            change,
            input=shapes.patched("ClientKeyChange", KeySettings, _OMIT),
            output=KeyOut,
            editable=True,
        )
        for method in ("PUT", "PATCH")
    ),
    Route(
        "DELETE",
        _ONE,
        Policy.KEYS,
        "Revoke a client key: it is refused from the next request on, for ever.",
        revoke,
        editable=True,
    ),
    Route(
        "POST",
        f"{_ONE}/rotate",
        Policy.KEYS,
        "Give a client key another text; the present one is let in for the overlap.",
        rotate,
        input=Rotation,
        output=KeyMade,
        editable=True,
        description=_ONCE,
    ),
)
