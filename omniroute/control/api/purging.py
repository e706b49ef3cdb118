"""Forgetting at once what retention forgets with time: the history, or a part of it.

What keys and budgets have used so far is counted elsewhere and stays; so does the audit log.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from omniroute.control.api.declare import Call, Route
from omniroute.control.policy import Policy
from omniroute.store.database import Store
from omniroute.store.trimming import Keep, trim

# Path -> the tables that it empties, in this order: what waits to be summed is summed first.
_TABLES: Final[Mapping[str, tuple[str, ...]]] = {
    "purge-call-logs": ("requests", "bodies"),
    "purge-detailed-logs": ("bodies",),
    "purge-logs": ("requests", "bodies", "proxy_log", "rollup_hours", "rollup_days"),
}


class NoWish(msgspec.Struct, forbid_unknown_fields=True):
    """Nothing has to be said."""


class Purged(msgspec.Struct):
    """How many rows went, by table."""

    deleted: dict[str, int]


async def purge_call_logs(call: Call) -> Purged:
    return await _purge(call)


async def purge_detailed_logs(call: Call) -> Purged:
    return await _purge(call)


async def purge_logs(call: Call) -> Purged:
    return await _purge(call)


async def _purge(call: Call) -> Purged:
    path = call.route.path.rpartition("/")[2]
    store, now_ms = call.services.store, call.services.now_ms()
    deleted = await call.blocking(_emptied, store, _TABLES[path], now_ms)
    call.audit("history", after={"deleted": deleted})
    return Purged(deleted)


def _emptied(store: Store, tables: tuple[str, ...], now_ms: int) -> dict[str, int]:
    return {table: trim(store, table, Keep(max_rows=0), now_ms) for table in tables}


_SUMMARIES: Final = (
    (purge_call_logs, "purge-call-logs", "Forget all finished requests; their sums stay."),
    (purge_detailed_logs, "purge-detailed-logs", "Forget all captured bodies."),
    (purge_logs, "purge-logs", "Forget the whole history: requests, bodies, connects, sums."),
)

ROUTES: Final = tuple(
    Route(
        "POST",
        f"/api/settings/{path}",
        Policy.ADMIN,
        summary,
        handler,
        input=NoWish,
        output=Purged,
    )
    for handler, path, summary in _SUMMARIES
)
