"""The live feed by server-sent events: finished requests, log lines, conditions that change."""

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from omniroute.control.api.answers import Events
from omniroute.control.api.declare import Call, Route
from omniroute.control.live import Entry, Kind, TooManyReaders, Wanted
from omniroute.control.policy import Policy
from omniroute.control.refusal import Denied
from omniroute.logs import LEVELS

_RANKS: Final = {"debug": 0, "info": 1, "warn": 2, "warning": 2, "error": 3}
_EQUALS: Final = ("key_id", "provider", "connection", "model", "combo")


class Follow(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What is wanted; several values of one name are alternatives. Of a request, `model` is the one
    that was asked for or the one that answered."""

    kind: list[Kind] = []
    key_id: list[str] = []
    provider: list[str] = []
    connection: list[str] = []
    model: list[str] = []
    combo: list[str] = []
    failed: bool | None = None
    level: Annotated[str, Meta(pattern=f"^({'|'.join(LEVELS)})$")] = "info"
    after: str = ""
    """The id of the last event received, for clients that cannot send Last-Event-ID."""


async def follow(call: Call) -> Events:
    """A reader that is too slow loses the oldest, and an event `lost` says how many."""
    place = call.last_event_id or call.query.after
    try:
        return Events(call.services.live.read(wanted(call.query), place))
    except TooManyReaders as error:
        raise Denied(503, str(error), 5.0) from error


def wanted(query: Follow) -> Wanted:
    """Is an entry among those that are asked for?"""
    asked = {name: set(getattr(query, name)) for name in _EQUALS if getattr(query, name)}
    least = _RANKS[query.level]
    kinds = set(query.kind)

    def is_wanted(entry: Entry) -> bool:
        if kinds and entry.kind not in kinds:
            return False
        if entry.kind == "log":
            return _RANKS.get(str(entry.data.get("level")), 3) >= least
        if entry.kind == "condition":
            return True
        return _is_asked(entry.data, asked, query.failed)

    return is_wanted


def _is_asked(data: dict[str, Any], asked: dict[str, set[str]], failed: bool | None) -> bool:
    for name, values in asked.items():
        found = {data[name], data["requested_model"]} if name == "model" else {data[name]}
        if not values & found:
            return False
    return failed is None or failed == (data["status"] >= 400 or bool(data["error"]))


ROUTES: Final = (
    Route(
        "GET",
        "/api/live",
        Policy.READ,
        "Follow finished requests, log lines and conditions as they happen.",
        follow,
        query=Follow,
        produces="text/event-stream",
        refuses=(503,),
        description="Server-sent events `request`, `log` and `condition`, each with JSON data and "
        "an id; with that in `Last-Event-ID` a client goes on where it was. The event `lost` says "
        "how many were missed (null: nobody knows), since no more than the latest are kept.",
    ),
)
