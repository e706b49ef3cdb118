"""Read what providers report of an account's quotas: headers of any answer. Pure, and quick.

`has_reports` is asked of every answer: one look-up per known name, in well under a microsecond.
`reports_of_headers` reads those that have any:

* Anthropic, subscriptions: `anthropic-ratelimit-unified-<window>-utilization` (a share from 0 to
  1), `-reset` (Unix seconds), `-status` (allowed, allowed_warning, rejected); windows are 5h, 7d
  and, for families of models, such as 7d_sonnet. As Claude Code reads them.
* Anthropic, keys: `anthropic-ratelimit-{requests,tokens,…}-{limit,remaining,reset}`; API reference,
  "Rate limits".
* The ChatGPT backend: `x-codex-{primary,secondary}-{used-percent,window-minutes,reset-at,
  reset-after-seconds}`. As Codex reads them.
* OpenAI and those who follow it: `x-ratelimit-{limit,remaining,reset}-{requests,tokens}`, and the
  plain `x-ratelimit-{limit,remaining,reset}`; API reference, "Rate limits".
* `ratelimit-{limit,remaining,reset}` and `ratelimit` as the drafts of the IETF have them
  (draft-ietf-httpapi-ratelimit-headers).

What cannot be read is passed over, each header for itself.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final

from omniroute.resilience.hints import number, until_s
from omniroute.resilience.quota import Report

_Headers = Mapping[bytes, bytes]
_Source = Callable[[_Headers, int, list[Report]], None]

_UNIFIED: Final = b"anthropic-ratelimit-unified-"
_UTILIZATION: Final = b"-utilization"
_NO_WINDOW: Final = frozenset((b"overage", b"fallback"))

# Window, and the headers of its limit, of what remains and of the reset.
_COUNTED: Final[tuple[tuple[str, bytes, bytes, bytes], ...]] = (
    *(
        (
            kind,
            f"anthropic-ratelimit-{kind}-limit".encode(),
            f"anthropic-ratelimit-{kind}-remaining".encode(),
            f"anthropic-ratelimit-{kind}-reset".encode(),
        )
        for kind in ("requests", "tokens", "input-tokens", "output-tokens")
    ),
    *(
        (
            kind,
            f"x-ratelimit-limit-{kind}".encode(),
            f"x-ratelimit-remaining-{kind}".encode(),
            f"x-ratelimit-reset-{kind}".encode(),
        )
        for kind in ("requests", "tokens")
    ),
    ("requests", b"x-ratelimit-limit", b"x-ratelimit-remaining", b"x-ratelimit-reset"),
    ("requests", b"ratelimit-limit", b"ratelimit-remaining", b"ratelimit-reset"),
)

_CODEX: Final = tuple(
    (
        which,
        f"x-codex-{which}-used-percent".encode(),
        f"x-codex-{which}-window-minutes".encode(),
        f"x-codex-{which}-reset-at".encode(),
        f"x-codex-{which}-reset-after-seconds".encode(),
    )
    for which in ("primary", "secondary")
)

_DRAFT_REMAINING = re.compile(rb"(?:\bremaining|;\s*r)\s*=\s*(\d+)")
_DRAFT_RESET = re.compile(rb"(?:\breset|;\s*t)\s*=\s*(\d+)")
_DRAFT_LIMIT = re.compile(rb"(?:\blimit|;\s*q)\s*=\s*(\d+)")


def is_urgent(headers: dict[bytes, bytes]) -> bool:
    """Whether they tell of something used up. What tells less need not be read with every answer:
    reading takes some ten microseconds, and nobody sees a figure change more than once a second.
    """
    if headers.get(_UNIFIED + b"status") == b"rejected":
        return True
    return any(headers.get(remaining_name) == b"0" for _, _, remaining_name, _ in _COUNTED)


def has_reports(headers: dict[bytes, bytes]) -> bool:
    """Whether reading them may be worth it. `headers` by lower-case name."""
    return not headers.keys().isdisjoint(MARKERS)


def reports_of_headers(headers: _Headers, now_ms: int) -> list[Report]:
    """Everything that the headers report, one per window."""
    found: list[Report] = []
    for markers, source in _SOURCES:
        for marker in markers:
            if marker in headers:
                source(headers, now_ms, found)
                break
    return found


def window_name(seconds: float) -> str:
    """How windows are called by their length: "5h", "7d", "15m"."""
    for unit_s, unit in ((86400, "d"), (3600, "h")):
        if seconds >= unit_s and seconds % unit_s == 0:
            return f"{seconds // unit_s:.0f}{unit}"
    return f"{seconds / 60:.0f}m"


def _resets_ms(value: bytes | None, now_ms: int) -> int | None:
    seconds = until_s(value, now_ms)
    return None if seconds is None else now_ms + round(seconds * 1000)


def _unified(headers: _Headers, now_ms: int, found: list[Report]) -> None:
    for name, value in headers.items():
        if not (name.startswith(_UNIFIED) and name.endswith(_UTILIZATION)):
            continue
        window = name[len(_UNIFIED) : -len(_UTILIZATION)]
        used = number(value)
        if used is None or window in _NO_WINDOW:
            continue
        if headers.get(_UNIFIED + window + b"-status") == b"rejected":
            used = max(used, 1.0)
        # The windows of a family name it behind the length: 7d_sonnet, 7d-opus.
        length, _, family = window.decode("ascii", "replace").replace("_", "-").partition("-")
        resets_ms = _resets_ms(headers.get(_UNIFIED + window + b"-reset"), now_ms)
        name_of = f"{length}-{family}" if family else length
        found.append(Report(name_of, used, resets_ms, now_ms, "header", None, None, family))


def _codex(headers: _Headers, now_ms: int, found: list[Report]) -> None:
    for which, used_name, minutes_name, at_name, after_name in _CODEX:
        used = number(headers.get(used_name))
        if used is None:
            continue
        minutes = number(headers.get(minutes_name))
        resets_ms = _resets_ms(headers.get(at_name) or headers.get(after_name), now_ms)
        if not used and not minutes and resets_ms is None:
            continue  # an account without this window sends zeros
        window = window_name(minutes * 60) if minutes else which
        found.append(Report(window, used / 100, resets_ms, now_ms, "header"))


def _counted(headers: _Headers, now_ms: int, found: list[Report]) -> None:
    told = set()
    for window, limit_name, remaining_name, reset_name in _COUNTED:
        remaining = number(headers.get(remaining_name))
        if remaining is None or window in told:
            continue
        told.add(window)
        limit = number(headers.get(limit_name))
        resets_ms = _resets_ms(headers.get(reset_name), now_ms)
        found.append(_of_counts(window, limit, remaining, resets_ms, now_ms))


def _draft(headers: _Headers, now_ms: int, found: list[Report]) -> None:
    value = headers[b"ratelimit"]
    remaining = _DRAFT_REMAINING.search(value)
    if remaining is None or any(report.window == "requests" for report in found):
        return
    limit = _DRAFT_LIMIT.search(value) or _DRAFT_LIMIT.search(headers.get(b"ratelimit-policy", b""))
    reset = _DRAFT_RESET.search(value)
    found.append(
        _of_counts(
            "requests",
            float(limit[1]) if limit else None,
            float(remaining[1]),
            now_ms + int(reset[1]) * 1000 if reset else None,
            now_ms,
        )
    )


def _of_counts(
    window: str, limit: float | None, remaining: float, resets_ms: int | None, now_ms: int
) -> Report:
    used = float(remaining <= 0)
    if limit:
        used = max(0.0, 1 - remaining / limit)
    return Report(window, used, resets_ms, now_ms, "header", limit, remaining)


_SOURCES: Final[tuple[tuple[tuple[bytes, ...], _Source], ...]] = (
    ((_UNIFIED + b"5h-utilization", _UNIFIED + b"7d-utilization"), _unified),
    (tuple(used_name for _, used_name, *_ in _CODEX), _codex),
    (tuple(remaining_name for _, _, remaining_name, _ in _COUNTED), _counted),
    ((b"ratelimit",), _draft),
)

MARKERS: Final = frozenset(marker for markers, _ in _SOURCES for marker in markers)
"""An answer with none of these reports nothing."""
