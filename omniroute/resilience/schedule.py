"""When a key may be used: days and a span of local time. Pure; the clock is an argument."""

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from omniroute.config.spending import ScheduleSettings

_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Schedule:
    """The spans of one key. A span belongs to the day on which it begins, also over midnight."""

    __slots__ = ("_days", "_end", "_open", "_start", "_zone", "told")

    def __init__(self, settings: ScheduleSettings) -> None:
        self._days = frozenset(_DAYS.index(day) for day in settings.days)
        self._start = time.fromisoformat(settings.start)
        self._end = time.fromisoformat(settings.end)
        # UTC is known without the database of zones, which a small machine may not have.
        utc = settings.timezone == "UTC"
        self._zone: tzinfo = UTC if utc else ZoneInfo(settings.timezone)
        self._open = (0, 0)  # begin and end of the span that was found open last
        days = ", ".join(_DAYS[day] for day in sorted(self._days))
        self.told = f"on {days} from {settings.start} to {settings.end} ({settings.timezone})"

    def opens_ms(self, now_ms: int) -> int:
        """`now_ms` while it is open, else the Unix time in ms at which it next opens."""
        if self._open[0] <= now_ms < self._open[1]:
            return now_ms
        today = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(self._zone).date()
        # Yesterday's span may reach over midnight; a week later every day has had its turn.
        for offset in range(-1, 9):
            day = today + timedelta(days=offset)
            if day.weekday() not in self._days:
                continue
            begin_ms, end_ms = self._span(day)
            if begin_ms <= now_ms < end_ms:
                self._open = (begin_ms, end_ms)
                return now_ms
            # A clock that is put forward may swallow a short span whole.
            if now_ms < begin_ms < end_ms:
                return begin_ms
        raise AssertionError("a schedule without a day is refused when it is loaded")

    def _span(self, day: date) -> tuple[int, int]:
        last = day if self._end > self._start else day + timedelta(days=1)
        begin = datetime.combine(day, self._start, self._zone)
        end = datetime.combine(last, self._end, self._zone)
        return round(begin.timestamp() * 1000), round(end.timestamp() * 1000)
