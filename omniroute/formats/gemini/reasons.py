"""Finish reasons, token counts and reasoning efforts: Gemini's words against ours.

Source: Gemini API reference, `FinishReason`, `UsageMetadata`; guides "Gemini thinking" and
"Gemini 3" for levels and ranges of budgets. Efforts and budgets map by `formats.thinking`.
"""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from omniroute.formats.gemini.wire import UsageMetadata
from omniroute.formats.ir import Effort, FinishReason
from omniroute.formats.thinking import LEVELS
from omniroute.usage import Usage

FINISH: Final[Mapping[str, FinishReason]] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "ESCALATION": "content_filter",
    "PUP_LIMITED_DISABLED": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
    "CONTINUATION": "pause",
}
"""Every other reason (LANGUAGE, OTHER, MALFORMED_FUNCTION_CALL …) is "other"."""

_FINISH_OUT: Final[Mapping[FinishReason, str]] = {
    "stop": "STOP",
    "length": "MAX_TOKENS",
    "tool_calls": "STOP",
    "content_filter": "SAFETY",
    "refusal": "SAFETY",
    "stop_sequence": "STOP",
    "pause": "OTHER",
    "other": "OTHER",
}


def finish_reason(written: str, *, called: bool) -> FinishReason:
    """The reason of a candidate; a plain STOP after a function call is a call for its result."""
    reason = FINISH.get(written, "other")
    return "tool_calls" if called and reason == "stop" else reason


def written_reason(reason: FinishReason) -> str:
    return _FINISH_OUT[reason]


def usage_of(read: UsageMetadata) -> Usage:
    """Gemini counts thoughts beside the candidates, and results of its own tools beside the prompt;
    cached content is inside the prompt."""
    thoughts = read.thoughtsTokenCount or 0
    return Usage(
        input_tokens=(read.promptTokenCount or 0) + (read.toolUsePromptTokenCount or 0),
        cache_read_tokens=read.cachedContentTokenCount or 0,
        output_tokens=(read.candidatesTokenCount or 0) + thoughts,
        reasoning_tokens=thoughts,
    ).clamped()


def written_usage(usage: Usage) -> dict[str, int]:
    counts = {
        "promptTokenCount": usage.input_tokens,
        "candidatesTokenCount": usage.output_tokens - usage.reasoning_tokens,
        "totalTokenCount": usage.total_tokens,
    }
    if usage.cache_read_tokens:
        counts["cachedContentTokenCount"] = usage.cache_read_tokens
    if usage.reasoning_tokens:
        counts["thoughtsTokenCount"] = usage.reasoning_tokens
    return counts


# --- models and their thinking ------------------------------------------------------------------

_GENERATION: Final = re.compile(r"gemini-(\d+)(?:\.(\d+))?")


class Thinking(NamedTuple):
    """How a model takes what is wished of its reasoning."""

    levels: bool  # thinkingLevel rather than thinkingBudget
    lowest: Effort = "minimal"  # the least level it has
    medium: bool = True  # is there a level between low and high?
    budget_min: int = 0
    budget_max: int = 1 << 31
    can_be_off: bool = True

    def budget(self, tokens: int) -> int:
        """The nearest budget that the model takes; -1 leaves it to the model, 0 is off."""
        if tokens < 0:
            return -1
        if tokens == 0 and self.can_be_off:
            return 0
        return min(max(tokens, self.budget_min), self.budget_max)


def generation(model: str) -> float | None:
    """Gemini's version number in a model's name ("gemini-2.5-pro": 2.5); None where none is."""
    match = _GENERATION.search(model)
    return None if match is None else float(f"{match[1]}.{match[2] or 0}")


def thinking(model: str) -> Thinking | None:
    """What the guides say of a model's thinking; None for one that has none.

    A name without a version (an alias, another vendor's) is taken to accept any budget.
    """
    version = generation(model)
    if version is None:
        return Thinking(levels=False)
    if version < 2.5:
        return None
    if version >= 3:
        if "pro" in model:
            return Thinking(True, "low", version > 3.0, can_be_off=False)
        return Thinking(True, can_be_off=False)
    if "pro" in model:
        return Thinking(False, budget_min=128, budget_max=32768, can_be_off=False)
    if "lite" in model:
        return Thinking(False, budget_min=512, budget_max=24576)
    return Thinking(False, budget_max=24576)


def level(effort: Effort, model: Thinking) -> str:
    """The thinkingLevel nearest to an effort."""
    if effort in ("none", "minimal"):
        return model.lowest.upper()
    if effort == "medium" and not model.medium:
        return "HIGH"
    return LEVELS[effort].upper()


def requires_signatures(model: str) -> bool:
    """Does the service check that calls of the current turn carry a thought signature?"""
    return (generation(model) or 0) >= 3 or model.startswith(("gemini-flash", "gemini-pro"))
