"""How providers, accounts and models are, for people: the conditions as data and as sentences.

Names of models come from clients and reasons from upstreams: whoever shows them treats them as
text.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from omniroute.resilience import breaker, cooldown, quota
from omniroute.resilience.conditions import Condition, describe

# By kind of condition: the part of the document that it stands in.
_PARTS: Final[Mapping[str, str]] = {
    breaker.BREAKER: "breakers",
    cooldown.CONNECTION: "cooldowns",
    cooldown.LOCKOUT: "lockouts",
    cooldown.TARGET: "targets",
    quota.QUOTA: "quotas",
}


def told_health(table: Mapping[str, bytes], now_ms: int) -> dict[str, list[dict[str, Any]]]:
    """Every condition under its part, sorted by subject: what is known, and `text` that says it.

    `until_ms` and `resets_ms` are Unix times, `ends_in_s` and `resets_in_s` the seconds from now;
    null where there is no such moment. `used` is a share, 1 for all of it.
    """
    told: dict[str, list[dict[str, Any]]] = {part: [] for part in _PARTS.values()}
    for key, stored in sorted(table.items()):
        condition = describe(key, stored, now_ms)
        if condition is None or condition.kind not in _PARTS:
            continue
        tell = _quota if condition.kind == quota.QUOTA else _rest
        told[_PARTS[condition.kind]].append(tell(condition, stored, now_ms))
    return told


def _rest(condition: Condition, _: bytes, now_ms: int) -> dict[str, Any]:
    """A cooldown, a lockout, a failing target or a breaker."""
    until_ms = condition.until_ms
    return {
        "subject": condition.subject,
        "detail": condition.detail,
        "state": condition.state,
        "until_ms": until_ms or None,
        "ends_in_s": _seconds(until_ms, now_ms) if until_ms else None,
        "failures": condition.failures,
        "reason": condition.reason,
        "text": _SENTENCES[condition.state](condition, now_ms),
    }


def _quota(condition: Condition, stored: bytes, now_ms: int) -> dict[str, Any]:
    report = quota.read(stored)
    resets_ms = condition.until_ms
    return {
        "subject": condition.subject,
        "detail": condition.detail,
        "state": condition.state,
        "used": report.used,
        "limit": report.limit,
        "remaining": report.remaining,
        "model": report.model,
        "resets_ms": resets_ms or None,
        "resets_in_s": _seconds(resets_ms, now_ms) if resets_ms else None,
        "reported_ms": report.reported_ms,
        "source": report.source,
        "text": _SENTENCES[condition.state](condition, now_ms),
    }


def in_words(seconds: float) -> str:
    """A duration as people say it: `45 s`, `3 min`, `2 h 5 min`, `4 d 6 h`."""
    rest = max(1, round(seconds))
    if rest < 120:
        return f"{rest} s"
    minutes = round(rest / 60)
    if minutes < 120:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


def _seconds(moment_ms: int, now_ms: int) -> float:
    return round(max(0, moment_ms - now_ms) / 1000, 1)


def _who(condition: Condition) -> str:
    return f"{condition.detail} at {condition.subject}" if condition.detail else condition.subject


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _why(condition: Condition) -> str:
    return f": {condition.reason}" if condition.reason else ""


def _cooling(condition: Condition, now_ms: int) -> str:
    ends = in_words(_seconds(condition.until_ms, now_ms))
    return (
        f"{_who(condition)} rests for another {ends}; it failed {_times(condition.failures)} since "
        f"it last answered{_why(condition)}"
    )


def _counting(condition: Condition, _: int) -> str:
    return (
        f"{_who(condition)} may be asked; it failed {_times(condition.failures)} since it last "
        f"answered{_why(condition)}"
    )


def _open(condition: Condition, now_ms: int) -> str:
    ends = in_words(_seconds(condition.until_ms, now_ms))
    return f"{condition.subject} fails and is not asked for another {ends}{_why(condition)}"


def _half_open(condition: Condition, _: int) -> str:
    return f"one request at a time tries whether {condition.subject} works again{_why(condition)}"


def _closed(condition: Condition, _: int) -> str:
    return f"{condition.subject} failed {_times(condition.failures)} of late{_why(condition)}"


def _used_up(condition: Condition, now_ms: int) -> str:
    return (
        f"{condition.subject} has used up its quota {condition.detail}{_reset(condition, now_ms)}"
    )


def _reported(condition: Condition, now_ms: int) -> str:
    used = condition.used or 0.0
    return (
        f"{condition.subject} has used {used:.0%} of its quota {condition.detail}"
        f"{_reset(condition, now_ms)}"
    )


def _reset(condition: Condition, now_ms: int) -> str:
    if not condition.until_ms:
        return ""
    return f", which resets in {in_words(_seconds(condition.until_ms, now_ms))}"


_SENTENCES: Final[Mapping[str, Callable[[Condition, int], str]]] = {
    "cooling": _cooling,
    "counting": _counting,
    "open": _open,
    "half_open": _half_open,
    "closed": _closed,
    "used_up": _used_up,
    "reported": _reported,
}
