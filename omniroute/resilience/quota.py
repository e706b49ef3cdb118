"""Quotas as providers report them: how much of an account's window is used, and until when. Pure.

A `Report` says one thing of one account: a window, the share of it that is used, when it resets.
It comes with the headers of an answer, from a quota endpoint or out of an error (`providers.quotas`
reads all three), and is stored under the connection and the window.

Every write moves the version that all workers watch, and an answer with such headers comes with
every request; so `after_report` writes only what could matter to somebody: a new percent, a new
window, the end of a quota. Windows of minutes are written when they are used up and when they are
not any more, and never else.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec
from msgspec import Struct

QUOTA: Final = "quota"
"""The kind of key: what stands before the colon."""

UNTOLD_RESET_MS: Final = 300_000
"""How long a used-up quota without a reset time is believed; then one request finds out."""

_SHORT_MS: Final = 900_000
_SAME_WINDOW_MS: Final = 60_000  # sources round one and the same reset differently
_FRESH_MS: Final = 600_000  # a figure on a screen may be so old
_DISORDER_MS: Final = 60_000  # answers overtake each other


class Report(Struct, array_like=True, frozen=True, gc=False):
    """One window of one account. Times are Unix ms.

    `used` is a share from 0 (nothing) to 1; more than 1 is kept as told. `limit` and `remaining`
    are in the provider's own unit (requests, tokens, credits). `model`: the window is that of the
    models in whose names this stands, in lower case; empty: of all.
    """

    window: str  # "5h", "7d", "requests", "credits"
    used: float
    resets_ms: int | None
    reported_ms: int
    source: str  # header | endpoint | error
    limit: float | None = None
    remaining: float | None = None
    model: str = ""

    @property
    def is_short(self) -> bool:
        """Whether it resets within minutes, as limits of rate do."""
        return self.resets_ms is not None and self.resets_ms - self.reported_ms <= _SHORT_MS


_decode = msgspec.msgpack.Decoder(Report).decode
_encode = msgspec.msgpack.Encoder().encode


def quota_key(connection: str, window: str) -> str:
    """Key of a window of a connection; `connection` is its id, such as "acme/main"."""
    return f"{QUOTA}:{connection} {window}"


def read(stored: bytes) -> Report:
    """The report in `stored`."""
    return _decode(stored)


def after_report(stored: bytes | None, report: Report) -> bytes | None:
    """For `Conditions.change`: the report, or what was stored where it is not worth writing."""
    old = None if stored is None else _decode(stored)
    return _encode(report) if worth_writing(old, report) else stored


def worth_writing(old: Report | None, new: Report) -> bool:
    """Whether anybody would act or look otherwise for knowing `new` beside `old`."""
    was_used_up = old is not None and old.used >= 1.0 and not _is_over(old, new.reported_ms)
    # A long window is a short one in its last minutes, too; the next one is a window of its own.
    if new.is_short or (old is not None and old.is_short and _same_window(old, new)):
        return (new.used >= 1.0) != was_used_up
    if old is None or not _same_window(old, new):
        return True
    age_ms = new.reported_ms - old.reported_ms
    if new.used < old.used and new.source == "header" and age_ms < _DISORDER_MS:
        return False
    return int(old.used * 100) != int(new.used * 100) or age_ms >= _FRESH_MS


def _same_window(old: Report, new: Report) -> bool:
    if old.resets_ms is None or new.resets_ms is None:
        return old.resets_ms is new.resets_ms
    return abs(old.resets_ms - new.resets_ms) <= _SAME_WINDOW_MS


def _is_over(report: Report, now_ms: int) -> bool:
    until_ms = report.resets_ms
    if until_ms is None:
        until_ms = report.reported_ms + UNTOLD_RESET_MS
    return until_ms <= now_ms


def exhausted_until_ms(
    reports: Iterable[Report], threshold: float, now_ms: int, model: str = ""
) -> int:
    """Until when the account is used up for `model`; 0 while it is not.

    `threshold`: the share from which it counts as used up (`ConnectionView.quota_threshold`). Of
    several windows that are used up, the one that ends last holds.
    """
    until_ms = 0
    for report in reports:
        if report.used < threshold or (report.model and report.model not in model.lower()):
            continue
        ends_ms = report.resets_ms
        if ends_ms is None:
            ends_ms = report.reported_ms + UNTOLD_RESET_MS
        if ends_ms > now_ms:
            until_ms = max(until_ms, ends_ms)
    return until_ms


def by_connection(table: Mapping[str, bytes]) -> dict[str, tuple[Report, ...]]:
    """All reports of a table of conditions, by connection id."""
    found: dict[str, tuple[Report, ...]] = {}
    for key, stored in table.items():
        kind, _, subject = key.partition(":")
        if kind == QUOTA:
            connection = subject.partition(" ")[0]
            found[connection] = (*found.get(connection, ()), _decode(stored))
    return found


def is_stale(stored: bytes, now_ms: int, keep_ms: int) -> bool:
    """Whether the window has been over, and nothing reported, for `keep_ms`."""
    report = _decode(stored)
    return max(report.resets_ms or 0, report.reported_ms) + keep_ms <= now_ms
