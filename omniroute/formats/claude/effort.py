"""How much Claude is to think: the client's wish in the members that the model takes.

Models up to 4.5 take a budget of tokens, later ones think adaptively and take an effort. The wish
is a preference: where the rest of the request leaves no room for it, it is left out and named a
loss, never a reason to fail.

Source: "Thinking" and "Troubleshooting thinking" (budget at least 1024 and below `max_tokens`; no
forced tool, no prefill and no changed sampling beside a budget; in a tool loop the turn has to
begin with Claude's own thinking).
"""

from typing import Final, NamedTuple

from msgspec import Raw

from omniroute.formats import ir
from omniroute.formats.claude.models import Traits
from omniroute.formats.claude.wire import FORMAT
from omniroute.formats.thinking import DYNAMIC, budget_of, effort_of, is_off

DEFAULT_MAX_TOKENS: Final = 8192
"""Where neither the client nor the registry says: what every model since 2024 can answer with."""

MIN_BUDGET_TOKENS: Final = 1024
# What a model of unknown limits is asked to think at most; all that think can answer so long.
_UNKNOWN_BUDGET_TOKENS: Final = 16_384
# Of max_tokens stays for the answer when a budget would take it all.
_ANSWER_SHARE: Final = 4

_EFFORTS: Final[dict[ir.Effort, str]] = {
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "xhigh",
}


class Room(NamedTuple):
    """`max_tokens`, `thinking` and `output_config.effort` as they fit each other."""

    max_tokens: int
    thinking: dict[str, object] | Raw | None = None
    effort: str | Raw | None = None
    lost: bool = False  # the wish was left out
    clamped: bool = False  # max_tokens was above what the model can do


def room(
    request: ir.Request,
    traits: Traits,
    limit: int | None,
    *,
    forced: bool,
) -> Room:
    """How much may be generated, and how much of it thought.

    `limit` is the model's own, where known; `forced`: a tool has to be called.
    """
    asked = request.sampling.max_tokens
    clamped = asked is not None and limit is not None and asked > limit
    # 0 warms the prompt cache: the service knows it, and nothing is generated.
    given = None if asked is None else max(0, min(asked, limit) if limit else asked)
    wish = request.reasoning
    if wish is not None and request.origin == FORMAT and not wish.imposed:
        own = wish.extra
        wished = own.get("thinking")
        # A budget demands Claude's own thinking in tool loops; the client cannot know that the
        # thought it keeps is another's.
        lost = wished is not None and b'"enabled"' in bytes(wished) and _is_anothers(request)
        return Room(
            _default(limit) if given is None else given,
            None if lost else wished,
            own.get("effort"),
            lost=lost,
            clamped=clamped,
        )
    plain = Room(_default(limit) if given is None else given, clamped=clamped)
    if wish is None or (wish.effort is None and wish.budget_tokens is None):
        return plain
    if not traits.thinks:
        return plain if is_off(wish) else plain._replace(lost=True)
    if is_off(wish):
        if not traits.can_stop_thinking:
            return plain._replace(lost=True)
        return plain._replace(thinking={"type": "disabled"})
    if forced or not _may_think(request, traits):
        return plain._replace(lost=True)
    if traits.adaptive:
        effort = effort_of(wish)
        word = None if effort is None else _EFFORTS[effort]
        if word == "xhigh" and not traits.xhigh:
            word = "max"
        adaptive: dict[str, object] = {"type": "adaptive"}
        if request.origin != FORMAT or wish.include is not None:
            # Newer models omit thinking unless asked, and translated clients expect to see it.
            adaptive["display"] = "omitted" if wish.include is False else "summarized"
        return plain._replace(thinking=adaptive, effort=word)
    budget = budget_of(wish)
    if budget is None or budget == DYNAMIC:
        budget = DEFAULT_MAX_TOKENS
    budget = max(budget, MIN_BUDGET_TOKENS)
    if given is not None:
        total = given
    else:
        total = limit or min(budget, _UNKNOWN_BUDGET_TOKENS) + DEFAULT_MAX_TOKENS
    budget = min(budget, total - max(1, total // _ANSWER_SHARE))
    if budget < MIN_BUDGET_TOKENS:
        if total <= MIN_BUDGET_TOKENS:
            return plain._replace(lost=True)
        budget = MIN_BUDGET_TOKENS
    thinking: dict[str, object] = {"type": "enabled", "budget_tokens": budget}
    return plain._replace(max_tokens=total, thinking=thinking)


def _default(limit: int | None) -> int:
    return limit or DEFAULT_MAX_TOKENS


def _may_think(request: ir.Request, traits: Traits) -> bool:
    """Does the history allow thinking? A budget demands Claude's own thinking in tool loops."""
    in_tool_loop = False
    for message in reversed(request.messages):
        if message.role == "assistant":
            if message is request.messages[-1]:
                return False  # a prefill
            if traits.adaptive or not in_tool_loop:
                return True
            first = next((part for part in message.parts if not _is_foreign(part)), None)
            return isinstance(first, ir.Reasoning)
        in_tool_loop = in_tool_loop or any(
            isinstance(part, ir.ToolResult) for part in message.parts
        )
    return True


def _is_anothers(request: ir.Request) -> bool:
    """Did another format's model begin the tool loop that this request continues?"""
    turn = next((each for each in reversed(request.messages) if each.role == "assistant"), None)
    if turn is None or not any(isinstance(p, ir.ToolResult) for p in request.messages[-1].parts):
        return False
    own = [part for part in turn.parts if not _is_foreign(part)]
    return len(own) < len(turn.parts) and not (own and isinstance(own[0], ir.Reasoning))


def _is_foreign(part: ir.Part) -> bool:
    """Reasoning that will not be sent: another's, or without its proof."""
    return isinstance(part, ir.Reasoning) and not (
        part.origin == FORMAT and (part.signature or part.data)
    )
