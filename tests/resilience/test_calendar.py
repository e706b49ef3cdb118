"""Periods of local time follow each other without gap, and begin when the local clock says so."""

from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.resilience.calendar import Calendar

HOUR_MS = 3_600_000
ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",  # its clock changes by half an hour
    "Pacific/Apia",  # left out a whole day in 2011
    "America/St_Johns",
    "Africa/Casablanca",
]

times = st.integers(946_684_800_000, 2_524_608_000_000)  # of the years 2000 to 2050
calendars = st.builds(
    Calendar,
    st.sampled_from(["daily", "weekly", "monthly"]),
    st.integers(0, 24 * 60 - 1),
    st.sampled_from(ZONES),
)


def ms(text: str, zone: str = "UTC") -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


@given(calendars, times)
def test_every_moment_is_in_one_period_and_the_next_begins_where_it_ends(calendar, now_ms):
    start_ms, end_ms = calendar.window(now_ms)
    assert start_ms <= now_ms < end_ms
    assert calendar.window(start_ms) == (start_ms, end_ms)
    assert calendar.window(end_ms - 1) == (start_ms, end_ms)
    assert calendar.window(end_ms)[0] == end_ms
    assert calendar.window(start_ms - 1)[1] == start_ms


@given(st.sampled_from(ZONES), st.integers(0, 24 * 60 - 1), times)
def test_a_period_begins_at_its_minute_or_just_after_the_clock_skipped_it(zone, minute, now_ms):
    start_ms, _ = Calendar("daily", minute, zone).window(now_ms)
    local = datetime.fromtimestamp(start_ms / 1000, ZoneInfo(zone))
    if local.hour * 60 + local.minute != minute:
        before = datetime.fromtimestamp(start_ms / 1000 - 25 * 3600, ZoneInfo(zone))
        assert before.utcoffset() != local.utcoffset()


@pytest.mark.parametrize(
    ("period", "now", "start", "end"),
    [
        ("daily", "2026-03-10T06:00", "2026-03-10T05:30", "2026-03-11T05:30"),
        ("daily", "2026-03-10T05:29", "2026-03-09T05:30", "2026-03-10T05:30"),
        ("weekly", "2026-03-09T05:29", "2026-03-02T05:30", "2026-03-09T05:30"),  # a Monday
        ("weekly", "2026-03-15T23:00", "2026-03-09T05:30", "2026-03-16T05:30"),
        ("monthly", "2026-01-01T05:29", "2025-12-01T05:30", "2026-01-01T05:30"),
        ("monthly", "2024-02-29T12:00", "2024-02-01T05:30", "2024-03-01T05:30"),
    ],
)
def test_days_weeks_from_monday_and_months_from_the_first(period, now, start, end):
    for zone in ("UTC", "Asia/Kolkata"):
        calendar = Calendar(period, 5 * 60 + 30, zone)
        assert calendar.window(ms(now, zone)) == (ms(start, zone), ms(end, zone))


def test_days_on_which_the_clock_changes_are_shorter_or_longer():
    berlin = Calendar("daily", 0, "Europe/Berlin")
    spring = berlin.window(ms("2026-03-29T12:00", "Europe/Berlin"))
    autumn = berlin.window(ms("2026-10-25T12:00", "Europe/Berlin"))
    assert (spring[1] - spring[0], autumn[1] - autumn[0]) == (23 * HOUR_MS, 25 * HOUR_MS)


def test_a_time_that_the_clock_skips_counts_as_if_it_did_not_and_one_that_comes_twice_once():
    berlin = Calendar("daily", 150, "Europe/Berlin")
    assert berlin.window(ms("2026-03-29T12:00"))[0] == ms("2026-03-29T01:30")  # 03:30 there
    assert berlin.window(ms("2026-10-25T12:00"))[0] == ms("2026-10-25T00:30")  # the first 02:30


def test_a_zone_that_is_none_is_refused():
    with pytest.raises(ZoneInfoNotFoundError):
        Calendar("daily", 0, "Europe/Atlantis")
