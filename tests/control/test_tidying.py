"""Ended conditions and the counters of days long past are removed, and nothing else."""

from omniroute.control.tidying import USAGE_DAYS, tidy_conditions, tidy_usage
from omniroute.resilience import cooldown
from omniroute.state.memory_conditions import MemoryConditions
from omniroute.state.memory_state import MemoryState

NOW = 1_790_000_000_000
DAY = 86_400_000
POLICY = cooldown.Policy(5.0, 300.0, 86400.0)


def test_what_ended_long_ago_goes_and_the_rest_stays():
    conditions = MemoryConditions()
    stored = cooldown.after_failure(None, NOW, POLICY)
    for key in ("target:acme big-1", "cooldown:acme/main"):
        conditions.change(key, lambda _: stored)
    assert tidy_conditions(conditions, NOW) == 0
    assert tidy_conditions(conditions, NOW + 2 * DAY) == 1
    assert set(conditions.read()[1]) == {"cooldown:acme/main"}
    version = conditions.version()
    assert tidy_conditions(conditions, NOW + 2 * DAY) == 0
    assert conditions.version() == version


def test_what_a_worker_changed_meanwhile_stays():
    later = cooldown.after_failure(None, NOW + 9 * DAY, POLICY)

    class Changing(MemoryConditions):
        def read(self):
            found = super().read()
            self.change("target:acme big-1", lambda _: later)
            return found

    conditions = Changing()
    conditions.change("target:acme big-1", lambda _: cooldown.after_failure(None, NOW, POLICY))
    assert tidy_conditions(conditions, NOW + 9 * DAY) == 0
    assert conditions.change("target:acme big-1", lambda known: known) == later


def test_counters_of_days_that_nobody_is_shown_go():
    state = MemoryState()
    today = NOW // DAY
    oldest = today - USAGE_DAYS
    state.rebuild([("k", day, (1,) * 7) for day in (oldest - 1, oldest, today)])
    assert tidy_usage(state, NOW) == 1
    assert {day for _, day in state.all_usage()} == {oldest, today}
    assert tidy_usage(state, NOW) == 0
