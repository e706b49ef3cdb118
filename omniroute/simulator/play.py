"""Make the answer of a scenario: what is said, thought and called, piece by piece.

Neutral between wire formats: a dialect turns its request into an `Ask` and writes the `Piece`s that
`play` yields in its own way. No clock, no randomness, no I/O: the same scenario and the same ask
give the same pieces. Pieces are made one by one, so that a long answer costs no memory.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, count, islice
from typing import Annotated, Any

from msgspec import Meta, Struct

from omniroute.simulator.calling import Tool, arguments_for, in_order_of_harm, sample
from omniroute.simulator.scenario import Scenario

__all__ = [
    "Arguments",
    "Ask",
    "Bill",
    "Call",
    "Finish",
    "Piece",
    "Tally",
    "Text",
    "Thought",
    "Tool",
    "play",
]

GREETING = (
    "This answer comes from OmniRoute's built-in simulator: no AI model was asked, "
    "and no API key is needed. "
)
_THOUGHT = "The question is short, so a short answer will do. "
_UNICODE = (
    "Grüße, Ελληνικά, кириллица, עברית, العربية, हिन्दी, 日本語, 한국어, "
    "👩\u200d👩\u200d👧\u200d👦 and 🇪🇺, e\u0301 beside é, a zero\u200bwidth space, "
    'line\u2028and paragraph\u2029separators, next\x85line, quotes " and \\ backslash, \U0001d518. '
)
_CALLING = ("tools", "parallel-tools", "reasoning-tools")
_QUOTE_CHARS = 200
_ARGUMENT_CHARS = 8


Tokens = Annotated[int, Meta(ge=0)]


class Bill(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the usage of an answer says in place of what was counted; None is the count itself.

    The numbers are reported as they are, be they more than was allowed or contradict each other.
    """

    input_tokens: Tokens | None = None
    """The whole prompt, what was cached included."""
    cached_tokens: Tokens = 0
    """The part of the prompt that was read from a cache."""
    cache_write_tokens: Tokens = 0
    """The part of it that was written to one, where the format can say so."""
    output_tokens: Tokens | None = None
    """All that was generated, reasoning included."""
    reasoning_tokens: Tokens | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What a client wants, whatever the dialect it said it in."""

    model: str
    stream: bool = False
    include_usage: bool = False
    """For dialects whose streams report usage only on request."""
    choices: int = 1
    tools: tuple[Tool, ...] = ()
    must_call: str | None = None
    """The tool that has to be called; "" for none at all, None for free choice."""
    parallel: bool = True
    question: str = ""
    """The text of the last message of the user."""
    results: tuple[str, ...] = ()
    """The results of tools that the conversation ends in."""
    input_tokens: int = 0
    max_output_tokens: int | None = None
    json_schema: Mapping[str, Any] | None = None
    """The answer has to be JSON of this schema; an empty one allows any object."""
    bill: Bill = field(default_factory=Bill)
    """What the answer reports as its usage."""


@dataclass(frozen=True, slots=True)
class Text:
    text: str


@dataclass(frozen=True, slots=True)
class Thought:
    text: str


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call begins; its arguments follow."""

    index: int
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Arguments:
    """A piece of the JSON text of a call's arguments."""

    index: int
    text: str


@dataclass(frozen=True, slots=True)
class Finish:
    """The last piece; `reason` is "stop", "tools" or "length"."""

    reason: str


Piece = Text | Thought | Call | Arguments | Finish


@dataclass(slots=True)
class Tally:
    """Usage so far: one token for each piece that is not the finish."""

    input_tokens: int
    output_tokens: int = 0
    reasoning_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0

    def count(self, piece: Piece) -> None:
        if not isinstance(piece, Finish):
            self.output_tokens += 1
        if isinstance(piece, Thought):
            self.reasoning_tokens += 1

    def billed(self, bill: Bill) -> "Tally":
        """What is reported."""

        def said(given: int | None, counted: int) -> int:
            return counted if given is None else given

        return Tally(
            said(bill.input_tokens, self.input_tokens),
            said(bill.output_tokens, self.output_tokens),
            said(bill.reasoning_tokens, self.reasoning_tokens),
            bill.cached_tokens,
            bill.cache_write_tokens,
        )


def play(scenario: Scenario, ask: Ask) -> Iterator[Piece]:
    """The pieces of the answer, ending in exactly one `Finish`.

    Where `max_output_tokens` is reached, the answer ends there with the reason "length".
    """
    limit = ask.max_output_tokens
    pieces = _pieces(scenario, ask)
    if limit is None:
        yield from pieces
        return
    last: Piece | None = None
    for last in islice(pieces, limit):
        yield last
    if not isinstance(last, Finish):
        following = next(pieces)
        yield following if isinstance(following, Finish) else Finish("length")


def _pieces(scenario: Scenario, ask: Ask) -> Iterator[Piece]:
    reply = scenario.reply
    if reply in ("reasoning", "reasoning-tools"):
        yield from map(Thought, _words(_THOUGHT))
    # A tool that has to be called is called whatever the scenario would have said.
    if (reply in _CALLING or ask.must_call) and not ask.results:
        chosen = _chosen(ask, 2 if reply == "parallel-tools" else 1)
        if chosen:
            yield from _calls(chosen, ask.question)
            return
    elif reply == "think":
        yield from map(Text, ("<think>", *_words(_THOUGHT), "</think>"))
    yield from map(Text, _said(scenario, ask))
    yield Finish("stop")


def _chosen(ask: Ask, count: int) -> list[Tool]:
    if ask.must_call == "":
        return []
    tools = in_order_of_harm(
        [tool for tool in ask.tools if ask.must_call in (None, tool.name)], ask.question
    )
    if not tools or not ask.parallel:
        return tools[:1]
    # One tool is called twice where the client offers no second one.
    return (tools * count)[:count]


def _calls(tools: list[Tool], question: str) -> Iterator[Piece]:
    for index, tool in enumerate(tools):
        yield Call(index, f"call_simulated_{index}", tool.name)
        arguments = json.dumps(arguments_for(tool, question), ensure_ascii=False)
        for start in range(0, len(arguments), _ARGUMENT_CHARS):
            yield Arguments(index, arguments[start : start + _ARGUMENT_CHARS])
    yield Finish("tools")


def _said(scenario: Scenario, ask: Ask) -> Iterator[str]:
    if scenario.reply == "empty":
        return
    if ask.json_schema is not None:
        answer = sample(ask.json_schema) or {"note": GREETING.strip()}
        yield from _words(json.dumps(answer, ensure_ascii=False))
        return
    if scenario.reply == "long":
        endless = chain(_words(GREETING), (f"word-{number} " for number in count(1)))
        yield from islice(endless, scenario.events)
        return
    yield from _words(GREETING)
    if scenario.reply == "unicode":
        yield from _words(_UNICODE)
    if ask.results:
        for result in ask.results:
            yield from _words(f"The tool answered: {_quote(result)} ")
        return
    if scenario.reply in _CALLING:
        yield from _words("There was no tool to call. ")
    yield from _words(f"You said: {_quote(ask.question)}")


def _words(text: str) -> list[str]:
    return re.findall(r"\S*[^\S]|\S+", text)


def _quote(text: str) -> str:
    return text if len(text) <= _QUOTE_CHARS else text[:_QUOTE_CHARS] + "…"
