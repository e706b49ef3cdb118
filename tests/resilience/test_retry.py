"""Repetitions: pauses and the budget, with an explicit clock."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.resilience.retry import (
    FLOOR_MAX,
    FLOOR_PER_S,
    PATIENCE_S,
    PAUSE_MAX_MS,
    SAVED_MAX,
    RetryBudget,
    pause_ms,
)


def test_a_lone_users_request_may_always_be_repeated() -> None:
    budget = RetryBudget(0.2, 0.0)
    for minute in range(1, 100):
        budget.count_request()
        assert budget.spend(minute * 60.0)


def test_in_an_outage_repetitions_stay_under_their_share() -> None:
    budget = RetryBudget(0.2, 0.0)
    spent = 0
    for number in range(100_000):  # 1000 requests a second, all of them fail
        budget.count_request()
        spent += budget.spend(number / 1000)
    assert 0.19 * 100_000 < spent < 0.2 * 100_000 + SAVED_MAX + FLOOR_MAX + FLOOR_PER_S * 100


def test_calm_days_save_up_no_storm() -> None:
    budget = RetryBudget(0.2, 0.0)
    for _ in range(1_000_000):
        budget.count_request()
    assert sum(budget.spend(0.0) for _ in range(1000)) == SAVED_MAX + FLOOR_MAX


def test_a_share_of_nothing_allows_nothing() -> None:
    assert not RetryBudget(0.0, 0.0).spend(1e9)


def test_a_clock_that_steps_back_gives_nothing_away() -> None:
    budget = RetryBudget(0.2, 100.0)
    assert sum(budget.spend(0.0) for _ in range(100)) == FLOOR_MAX


@given(
    st.floats(0.01, 1.0),
    st.lists(st.tuples(st.floats(0, 5), st.integers(0, 5), st.integers(0, 5)), max_size=60),
)
def test_the_budget_holds_over_any_time(share, steps) -> None:
    budget = RetryBudget(share, 0.0)
    now, requests, spent = 0.0, 0, 0
    for passed, arrivals, wishes in steps:
        now += passed
        for _ in range(arrivals):
            budget.count_request()
        requests += arrivals
        spent += sum(budget.spend(now) for _ in range(wishes))
        assert spent <= share * requests + FLOOR_MAX + FLOOR_PER_S * now + 1e-6


@given(st.integers(0, 60), st.integers(0, 60_000), st.integers())
def test_a_pause_doubles_with_jitter_and_is_capped(attempt: int, base: int, seed: int) -> None:
    pause = pause_ms(attempt, base, Random(seed).random)
    longest = min(base * 2**attempt, PAUSE_MAX_MS)
    assert pause is not None
    assert longest // 2 <= pause <= longest + 1


@pytest.mark.parametrize(("hint", "pause"), [(1.0, 1000), (0.0, 125), (PATIENCE_S, 2000)])
def test_a_short_hint_is_waited_for(hint: float, pause: int) -> None:
    assert pause_ms(0, 250, lambda: 0.0, hint) == pause


def test_a_target_that_wants_longer_is_left() -> None:
    assert pause_ms(0, 250, lambda: 0.0, PATIENCE_S + 0.1) is None
