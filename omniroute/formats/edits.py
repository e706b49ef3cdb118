"""What a gateway's owner lays over every request: text around the system prompt, and how much to
think.

Contract: a request comes in, another comes out; the one that came in is not changed, since further
attempts begin with it. Encoded in the format it came in, everything that the edit is not about is
as it was. Equal edits of equal requests are equal and stand in equal places, so the prompt caches
of providers keep what they hold.
"""

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from omniroute.formats import ir

# Claude's subscriptions answer only where the first words are those of its own clients, which send
# them as blocks of their own. (Seen of Claude Code 2 and the Agent SDK, November 2026.)
ANNOUNCEMENTS: Final = (
    "x-anthropic-billing-header:",
    "You are Claude Code, Anthropic's official CLI",
    "You are a Claude agent, built on Anthropic's Claude Agent SDK",
)
MAX_ANNOUNCEMENT: Final = 400  # characters; longer ones are prompts that begin so

INSTRUCTING: Final = frozenset({"system", "developer"})
"""Roles of instructions."""

ThinkingMode: TypeAlias = Literal["passthrough", "auto", "custom", "adaptive"]

MIN_MAX_TOKENS: Final = 1024
"""An answer that may be no longer leaves no room to think: titles, labels, a yes or no."""

# An answer keeps this share of max_tokens, at least, when thinking would take it all.
_ANSWER_SHARE: Final = 4

_MANY_MESSAGES: Final = 10
_MANY_TOOLS: Final = 3
_LONG_TEXT: Final = 2000  # characters

# Members by which clients and vendors ask for thinking beside those that have a place in the IR.
_THINKING_MEMBERS: Final = frozenset(
    {"enable_thinking", "include_reasoning", "reasoning", "thinking", "thinking_budget"}
)
_TEMPLATE: Final = "chat_template_kwargs"  # vLLM's, of which some members ask for thinking
_MANAGEMENT: Final = "context_management"  # Claude's; its edits of thinking demand thinking
_THINKING_EDIT: Final = "clear_thinking"


def with_system_prompt(request: ir.Request, prefix: str, suffix: str) -> ir.Request:
    """The request with texts before and after all instructions it begins with; "" for none.

    Instructions may be a system prompt, messages in front of the conversation (a developer's, as
    reasoning models of OpenAI have them), or both. Where there are none, a system prompt is made;
    where there are messages alone, the texts join them: the service takes no system prompt beside.
    The prefix stands behind the blocks with which a client announces itself, if it does.
    """
    if not prefix and not suffix:
        return request
    system = list(request.system)
    messages = list(request.messages)
    last = _leading(request) - 1
    if prefix:
        before = ir.Text(prefix)
        if system or last < 0:
            system.insert(_announcements(system), before)
        else:
            messages[0] = replace(messages[0], parts=[before, *messages[0].parts])
    if suffix:
        after = ir.Text(suffix)
        if last < 0:
            system.append(after)
        else:
            messages[last] = replace(messages[last], parts=[*messages[last].parts, after])
    return replace(request, system=system, messages=messages)


def _announcements(system: list[ir.Part]) -> int:
    """How many parts in front say nothing but which client this is."""
    count = 0
    for part in system:
        if not isinstance(part, ir.Text) or len(part.text) > MAX_ANNOUNCEMENT:
            break
        if not part.text.startswith(ANNOUNCEMENTS):
            break
        count += 1
    return count


def _leading(request: ir.Request) -> int:
    """How many messages of instructions stand before the conversation."""
    count = 0
    for message in request.messages:
        if message.role not in INSTRUCTING:
            break
        count += 1
    return count


def with_thinking(
    request: ir.Request, mode: ThinkingMode, budget_tokens: int, *, thinks: bool | None = None
) -> ir.Request:
    """The request with its wish to think as `mode` says; `budget_tokens` is for the last two.

    passthrough: as it is. auto: without any wish, so the model decides. custom: that budget; 0 is
    off. adaptive: that budget times 1, plus 0.5 beyond 10 messages, 0.5 beyond 3 tools, 0.3 for a
    last text of the user's beyond 2000 characters.

    A budget leaves room for the answer where the client bounds it, and does not come in where the
    bound leaves none. Codecs fit it to the model: to an effort, a level, or nothing where a model
    is known not to think. `thinks` False says so of one whose name does not.
    """
    if mode == "passthrough":
        return request
    if mode == "auto" or thinks is False:
        return _without_thinking(request)
    bound = request.sampling.max_tokens
    if bound is not None and bound <= MIN_MAX_TOKENS and budget_tokens:
        return request
    budget = budget_tokens if mode == "custom" else _adapted(request, budget_tokens)
    if bound is not None:
        budget = min(budget, bound - bound // _ANSWER_SHARE)
    old = request.reasoning
    asked = old is not None and (old.effort is not None or old.budget_tokens is not None)
    wish = ir.ReasoningWish(
        effort=None if budget else "none",
        budget_tokens=budget or None,
        imposed="instead" if asked else "anew",
    )
    if old is not None:
        wish.include, wish.encrypted = old.include, old.encrypted
        wish.extra = {
            name: raw for name, raw in old.extra.items() if name not in ("effort", "thinking")
        }
    extra = _without_wishes(request.extra, keeps_edits=budget > 0)
    return replace(request, reasoning=wish, extra=extra)


def _adapted(request: ir.Request, base: int) -> int:
    """The budget for how much there is to think about; tenths, so that no sum is off by one."""
    tenths = 10
    if len(request.messages) > _MANY_MESSAGES:
        tenths += 5
    if len(request.tools) > _MANY_TOOLS:
        tenths += 5
    if _last_text(request) > _LONG_TEXT:
        tenths += 3
    return base * tenths // 10


def _last_text(request: ir.Request) -> int:
    """Characters of the last message in which the user says something."""
    for message in reversed(request.messages):
        if message.role == "user":
            size = sum(len(part.text) for part in message.parts if isinstance(part, ir.Text))
            if size:
                return size
    return 0


def _without_thinking(request: ir.Request) -> ir.Request:
    wish = request.reasoning
    left: ir.ReasoningWish | None = None
    if wish is not None and wish.encrypted:
        # Not a wish to think, but that thoughts of the model's own accord can be sent back.
        left = ir.ReasoningWish(encrypted=True)
    extra = _without_wishes(request.extra, keeps_edits=False)
    return replace(request, reasoning=left, extra=extra)


def _without_wishes(extra: dict[str, Raw], *, keeps_edits: bool) -> dict[str, Raw]:
    kept = {name: raw for name, raw in extra.items() if name not in _THINKING_MEMBERS}
    if _TEMPLATE in kept:
        kept[_TEMPLATE] = _without_members(kept[_TEMPLATE])
    if _MANAGEMENT in kept and not keeps_edits:
        kept[_MANAGEMENT] = _without_edits(kept[_MANAGEMENT])
    return {name: raw for name, raw in kept.items() if raw != ir.NULL}


def _without_members(raw: Raw) -> Raw:
    try:
        members = msgspec.json.decode(raw, type=dict[str, Raw])
    except msgspec.MsgspecError:
        return raw  # no object: the upstream says so in its own words
    kept = {name: value for name, value in members.items() if name not in _THINKING_MEMBERS}
    return raw if len(kept) == len(members) else _written(kept)


class _Edit(msgspec.Struct):
    type: str = ""


def _without_edits(raw: Raw) -> Raw:
    try:
        members = msgspec.json.decode(raw, type=dict[str, Raw])
        edits = msgspec.json.decode(members.get("edits", Raw(b"[]")), type=list[Raw])
        kinds = [msgspec.json.decode(edit, type=_Edit).type for edit in edits]
    except msgspec.MsgspecError:
        return raw
    kept = [
        edit for edit, kind in zip(edits, kinds, strict=True) if not kind.startswith(_THINKING_EDIT)
    ]
    if len(kept) == len(edits):
        return raw
    if kept:
        return _written({**members, "edits": kept})
    del members["edits"]
    return _written(members)


def _written(members: Mapping[str, object]) -> Raw:
    """Members as an object; null, and so nothing at all, where none is left."""
    return Raw(msgspec.json.encode(members)) if members else ir.NULL
