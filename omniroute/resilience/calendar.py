"""Periods of local time, for limits that reset at a time of day somewhere. Pure, but for the zone's
own file, which is read once for each `Calendar`.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo


class Calendar:
    """Periods of local time: days, weeks from Monday, months from the 1st, each from its minute.

    A local time that a change of the clock skips counts as if the clock had not been changed; of
    one that comes twice, the first holds (PEP 495, fold=0).
    """

    __slots__ = ("_first", "_next", "_reset", "_zone")

    def __init__(self, period: str, reset_minute: int, timezone: str) -> None:
        """Raises `zoneinfo.ZoneInfoNotFoundError` or `ValueError` for a zone that is none."""
        self._zone: tzinfo = UTC if timezone == "UTC" else ZoneInfo(timezone)
        self._first, self._next = _PERIODS[period]
        self._reset = (reset_minute // 60, reset_minute % 60)

    def window(self, now_ms: int) -> tuple[int, int]:
        """(start, end) in Unix ms of the period at hand: start <= now < end."""
        local = datetime.fromtimestamp(now_ms // 1000, self._zone)
        first = self._first(local.date())
        # The reset of today may be yet to come, so the period at hand may be an earlier one.
        begins = [self._begin_ms(self._next(first, step)) for step in (-1, 0, 1, 2)]
        start_ms = max(begin_ms for begin_ms in begins if begin_ms <= now_ms)
        return start_ms, min(begin_ms for begin_ms in begins if begin_ms > now_ms)

    def _begin_ms(self, day: date) -> int:
        local = datetime(day.year, day.month, day.day, *self._reset, tzinfo=self._zone)
        return int(local.timestamp()) * 1000


def _months_on(first: date, steps: int) -> date:
    months = first.year * 12 + first.month - 1 + steps
    return date(months // 12, months % 12 + 1, 1)


_PERIODS: Final[Mapping[str, tuple[Callable[[date], date], Callable[[date, int], date]]]] = {
    "daily": (lambda day: day, lambda day, steps: day + timedelta(days=steps)),
    "weekly": (
        lambda day: day - timedelta(days=day.weekday()),
        lambda day, steps: day + timedelta(weeks=steps),
    ),
    "monthly": (lambda day: day.replace(day=1), _months_on),
}
