"""What is going to happen, read from the model's name.

A name is one or more words joined by `+`, in any order: `plain`, `tools+bytewise`,
`long-500+pace-20ms+cut-100`. At most one word says what is answered (`plain` when none does); the
others say how it goes wrong, or how it is written. The same name always gives the same scenario.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = [
    "HEAD_FAULTS",
    "LISTED",
    "PACE_VARIABLE",
    "Scenario",
    "UnknownScenario",
    "scenario_named",
]

PACE_VARIABLE = "OMNIROUTE_SIMULATOR_PACE_MS"
"""The environment's pace, where neither the command line nor the model's name gives one."""

REPLIES = frozenset(
    {
        *("plain", "tools", "parallel-tools", "reasoning-tools", "think", "reasoning"),
        *("long", "unicode", "empty"),
    }
)
HEAD_FAULTS = frozenset({"cut-head", "reset-head"})
"""Faults that strike before any byte."""
MAX_EVENTS = 1_000_000
_LONG_EVENTS = 1000
_FAULT_AFTER_EVENTS = 3
_RETRY_AFTER_S = 1

# What GET /v1/models lists: the plain forms of all words, with a sentence for people.
LISTED: Mapping[str, str] = {
    "plain": "answers with a sentence and quotes the question",
    "tools": "calls a tool of the request, one that reads if it has one, then quotes its result",
    "parallel-tools": "calls two tools at once",
    "think": "thinks aloud between <think> tags",
    "reasoning": "thinks in reasoning_content",
    "reasoning-tools": "thinks, then calls a tool as `tools` does; thinks again, then answers",
    "long": "a thousand events; long-N for N of them",
    "unicode": "scripts, emoji and line separators that break careless splitting",
    "empty": "finishes without a word",
    "slow": "the first byte after 2 s; slow-500ms, slow-10s",
    "quiet": "headers at once, the first event after 2 s; quiet-30s",
    "pace-50ms": "so much time between two events",
    "bytewise": "one byte per write",
    "crlf": "events end in CR LF",
    "no-usage": "never reports usage",
    "usage-every": "reports usage in every event",
    "stall": "silence after 3 events; stall-N",
    "cut": "the connection closes after 3 events; cut-N",
    "cut-head": "the connection closes before any byte",
    "reset": "the connection is reset after 3 events; reset-N",
    "reset-head": "the connection is reset before any byte",
    "error-event": "an error event after 3 events; error-event-N",
    "error-first": "status 200, then an error as the first event",
    "json-broken": "the fourth event is no JSON; json-broken-N",
    "error-400": "any status from 400 to 599",
    "error-401": "any status from 400 to 599",
    "error-429": "with Retry-After: 1; error-429-30 for 30 s",
    "error-500": "any status from 400 to 599",
    "error-503": "with Retry-After: 1; error-503-30 for 30 s",
}


class UnknownScenario(ValueError):
    """The model's name holds a word that is no scenario, or two that exclude each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What one model name stands for."""

    reply: str = "plain"
    """One of `REPLIES`."""
    events: int = _LONG_EVENTS
    """Length of a long reply."""
    status: int = 200
    retry_after_s: int | None = None
    delay_s: float = 0.0
    """Before the first byte."""
    quiet_s: float = 0.0
    """Between the headers and the first event."""
    pace_s: float | None = None
    """Between two events; None takes what the server was started with."""
    bytewise: bool = False
    crlf: bool = False
    usage: str = "asked"
    """"asked", "never" or "every"."""
    fault: str = ""
    """Empty, or "stall", "cut", "cut-head", "reset", "reset-head", "error-event", "json-broken"."""
    fault_after: int = _FAULT_AFTER_EVENTS
    """How many events come through before the fault."""


_DURATION = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)(ms|s)")
_NUMBERED = re.compile(r"(long|stall|cut|reset|error-event|json-broken)(?:-(\d{1,7}))?")
_TIMED = re.compile(r"(slow|quiet|pace)(?:-(.+))?")
_STATUS = re.compile(r"error-([45]\d\d)(?:-(\d{1,5}))?")
_FLAGS: Mapping[str, Mapping[str, Any]] = {
    "bytewise": {"bytewise": True},
    "crlf": {"crlf": True},
    "no-usage": {"usage": "never"},
    "usage-every": {"usage": "every"},
    "cut-head": {"fault": "cut-head"},
    "reset-head": {"fault": "reset-head"},
    "error-first": {"fault": "error-event", "fault_after": 0},
}
_TIME_FIELDS = {"slow": "delay_s", "quiet": "quiet_s", "pace": "pace_s"}


def scenario_named(model: str) -> Scenario:
    """The scenario that a model's name stands for. Raises `UnknownScenario`."""
    fields: dict[str, Any] = {}
    for word in model.split("+"):
        for name, value in _word(word).items():
            if name in fields:
                raise UnknownScenario(f"{word!r} and another word of {model!r} exclude each other")
            fields[name] = value
    return Scenario(**fields)


def _word(word: str) -> Mapping[str, Any]:
    if word in REPLIES and word != "long":
        return {"reply": word}
    if word in _FLAGS:
        return _FLAGS[word]
    if match := _STATUS.fullmatch(word):
        status = int(match[1])
        waits = _RETRY_AFTER_S if status in (429, 503) else None
        return {"status": status, "retry_after_s": int(match[2]) if match[2] else waits}
    if match := _NUMBERED.fullmatch(word):
        kind, count = match[1], match[2]
        if kind == "long":
            return {"reply": "long", "events": min(int(count or _LONG_EVENTS), MAX_EVENTS)}
        return {"fault": kind, "fault_after": int(count or _FAULT_AFTER_EVENTS)}
    if match := _TIMED.fullmatch(word):
        return {_TIME_FIELDS[match[1]]: _seconds(match[2] or "2s")}
    raise UnknownScenario(f"{word!r} is no scenario of the simulator; it knows {', '.join(LISTED)}")


def _seconds(text: str) -> float:
    match = _DURATION.fullmatch(text)
    if match is None:
        raise UnknownScenario(f"{text!r} is no duration; write 2s or 250ms")
    return float(match[1]) / (1000 if match[2] == "ms" else 1)
