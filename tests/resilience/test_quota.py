"""Reported quotas: what is written, and when an account counts as used up."""

from typing import Any

import pytest

from omniroute.resilience.quota import (
    UNTOLD_RESET_MS,
    Report,
    after_report,
    by_connection,
    exhausted_until_ms,
    is_stale,
    quota_key,
    read,
    worth_writing,
)

NOW = 1_790_000_000_000
HOUR = 3_600_000


def report(used: float, **changes: Any) -> Report:
    fields: dict[str, Any] = {
        "window": "5h",
        "resets_ms": NOW + 2 * HOUR,
        "reported_ms": NOW,
        "source": "header",
    }
    return Report(used=used, **(fields | changes))


def short(used: float, **changes: Any) -> Report:
    return report(used, window="requests", **({"resets_ms": NOW + 30_000} | changes))


def test_the_first_report_of_a_window_is_written_and_read_back() -> None:
    full = report(0.5, limit=100.0, remaining=50.0, model="opus")
    stored = after_report(None, full)
    assert stored is not None
    assert read(stored) == full
    assert len(stored) < 80


@pytest.mark.parametrize(
    ("old", "new", "written"),
    [
        (report(0.421), report(0.429), False),
        (report(0.421), report(0.430), True),
        (report(0.42), report(0.42, reported_ms=NOW + 600_000), True),
        (report(0.42), report(0.42, reported_ms=NOW + 599_999), False),
        (report(0.42), report(0.42, resets_ms=NOW + 7 * HOUR), True),
        (report(0.42), report(0.42, resets_ms=NOW + 2 * HOUR + 900), False),
        (report(0.999), report(1.0), True),
        # Answers overtake each other; an endpoint is asked on its own and tells the truth.
        (report(0.42), report(0.40, reported_ms=NOW + 5000), False),
        (report(0.42), report(0.40, reported_ms=NOW + 60_000), True),
        (report(0.42), report(0.40, source="endpoint"), True),
        (report(0.42, resets_ms=None), report(0.42, resets_ms=None), False),
        (report(0.42, resets_ms=None), report(0.42), True),
        # Used up in its last minutes, then a window of its own.
        (report(1.0, resets_ms=NOW + 60_000), report(0.0, reported_ms=NOW + 70_000), True),
        (report(1.0, resets_ms=NOW + 60_000), report(1.0, reported_ms=NOW + 50_000), True),
    ],
)
def test_only_a_change_that_somebody_would_see_is_written(
    old: Report, new: Report, written: bool
) -> None:
    assert worth_writing(old, new) is written
    stored = after_report(None, old)
    assert (after_report(stored, new) != stored) is written


@pytest.mark.parametrize(
    ("old", "new", "written"),
    [
        (None, short(0.5), False),
        (None, short(1.0), True),
        (short(1.0), short(1.0), False),
        (short(1.0), short(0.4, reported_ms=NOW + 1), True),
        (short(1.0), short(1.0, reported_ms=NOW + 40_000, resets_ms=NOW + 70_000), True),
        (short(1.0), short(0.5, reported_ms=NOW + 40_000, resets_ms=NOW + 70_000), False),
    ],
)
def test_windows_of_minutes_are_written_when_used_up_and_when_not_any_more(
    old: Report | None, new: Report, written: bool
) -> None:
    assert worth_writing(old, new) is written


def test_an_account_is_used_up_from_its_threshold_until_the_reset() -> None:
    reports = [report(0.9)]
    assert exhausted_until_ms(reports, 1.0, NOW) == 0
    assert exhausted_until_ms(reports, 0.9, NOW) == NOW + 2 * HOUR
    assert exhausted_until_ms(reports, 0.9, NOW + 2 * HOUR - 1) == NOW + 2 * HOUR
    assert exhausted_until_ms(reports, 0.9, NOW + 2 * HOUR) == 0


def test_of_several_windows_the_one_that_ends_last_holds() -> None:
    week = report(1.0, window="7d", resets_ms=NOW + 50 * HOUR)
    assert exhausted_until_ms([week, report(1.0)], 1.0, NOW) == NOW + 50 * HOUR
    assert exhausted_until_ms([], 1.0, NOW) == 0


def test_a_window_of_some_models_is_theirs_alone() -> None:
    opus = report(1.0, window="7d-opus", model="opus")
    assert exhausted_until_ms([opus], 1.0, NOW, "claude-Opus-4-7") == NOW + 2 * HOUR
    assert exhausted_until_ms([opus], 1.0, NOW, "claude-sonnet-4-6") == 0


def test_without_a_reset_time_it_is_believed_for_some_minutes() -> None:
    untold = report(1.0, resets_ms=None)
    assert exhausted_until_ms([untold], 1.0, NOW) == NOW + UNTOLD_RESET_MS
    assert exhausted_until_ms([untold], 1.0, NOW + UNTOLD_RESET_MS) == 0


def test_reports_are_found_by_their_connection() -> None:
    table = {
        quota_key("acme/main", "5h"): after_report(None, report(0.1)),
        quota_key("acme/main", "7d"): after_report(None, report(0.2, window="7d")),
        quota_key("acme/spare", "5h"): after_report(None, report(0.3)),
        "cooldown:acme/main": b"x",
    }
    found = by_connection({key: stored for key, stored in table.items() if stored})
    assert set(found) == {"acme/main", "acme/spare"}
    assert [each.used for each in found["acme/main"]] == [0.1, 0.2]


def test_a_report_is_stale_some_time_after_its_window() -> None:
    stored = after_report(None, report(0.1))
    assert stored is not None
    assert not is_stale(stored, NOW + 2 * HOUR + 999, 1000)
    assert is_stale(stored, NOW + 2 * HOUR + 1000, 1000)
