"""What the table of conditions holds, read for people, and what of it has become worthless. Pure.

The table (`state.interface.Conditions`) is text keys and bytes; this is the one place that knows
all kinds of keys, so that a status page, a reset by hand and the tidying of the table need not.
"""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from omniroute.resilience import bans, breaker, cooldown, quota

_HOUR_MS: Final = 3_600_000

# How long a record lies there after it has ended. Cooldowns keep the level at which the next one
# would begin, so theirs is long; names of models come from clients, so theirs is shorter.
_KEEP_MS: Final[Mapping[str, int]] = {
    cooldown.CONNECTION: 7 * 24 * _HOUR_MS,
    cooldown.LOCKOUT: 24 * _HOUR_MS,
    cooldown.TARGET: 24 * _HOUR_MS,
    breaker.BREAKER: _HOUR_MS,
    quota.QUOTA: 24 * _HOUR_MS,
    bans.BAN: _HOUR_MS,
}


class Condition(NamedTuple):
    """One condition at one moment."""

    key: str
    kind: str  # cooldown | lockout | target | breaker | quota | ban
    subject: str  # the connection's id; of targets and breakers the provider's; the banned network
    detail: str  # the model or the window; "" where the subject is all
    # cooling | counting | open | half_open | closed | used_up | reported | banned | over
    state: str
    until_ms: int  # Unix time at which it ends; 0 when it has ended or none is known
    failures: int = 0  # since the last success; of an open breaker, how often it opened in a row
    reason: str = ""
    used: float | None = None  # of a quota, as a share


def describe(key: str, stored: bytes, now_ms: int) -> Condition | None:
    """A condition for people; None for a key of no kind that is known."""
    kind, _, rest = key.partition(":")
    view = _VIEWS.get(kind)
    if view is None:
        return None
    subject, _, detail = rest.partition(" ")
    return view(Condition(key, kind, subject, detail, "", 0), stored, now_ms)


def is_stale(key: str, stored: bytes, now_ms: int) -> bool:
    """Whether nobody will miss it; what is of no kind that is known is nobody's."""
    kind = key.partition(":")[0]
    stale = _STALE.get(kind)
    return stale is None or stale(stored, now_ms, _KEEP_MS[kind])


def _of_cooldown(shown: Condition, stored: bytes, now_ms: int) -> Condition:
    record = cooldown.read(stored)
    cools = record.until_ms > now_ms
    return shown._replace(
        state="cooling" if cools else "counting",
        until_ms=record.until_ms if cools else 0,
        failures=record.failures,
        reason=record.reason,
    )


def _of_breaker(shown: Condition, stored: bytes, now_ms: int) -> Condition:
    record = breaker.read(stored)
    standing = breaker.standing(stored, now_ms)
    return shown._replace(
        state=standing.state,
        until_ms=standing.until_ms,
        failures=record.opens or len(record.failed_ms),
        reason=record.reason,
    )


def _of_quota(shown: Condition, stored: bytes, now_ms: int) -> Condition:
    report = quota.read(stored)
    until_ms = report.resets_ms or 0
    exhausted = quota.exhausted_until_ms([report], 1.0, now_ms, report.model)
    return shown._replace(
        state="used_up" if exhausted else "reported",
        until_ms=until_ms if until_ms > now_ms else 0,
        used=report.used,
    )


def _of_ban(shown: Condition, stored: bytes, now_ms: int) -> Condition:
    ban = bans.read(stored)
    holds = ban.until_ms > now_ms
    return shown._replace(
        state="banned" if holds else "over",
        until_ms=ban.until_ms if holds else 0,
        reason=ban.reason,
    )


_VIEWS: Final[Mapping[str, Callable[[Condition, bytes, int], Condition]]] = {
    cooldown.CONNECTION: _of_cooldown,
    cooldown.LOCKOUT: _of_cooldown,
    cooldown.TARGET: _of_cooldown,
    breaker.BREAKER: _of_breaker,
    quota.QUOTA: _of_quota,
    bans.BAN: _of_ban,
}
_STALE: Final[Mapping[str, Callable[[bytes, int, int], bool]]] = {
    cooldown.CONNECTION: cooldown.is_stale,
    cooldown.LOCKOUT: cooldown.is_stale,
    cooldown.TARGET: cooldown.is_stale,
    breaker.BREAKER: breaker.is_stale,
    quota.QUOTA: quota.is_stale,
    bans.BAN: bans.is_stale,
}
