"""The headers with which a 429 of ours tells the limit that was met, as each vendor tells its own.

Only requests and tokens have headers that SDKs and agents read; other limits (money, requests under
way) are told by the error's message and `retry-after` alone. The lines end in CRLF, ready for a
head. No clock: the time of day comes from the caller.

Sources: OpenAI, "Rate limits in headers" (resets are spans of time: "1s", "6m0s", "20ms");
Anthropic, "Rate limits", "Response headers" (resets are moments, RFC 3339). The SDKs of both heed
`x-should-retry`.
"""

from datetime import UTC, datetime
from typing import Final

from omniroute.errors import GatewayError, LimitState

_TOLD: Final = frozenset({"requests", "tokens"})
_NO_RETRY: Final = b"x-should-retry: false\r\n"
_LATEST_MS: Final = 253_402_300_799_000  # the last second of the year 9999: later ones have no date


def openai_headers(error: GatewayError, now_ms: int) -> bytes:
    """`x-ratelimit-limit-requests` and its fellows; b"" when no limit of ours was met."""
    met = error.limit
    if met is None:
        return b""
    out = b"" if error.kind.value.retryable else _NO_RETRY
    if met.measure not in _TOLD:
        return out
    return out + (
        f"x-ratelimit-limit-{met.measure}: {met.limit}\r\n"
        f"x-ratelimit-remaining-{met.measure}: {max(met.remaining, 0)}\r\n"
        f"x-ratelimit-reset-{met.measure}: {_span(met)}\r\n"
    ).encode("ascii")


def claude_headers(error: GatewayError, now_ms: int) -> bytes:
    """`anthropic-ratelimit-requests-limit` and its fellows; b"" when no limit of ours was met."""
    met = error.limit
    if met is None:
        return b""
    out = b"" if error.kind.value.retryable else _NO_RETRY
    if met.measure not in _TOLD:
        return out
    # Up to the whole second: who comes back then is not too early.
    at_ms = min(now_ms + max(0, round(met.resets_s * 1000)) + 999, _LATEST_MS)
    reset = datetime.fromtimestamp(at_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return out + (
        f"anthropic-ratelimit-{met.measure}-limit: {met.limit}\r\n"
        f"anthropic-ratelimit-{met.measure}-remaining: {max(met.remaining, 0)}\r\n"
        f"anthropic-ratelimit-{met.measure}-reset: {reset}\r\n"
    ).encode("ascii")


def _span(met: LimitState) -> str:
    """A span of time as OpenAI writes it, hours the greatest unit."""
    milliseconds = max(0, round(met.resets_s * 1000))
    if milliseconds < 1000:
        return f"{milliseconds}ms"
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{rest / 1000:g}s"
    if hours:
        return f"{hours}h{minutes}m{seconds}"
    return f"{minutes}m{seconds}" if minutes else seconds
