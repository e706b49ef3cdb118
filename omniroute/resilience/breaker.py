"""Circuit breakers: one per provider, shared by all workers. Pure: stored bytes in and out.

closed -> open after `failures` of them within `window_ms`, none of which was followed by a success:
a busy provider that fails now and then works. Open -> half open by time alone. Half open admits
exactly one request at a time, the probe, which claims its place first; its success closes the
breaker, its failure opens it again for twice as long, capped. A probe that never reports loses its
place after `probe_ms`.

Only the probe's report counts while the breaker is not closed: requests from before it opened still
come to their ends, and would otherwise open it again and again, or close it too early. Which
failures count is decided in `resilience.verdict` (`Mark.FAULT`); a 429 never is one.

Every function is made for `Conditions.change`: stored bytes in, new ones out, None for closed and
clean. That makes a claim safe among processes: whoever finds itself in what `claim_probe` returned
(`holds_probe`) has the place.
"""

from typing import Final, Literal, NamedTuple

import msgspec
from msgspec import Struct

BREAKER: Final = "breaker"
"""The kind of key: what stands before the colon."""

_OPENS_MAX: Final = 40


def breaker_key(provider: str) -> str:
    """Key of a provider's breaker."""
    return f"{BREAKER}:{provider}"


class Policy(Struct, frozen=True):
    """When a breaker opens, and for how long. All times in ms."""

    failures: int
    window_ms: int
    reset_ms: int
    reset_max_ms: int = 600_000
    probe_ms: int = 60_000


class Breaker(Struct, array_like=True, gc=False):
    """What is stored. Times are Unix ms."""

    failed_ms: list[int]  # the failures that still count; kept while closed only
    opens: int = 0  # in a row; 0 while closed
    until_ms: int = 0  # open until then, half open from then on
    probe: str = ""  # who has claimed the place, and until when it is kept
    probe_until_ms: int = 0
    reason: str = ""


class Standing(NamedTuple):
    """A breaker at one moment. `until_ms`: when asking again may help; 0 if it does now."""

    state: Literal["closed", "open", "half_open"]
    until_ms: int
    probe_free: bool


_CLOSED: Final = Standing("closed", 0, False)

_decode = msgspec.msgpack.Decoder(Breaker).decode
_encode = msgspec.msgpack.Encoder().encode


def read(stored: bytes) -> Breaker:
    """The record in `stored`."""
    return _decode(stored)


def standing(stored: bytes | None, now_ms: int) -> Standing:
    """Closed admits everything, open nothing, half open one that claims the probe's place."""
    if stored is None:
        return _CLOSED
    breaker = _decode(stored)
    if not breaker.opens:
        return _CLOSED
    if now_ms < breaker.until_ms:
        return Standing("open", breaker.until_ms, False)
    if breaker.probe and now_ms < breaker.probe_until_ms:
        return Standing("half_open", breaker.probe_until_ms, False)
    return Standing("half_open", 0, True)


def claim_probe(stored: bytes | None, now_ms: int, policy: Policy, claimant: str) -> bytes | None:
    """Gives the place to `claimant` (a unique id, never empty) if it is free; else no change."""
    if stored is None or not standing(stored, now_ms).probe_free:
        return stored
    breaker = _decode(stored)
    breaker.probe = claimant
    breaker.probe_until_ms = now_ms + policy.probe_ms
    return _encode(breaker)


def holds_probe(stored: bytes | None, claimant: str) -> bool:
    """Whether the place is `claimant`'s."""
    return stored is not None and bool(claimant) and _decode(stored).probe == claimant


def on_failure(
    stored: bytes | None, now_ms: int, policy: Policy, claimant: str = "", reason: str = ""
) -> bytes:
    """After a fault of the provider; `claimant` is what the attempt claimed the probe with."""
    breaker = Breaker([])
    if stored is not None:
        breaker = _decode(stored)
        if breaker.opens:
            if holds_probe(stored, claimant):
                return _opened(breaker, now_ms, policy, reason)
            return stored
    since_ms = now_ms - policy.window_ms
    counted = [at for at in breaker.failed_ms if at > since_ms][1 - policy.failures :]
    breaker.failed_ms = [*counted, now_ms] if policy.failures > 1 else [now_ms]
    if len(breaker.failed_ms) >= policy.failures:
        return _opened(breaker, now_ms, policy, reason)
    breaker.reason = reason
    return _encode(breaker)


def _opened(breaker: Breaker, now_ms: int, policy: Policy, reason: str) -> bytes:
    pause_ms = min(policy.reset_ms * 2 ** min(breaker.opens, _OPENS_MAX), policy.reset_max_ms)
    pause_ms = max(pause_ms, policy.reset_ms)
    opens = breaker.opens + 1
    return _encode(Breaker([], opens, now_ms + pause_ms, "", 0, reason or breaker.reason))


def on_success(stored: bytes | None, claimant: str = "") -> bytes | None:
    """After the provider began to answer: the probe closes it, others clear what closed counted."""
    if stored is None:
        return None
    return stored if _decode(stored).opens and not holds_probe(stored, claimant) else None


def release_probe(stored: bytes | None, claimant: str) -> bytes | None:
    """Gives the place back: the probe came to an end that says nothing of the provider."""
    if stored is None or not holds_probe(stored, claimant):
        return stored
    breaker = _decode(stored)
    breaker.probe, breaker.probe_until_ms = "", 0
    return _encode(breaker)


def is_stale(stored: bytes, now_ms: int, keep_ms: int) -> bool:
    """Whether nothing was counted for `keep_ms`, nor kept open, and the record may be removed."""
    breaker = _decode(stored)
    return max([breaker.until_ms, breaker.probe_until_ms, *breaker.failed_ms]) + keep_ms <= now_ms
