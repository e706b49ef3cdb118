"""The audit log: every change that was made through this API, latest first."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from omniroute.control.api.declare import Call, Route
from omniroute.control.policy import Policy
from omniroute.store.audit import AuditFilter
from omniroute.store.interface import AuditEntry

_PAGE: Final = 50
_MOST: Final = 500

Text = Annotated[str, Meta(max_length=200)]
Time = Annotated[int, Meta(ge=0, le=(1 << 53) - 1)]


class AuditQuery(msgspec.Struct, forbid_unknown_fields=True):
    """What is left out leaves the question open. `action` and `entity` may be the begin of one:
    `combos.`, `combo/`. `before` is the `next` of the page before."""

    actor: Text = ""
    action: Text = ""
    entity: Text = ""
    address: Text = ""
    since_ms: Time | None = None
    until_ms: Time | None = None
    limit: Annotated[int, Meta(ge=1, le=_MOST)] = _PAGE
    before: Time | None = None


class Entry(msgspec.Struct):
    """One change. `before` and `after` are the thing as it was and as it is, without secrets."""

    id: int
    at_ms: int
    actor: str
    action: str
    route: str
    entity: str
    address: str
    before: msgspec.Raw | None
    after: msgspec.Raw | None


class AuditPage(msgspec.Struct):
    """`next` gives the next page as `before`; null at the end."""

    entries: list[Entry]
    next: int | None


async def list_entries(call: Call) -> AuditPage:
    wanted: AuditQuery = call.query
    chosen = AuditFilter(
        actor=wanted.actor,
        action=wanted.action,
        entity=wanted.entity,
        address=wanted.address,
        since_ms=wanted.since_ms,
        until_ms=wanted.until_ms,
    )
    # One more than is shown tells whether there is another page.
    found = await call.blocking(
        call.services.store.audit.page, chosen, wanted.limit + 1, wanted.before
    )
    shown = found[: wanted.limit]
    return AuditPage(
        [_shown(entry) for entry in shown], shown[-1].id if len(found) > len(shown) else None
    )


def _shown(entry: AuditEntry) -> Entry:
    return Entry(
        id=entry.id,
        at_ms=entry.at_ms,
        actor=entry.actor,
        action=entry.action,
        route=entry.route,
        entity=entry.entity,
        address=entry.address,
        before=msgspec.Raw(entry.before.encode()) if entry.before else None,
        after=msgspec.Raw(entry.after.encode()) if entry.after else None,
    )


ROUTES = (
    Route(
        "GET",
        "/api/compliance/audit-log",
        Policy.ADMIN,
        "The audit log, latest first, by pages.",
        list_entries,
        query=AuditQuery,
        output=AuditPage,
    ),
)
