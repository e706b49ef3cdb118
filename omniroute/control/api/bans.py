"""Temporary bans of addresses: those of people, and those of workers on who guesses keys."""

from typing import Annotated, Final

import msgspec

from omniroute.control.api.declare import Call, Route
from omniroute.control.banning import Banned, ban, banned, lift
from omniroute.control.policy import Policy
from omniroute.control.refusal import invalid, missing

HOUR_S: Final = 3600.0
YEAR_S: Final = 31_536_000.0


class NewBan(msgspec.Struct, forbid_unknown_fields=True):
    """An address or network (CIDR) to refuse for so long."""

    address: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    durationS: Annotated[float, msgspec.Meta(gt=0, le=YEAR_S)] = HOUR_S
    reason: Annotated[str, msgspec.Meta(max_length=200)] = ""


class BanOut(msgspec.Struct):
    """One that holds. `byHand`: a person's; else a worker's."""

    address: str
    sinceMs: int
    untilMs: int
    reason: str
    byHand: bool


class Bans(msgspec.Struct):
    """Those that end first in front."""

    bans: list[BanOut]


class WhichBan(msgspec.Struct, forbid_unknown_fields=True):
    address: str


async def index(call: Call) -> Bans:
    services = call.services
    found = await call.blocking(banned, services.state.conditions, services.now_ms())
    return Bans([_shown(each) for each in found])


async def impose(call: Call) -> Bans:
    services, wish = call.services, call.body
    now_ms = services.now_ms()
    until_ms = now_ms + round(wish.durationS * 1000)
    try:
        network = await call.blocking(
            ban, services.state.conditions, wish.address, now_ms, until_ms, wish.reason
        )
    except ValueError as error:
        raise invalid("address", "is neither an address nor a network") from error
    call.audit(f"ban/{network}", after={"until_ms": until_ms, "reason": wish.reason})
    return await index(call)


async def end(call: Call) -> Bans:
    address: str = call.query.address
    try:
        was_there = await call.blocking(lift, call.services.state.conditions, address)
    except ValueError as error:
        raise invalid("address", "is neither an address nor a network") from error
    if not was_there:
        raise missing(f"ban of {address}")
    call.audit(f"ban/{address}", before={"address": address})
    return await index(call)


def _shown(one: Banned) -> BanOut:
    return BanOut(one.network, one.since_ms, one.until_ms, one.reason, one.by_hand)


_PATH: Final = "/api/settings/ip-filter/bans"

ROUTES = (
    Route("GET", _PATH, Policy.READ, "The bans that hold.", index, output=Bans),
    Route(
        "POST",
        _PATH,
        Policy.WRITE,
        "Refuse an address or network for a while, from its next request on.",
        impose,
        input=NewBan,
        output=Bans,
    ),
    Route(
        "DELETE",
        _PATH,
        Policy.WRITE,
        "End a ban.",
        end,
        query=WhichBan,
        output=Bans,
        refuses=(404,),
    ),
)
