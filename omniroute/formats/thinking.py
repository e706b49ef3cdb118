"""How much to think, said in words (effort) or in tokens (budget): the one table between the two.

OpenAI takes an effort, Claude a budget, Gemini either. Every codec maps by this table, so a wish
that goes there and back is the wish it was. Pure; bounds of a single model are its codec's to keep.

Numbers: the budgets that OmniRoute has always used for low, medium and high; a budget between two
rows belongs to the higher one, so nobody gets less thinking than asked for.
"""

from typing import Final

from omniroute.formats.ir import Effort, ReasoningWish

DYNAMIC: Final = -1
"""The budget that leaves the amount to the model."""

BUDGET_TOKENS: Final[dict[Effort, int]] = {
    "none": 0,
    "minimal": 512,
    "low": 1024,
    "medium": 10_240,
    "high": 131_072,
    "xhigh": 262_144,
}
"""Effort -> budget in tokens, ascending."""

LEVELS: Final[dict[Effort, str]] = {
    "none": "minimal",
    "minimal": "minimal",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "high",
}
"""Effort -> Gemini's thinkingLevel; the levels cannot be switched off."""


def effort_for(budget_tokens: int) -> Effort | None:
    """The effort that a budget stands for; None for a negative one: the model decides."""
    if budget_tokens < 0:
        return None
    for effort, bound in BUDGET_TOKENS.items():
        if budget_tokens <= bound:
            return effort
    return "xhigh"


def effort_of(wish: ReasoningWish | None) -> Effort | None:
    """The effort that a wish amounts to; None: nothing is said, or the model decides."""
    if wish is None:
        return None
    if wish.effort is not None:
        return wish.effort
    return None if wish.budget_tokens is None else effort_for(wish.budget_tokens)


def budget_of(wish: ReasoningWish | None) -> int | None:
    """The budget that a wish amounts to, `DYNAMIC` included; None: nothing is said."""
    if wish is None:
        return None
    if wish.budget_tokens is not None:
        return wish.budget_tokens
    return None if wish.effort is None else BUDGET_TOKENS[wish.effort]


def is_off(wish: ReasoningWish | None) -> bool:
    """Whether the client wants no reasoning at all."""
    return budget_of(wish) == 0
