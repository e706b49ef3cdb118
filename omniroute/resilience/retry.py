"""Repetitions: how long to wait before one, and how many the traffic may bear.

An outage makes every request fail, so every request would be sent again, and the upstream that is
trying to get up meets twice the load. `RetryBudget` lets repetitions add no more than a share of
the traffic; beside that a small allowance by time, because a lone user's request may always be
repeated: it multiplies nothing.

The budget belongs to one worker and is asked only there: a share of each worker's traffic is a
share of all of it. No clock, no randomness of their own: both are arguments.
"""

from collections.abc import Callable
from typing import Final

PAUSE_MAX_MS: Final = 8000
PATIENCE_S: Final = 2.0
"""A target that asks for a longer pause than this is left instead of waited for."""

# Rates are those of Finagle's retry budgets in spirit: some saved up, none for long.
SAVED_MAX: Final = 10.0
FLOOR_PER_S: Final = 0.5
FLOOR_MAX: Final = 3.0


class RetryBudget:
    """A token bucket. Invariant: over any time, repetitions <= share * requests + SAVED_MAX +
    FLOOR_MAX + FLOOR_PER_S * seconds. A share of 0 allows none at all."""

    __slots__ = ("_floor", "_saved", "_share", "_since_s")

    def __init__(self, share: float, now_s: float) -> None:
        self._share = share
        self._saved = 0.0
        self._floor = FLOOR_MAX
        self._since_s = now_s

    def count_request(self) -> None:
        """A request has come: its share may be spent."""
        if self._saved < SAVED_MAX:
            self._saved = min(self._saved + self._share, SAVED_MAX)

    def spend(self, now_s: float) -> bool:
        """Takes the place of one repetition; False when there is none."""
        if not self._share:
            return False
        if self._saved >= 1.0:
            self._saved -= 1.0
            return True
        passed_s = max(0.0, now_s - self._since_s)
        self._floor = min(self._floor + passed_s * FLOOR_PER_S, FLOOR_MAX)
        self._since_s = now_s
        if self._floor >= 1.0:
            self._floor -= 1.0
            return True
        return False


def pause_ms(
    attempt: int, base_ms: int, rng: Callable[[], float], hint_s: float | None = None
) -> int | None:
    """Pause before repetition `attempt` (0 is the first); None: the provider wants a longer one
    than is worth waiting, so go on to another target.

    Doubles with each, between half and whole by `rng` (0 <= r < 1), so that those who failed
    together do not come back together.
    """
    if hint_s is not None and hint_s > PATIENCE_S:
        return None
    longest = min(base_ms << min(attempt, 20), PAUSE_MAX_MS)
    pause = round(longest * (0.5 + rng() / 2))
    return max(pause, round((hint_s or 0.0) * 1000))
