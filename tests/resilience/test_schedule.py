"""When a key may be used, in local time, over midnight and over changes of the clock."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omniroute.config.spending import ScheduleSettings
from omniroute.resilience.schedule import Schedule

BERLIN = "Europe/Berlin"


def ms(text: str, zone: str = "UTC") -> int:
    """Unix ms of a local time such as "2026-11-28 09:00"."""
    return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


def schedule(start: str = "00:00", end: str = "00:00", zone: str = "UTC", **more) -> Schedule:
    return Schedule(ScheduleSettings(start=start, end=end, timezone=zone, **more))


WORKING = ("mon", "tue", "wed", "thu", "fri")  # 2026-11-28 is a Saturday


def test_it_is_open_from_its_start_and_closed_from_its_end() -> None:
    office = schedule("09:00", "17:00")
    for time in ("09:00", "12:00", "16:59"):
        now = ms(f"2026-11-28 {time}")
        assert office.opens_ms(now) == now
    assert office.opens_ms(ms("2026-11-28 08:59")) == ms("2026-11-28 09:00")
    assert office.opens_ms(ms("2026-11-28 17:00")) == ms("2026-11-29 09:00")


def test_a_span_over_midnight_belongs_to_the_day_on_which_it_begins() -> None:
    night = schedule("22:00", "06:00", days=("fri",))
    for time in ("2026-11-27 22:00", "2026-11-28 05:59"):
        assert night.opens_ms(ms(time)) == ms(time)
    assert night.opens_ms(ms("2026-11-28 06:00")) == ms("2026-12-04 22:00")
    assert night.opens_ms(ms("2026-11-28 23:00")) == ms("2026-12-04 22:00")


def test_the_same_start_and_end_is_all_day() -> None:
    weekdays = schedule("00:00", "00:00", days=WORKING)
    assert weekdays.opens_ms(ms("2026-11-28 12:00")) == ms("2026-11-30 00:00")
    assert weekdays.opens_ms(ms("2026-11-30 00:00")) == ms("2026-11-30 00:00")
    from_noon = schedule("12:00", "12:00", days=("sat",))
    assert from_noon.opens_ms(ms("2026-11-29 11:59")) == ms("2026-11-29 11:59")


def test_times_are_local_on_both_sides_of_a_change_of_the_clock() -> None:
    office = schedule("09:00", "17:00", BERLIN)
    for day in ("2026-03-28", "2026-03-29", "2026-10-24", "2026-10-25"):
        opens = ms(f"{day} 09:00", BERLIN)
        assert office.opens_ms(opens - 1) == opens
        assert office.opens_ms(opens) == opens


def test_a_span_that_a_change_of_the_clock_swallows_is_passed_over() -> None:
    # On 2026-03-29 the clocks of Berlin go from 02:00 to 03:00.
    swallowed = schedule("02:30", "03:00", BERLIN)
    assert swallowed.opens_ms(ms("2026-03-29 01:00", BERLIN)) == ms("2026-03-30 02:30", BERLIN)


def test_it_is_told_in_words_that_people_can_check() -> None:
    told = schedule("09:00", "17:00", BERLIN, days=("fri", "mon")).told
    assert told == "on mon, fri from 09:00 to 17:00 (Europe/Berlin)"


TIMES = st.times().map(lambda time: time.strftime("%H:%M"))
MOMENTS = st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1))
DAYS = st.lists(st.sampled_from((*WORKING, "sat", "sun")), min_size=1, unique=True).map(tuple)


@given(TIMES, TIMES, DAYS, MOMENTS, st.sampled_from(("UTC", BERLIN, "Asia/Kathmandu")))
def test_whatever_it_names_as_its_opening_is_open_and_nothing_before_it(
    start: str, end: str, days: tuple, moment: datetime, zone: str
) -> None:
    settings = ScheduleSettings(start=start, end=end, days=days, timezone=zone)
    now_ms = round(moment.replace(tzinfo=UTC).timestamp() * 1000)
    opens_ms = Schedule(settings).opens_ms(now_ms)
    assert now_ms <= opens_ms <= now_ms + timedelta(days=9) / timedelta(milliseconds=1)
    assert Schedule(settings).opens_ms(opens_ms) == opens_ms
    if opens_ms > now_ms:
        between_ms = (now_ms + opens_ms) // 2
        assert Schedule(settings).opens_ms(between_ms) == opens_ms


@given(TIMES, TIMES, DAYS, st.lists(MOMENTS, min_size=2, max_size=5))
def test_what_it_remembers_changes_nothing(
    start: str, end: str, days: tuple, moments: list[datetime]
) -> None:
    settings = ScheduleSettings(start=start, end=end, days=days, timezone=BERLIN)
    asked_often = Schedule(settings)
    for moment in moments:
        now_ms = round(moment.replace(tzinfo=UTC).timestamp() * 1000)
        assert asked_often.opens_ms(now_ms) == Schedule(settings).opens_ms(now_ms)


@pytest.mark.parametrize("day", ["mon", "sun"])
def test_a_single_day_comes_round_again(day: str) -> None:
    weekly = schedule("10:00", "11:00", days=(day,))
    first = weekly.opens_ms(ms("2026-11-28 12:00"))
    again = weekly.opens_ms(first + 3_600_000)
    assert again - first == 7 * 86_400_000
