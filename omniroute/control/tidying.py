"""Tidy what workers leave in the shared state: what ended long ago goes. For a job that runs every
minute.

The table of conditions is bounded by itself; tidying makes room before the bound is felt, and keeps
what people look at to what matters. Counters of usage come with every day and key, and would never
end; the history knows the days before.
"""

from omniroute.resilience.conditions import is_stale
from omniroute.state.interface import Conditions, State

DAY_MS = 86_400_000
USAGE_DAYS = 60
"""How many days of counters stay: twice of what is shown."""


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


def tidy_usage(state: State, now_ms: int) -> int:
    """Removes the counters of days that nobody is shown any more; returns how many."""
    return state.forget_usage(now_ms // DAY_MS - USAGE_DAYS)
