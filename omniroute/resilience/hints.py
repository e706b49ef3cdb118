"""When a provider says that it may be asked again: one number out of all the ways to say it. Pure.

`retry_hint_s` reads an error answer. The plainest word comes first: `retry-after-ms`, `retry-after`
(seconds or an HTTP date, RFC 9110), then what the body says (Google's RetryInfo, the ChatGPT
backend's resets_in_seconds and resets_at, "try again in 1h2m3s"), then the reset times of limits
whose remaining count is 0. A limit that has something left is not why a request was refused, so its
reset says nothing.

What cannot be meant (negative, more than 400 days) is passed over, so that one odd header does not
put an account to rest for ever; how far a hint is followed is the caller's policy.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from email.utils import parsedate_to_datetime
from typing import Final

import msgspec
from msgspec import Struct

LONGEST_S: Final = 400 * 86400.0

_Headers = Mapping[bytes, bytes]

_AMOUNT: Final = r"(?:(\d+(?:\.\d+)?)"
_DURATION = re.compile(rf"{_AMOUNT}d)?{_AMOUNT}h)?{_AMOUNT}m)?{_AMOUNT}s)?{_AMOUNT}ms)?", re.ASCII)
_DURATION_S: Final = (86400.0, 3600.0, 60.0, 1.0, 0.001)
_UNIT_S: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_IN_WORDS = re.compile(
    r"(?:try again|retry|reset|available again)(?:s| after| in|ing)* "
    r"((?:\d+(?:\.\d+)?\s*(?:milliseconds?|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d)"
    r"\b[\s,]*(?:and )?)+|(?:\d+(?:\.\d+)?(?:ms|d|h|m|s))+)",
    re.IGNORECASE,
)
_RESET_AT = re.compile(
    r"resets? at (\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?)"
)
# z.ai's is the one service known to tell a local time without its zone, which is Beijing's.
_UNTOLD_ZONE: Final = timezone(timedelta(hours=8))
_WORD = re.compile(r"(\d+(?:\.\d+)?)\s*(milliseconds?|ms|days?|d|hours?|hrs?|h|min|m|sec|s)", re.I)

# Remaining count and reset of each limit that answers tell: OpenAI and those who follow it,
# Anthropic, and the drafts of the IETF (draft-ietf-httpapi-ratelimit-headers).
_LIMITS: Final[tuple[tuple[bytes, bytes], ...]] = (
    (b"x-ratelimit-remaining-requests", b"x-ratelimit-reset-requests"),
    (b"x-ratelimit-remaining-tokens", b"x-ratelimit-reset-tokens"),
    (b"anthropic-ratelimit-requests-remaining", b"anthropic-ratelimit-requests-reset"),
    (b"anthropic-ratelimit-tokens-remaining", b"anthropic-ratelimit-tokens-reset"),
    (b"anthropic-ratelimit-input-tokens-remaining", b"anthropic-ratelimit-input-tokens-reset"),
    (b"anthropic-ratelimit-output-tokens-remaining", b"anthropic-ratelimit-output-tokens-reset"),
    (b"x-ratelimit-remaining", b"x-ratelimit-reset"),
    (b"ratelimit-remaining", b"ratelimit-reset"),
)
_REJECTED = b"rejected"
_UNIFIED = b"anthropic-ratelimit-unified"


def retry_hint_s(headers: _Headers, body: bytes, now_ms: int) -> float | None:
    """Seconds from now until asking again may help; None when nothing is said of it.

    `headers` by lower-case name, `body` the error answer's or an error event's JSON, cut or whole.
    """
    for source in (_retry_after, _in_body, _resets):
        for hint in source(headers, body, now_ms):
            if hint is not None and 0.0 <= hint <= LONGEST_S:
                return hint
    return None


def _retry_after(headers: _Headers, _body: bytes, now_ms: int) -> Iterator[float | None]:
    if (value := headers.get(b"retry-after-ms")) is not None:
        milliseconds = number(value)
        yield None if milliseconds is None else milliseconds / 1000
    if (value := headers.get(b"retry-after")) is not None:
        seconds = number(value)
        yield _until_date(value, now_ms) if seconds is None else seconds


def _until_date(value: bytes, now_ms: int) -> float | None:
    try:
        when = parsedate_to_datetime(value.decode("ascii"))
    except (ValueError, UnicodeDecodeError):
        return None
    if when.tzinfo is None:  # "-0000": UTC, of which no zone is known
        when = when.replace(tzinfo=UTC)
    return max(0.0, when.timestamp() - now_ms / 1000)


class _Detail(Struct, gc=False):
    retryDelay: str | None = None


class _Error(Struct, gc=False):
    message: str | None = None
    details: list[_Detail] | None = None
    resets_at: float | None = None
    resets_in_seconds: float | None = None
    retry_after: float | None = None


class _Said(Struct, gc=False):
    error: _Error | str | None = None
    response: "_Said | None" = None
    message: str | None = None
    resets_at: float | None = None
    resets_in_seconds: float | None = None
    retry_after: float | None = None


_decode = msgspec.json.Decoder(_Said | list[_Said], strict=False).decode


def _in_body(_headers: _Headers, body: bytes, now_ms: int) -> Iterator[float | None]:
    try:
        read = _decode(body)
        said = read if isinstance(read, _Said) else read[0]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, IndexError):
        yield in_words_s(body.decode("utf-8", "replace"), now_ms)
        return
    if said.error is None and said.response is not None:
        said = said.response
    text = said.message
    if isinstance(said.error, str):
        text = said.error
    elif said.error is not None:
        text = said.error.message or text
        for detail in said.error.details or ():
            if detail.retryDelay is not None:
                yield duration_s(detail.retryDelay)
    for place in (said.error, said):
        if isinstance(place, _Error | _Said):
            yield place.resets_in_seconds
            yield place.retry_after
            if place.resets_at is not None:
                yield max(0.0, place.resets_at - now_ms / 1000)
    yield in_words_s(text or "", now_ms)


def _resets(headers: _Headers, _body: bytes, now_ms: int) -> Iterator[float | None]:
    if headers.get(_UNIFIED + b"-status") == _REJECTED:
        yield until_s(headers.get(_UNIFIED + b"-reset"), now_ms)
    found = [
        until
        for remaining, reset in _LIMITS
        if (left := number(headers.get(remaining))) is not None
        and left <= 0
        and (until := until_s(headers.get(reset), now_ms)) is not None
    ]
    if found:
        yield max(found)
    elif b"x-ratelimit-remaining" not in headers:
        yield until_s(headers.get(b"x-ratelimit-reset"), now_ms)


def number(value: bytes | None) -> float | None:
    """A header's plain decimal number; None for anything else."""
    if value is None or not value.replace(b".", b"", 1).isdigit():
        return None
    return float(value)


def until_s(value: bytes | None, now_ms: int) -> float | None:
    """Seconds until a reset, however it is written; never negative, None when unreadable.

    Plain numbers are seconds from now, or the Unix time in seconds or milliseconds where they are
    too large for that; otherwise durations ("6m0s", "1.5s") and times of RFC 3339.
    """
    if value is None:
        return None
    plain = number(value)
    if plain is not None:
        if plain > 1e11:
            plain /= 1000
        return max(0.0, plain - now_ms / 1000) if plain > LONGEST_S else plain
    text = value.decode("ascii", "replace")
    if (duration := duration_s(text)) is not None:
        return duration
    when = time_ms(text)
    return None if when is None else max(0.0, (when - now_ms) / 1000)


def time_ms(text: str, zone: tzinfo = UTC) -> int | None:
    """Unix ms of an RFC 3339 time; `zone` is that of one that tells none. None when it is none."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=zone)
    return round(when.timestamp() * 1000)


def duration_s(text: str) -> float | None:
    """Seconds of a duration such as "34.07s", "1h2m3s", "250ms"; None for anything else.

    Units stand in their order, as Go and Google write them.
    """
    if text.isascii() and text[-1:] == "s" and text[:-1].replace(".", "", 1).isdecimal():
        return float(text[:-1])  # plain seconds, the usual case by far
    found = _DURATION.fullmatch(text)
    if found is None or not text:
        return None
    total = 0.0
    for amount, unit_s in zip(found.groups(), _DURATION_S, strict=True):
        if amount is not None:
            total += float(amount) * unit_s
    return total


def in_words_s(text: str, now_ms: int) -> float | None:
    """Seconds of "try again in 1h2m3s", "retry after 20 seconds", "will reset at 2026-01-31 …"."""
    found = _IN_WORDS.search(text)
    if found is None:
        named = _RESET_AT.search(text)
        if named is None:
            return None
        when = time_ms(named[1], _UNTOLD_ZONE)
        return None if when is None else max(0.0, (when - now_ms) / 1000)
    total = 0.0
    for amount, unit in _WORD.findall(found[1]):
        unit = unit.lower()
        total += float(amount) * _UNIT_S["ms" if unit.startswith(("ms", "milli")) else unit[0]]
    return total
