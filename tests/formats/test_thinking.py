"""Effort and budget: one table, there and back."""

from typing import get_args

import pytest

from omniroute.formats import thinking
from omniroute.formats.ir import Effort, ReasoningWish


@pytest.mark.parametrize("effort", get_args(Effort))
def test_an_effort_survives_the_way_through_a_budget(effort: Effort) -> None:
    assert thinking.effort_for(thinking.BUDGET_TOKENS[effort]) == effort


def test_more_budget_never_means_less_effort() -> None:
    order = list(thinking.BUDGET_TOKENS)
    budgets = [0, 1, 512, 513, 1024, 1025, 8192, 10_240, 10_241, 131_072, 131_073, 10**9]
    ranks = [order.index(effort) for budget in budgets if (effort := thinking.effort_for(budget))]
    assert len(ranks) == len(budgets)
    assert ranks == sorted(ranks)


def test_a_dynamic_budget_is_no_effort() -> None:
    assert thinking.effort_for(thinking.DYNAMIC) is None
    assert thinking.budget_of(ReasoningWish(budget_tokens=-1)) == thinking.DYNAMIC


def test_what_was_said_is_authoritative_and_silence_stays_silence() -> None:
    assert thinking.effort_of(None) is None
    assert thinking.budget_of(None) is None
    assert thinking.effort_of(ReasoningWish()) is None
    assert thinking.budget_of(ReasoningWish()) is None
    assert thinking.effort_of(ReasoningWish(effort="low", budget_tokens=99_999)) == "low"
    assert thinking.budget_of(ReasoningWish(effort="low", budget_tokens=99_999)) == 99_999
    assert thinking.budget_of(ReasoningWish(effort="medium")) == 10_240


def test_off_is_off_in_either_language() -> None:
    assert thinking.is_off(ReasoningWish(effort="none"))
    assert thinking.is_off(ReasoningWish(budget_tokens=0))
    assert not thinking.is_off(ReasoningWish(effort="minimal"))
    assert not thinking.is_off(None)


def test_every_effort_has_a_level() -> None:
    assert set(thinking.LEVELS) == set(get_args(Effort))
    assert set(thinking.LEVELS.values()) <= {"minimal", "low", "medium", "high"}
