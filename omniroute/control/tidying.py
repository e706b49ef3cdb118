"""Tidy the conditions that workers leave in the shared state: what ended long ago goes.

The table is bounded by itself; tidying makes room before the bound is felt, and keeps what people
look at to what matters. For a job that runs every minute.
"""

from omniroute.resilience.conditions import is_stale
from omniroute.state.interface import Conditions


def tidy_conditions(conditions: Conditions, now_ms: int) -> int:
    """Removes conditions that nobody will miss; returns how many.

    Each goes in a transaction of its own, and only as it was read: what a worker has changed
    meanwhile stays.
    """
    removed = 0
    _, table = conditions.read()
    for key, stored in table.items():
        if is_stale(key, stored, now_ms):

            def unless_changed(known: bytes | None, seen: bytes = stored) -> bytes | None:
                return None if known == seen else known

            removed += conditions.change(key, unless_changed) is None
    return removed
