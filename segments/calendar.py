"""The user's calendar: the day, week, month, quarter or year around an instant in a time zone."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from segments.durations import format_duration

WEEK_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAY = 86_400_000


class Period(StrEnum):
    """A window that begins when a period of the calendar does, and is empty again when the next one begins."""

    THIS_DAY = "this_day"
    THIS_WEEK = "this_week"
    THIS_MONTH = "this_month"
    THIS_QUARTER = "this_quarter"
    THIS_YEAR = "this_year"
    SINCE_MONDAY = "since_monday"
    SINCE_TUESDAY = "since_tuesday"
    SINCE_WEDNESDAY = "since_wednesday"
    SINCE_THURSDAY = "since_thursday"
    SINCE_FRIDAY = "since_friday"
    SINCE_SATURDAY = "since_saturday"
    SINCE_SUNDAY = "since_sunday"

    @property
    def text(self) -> str:
        """Return the period as people read it.

        >>> Period.THIS_MONTH.text, Period.SINCE_MONDAY.text
        ('this month', 'since Monday')
        """
        first, _, second = self.partition("_")
        return f"{first} {second.capitalize() if first == 'since' else second}"

    @property
    def longest(self) -> int:
        """Return a time (ms) that no such period exceeds in any zone: its days, and two for what zones do to clocks."""
        return _DAY * (2 + _LONGEST_DAYS.get(self, 7))

    def holds(self, shorter: "Period") -> bool:
        """Say whether whatever lies in a shorter period always lies in this one too.

        >>> Period.THIS_MONTH.holds(Period.THIS_DAY), Period.THIS_MONTH.holds(Period.THIS_WEEK)
        (True, False)
        """
        nested = (Period.THIS_DAY, Period.THIS_MONTH, Period.THIS_QUARTER, Period.THIS_YEAR)
        if self in nested and shorter in nested:
            return nested.index(shorter) <= nested.index(self)
        return shorter in (Period.THIS_DAY, self)


def reach(window: int | Period) -> int:
    """Return an age (ms) from which an event lies in a window neither now nor later.

    >>> reach(60_000), reach(Period.THIS_DAY)
    (60000, 259200000)
    """
    return window.longest if isinstance(window, Period) else window


def window_text(window: int | Period) -> str:
    """Return a window as people read it.

    >>> window_text(60_000), window_text(Period.THIS_DAY)
    ('in 1m', 'this day')
    """
    return window.text if isinstance(window, Period) else f"in {format_duration(window)}"


_LONGEST_DAYS = {Period.THIS_DAY: 1, Period.THIS_MONTH: 31, Period.THIS_QUARTER: 92, Period.THIS_YEAR: 366}
_FIRST_DAYS: dict[str, Callable[[date], date]] = {
    Period.THIS_DAY: lambda day: day,
    Period.THIS_MONTH: lambda day: day.replace(day=1),
    Period.THIS_QUARTER: lambda day: day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1),
    Period.THIS_YEAR: lambda day: day.replace(month=1, day=1),
}


def _weeks(starts: str) -> Callable[[date], date]:
    weekday = WEEK_DAYS.index(starts)
    return lambda day: day - timedelta((day.weekday() - weekday) % 7)


class Calendar:
    """Periods of one kind, asked for one instant after the other; weeks start on `week_starts` (`monday`, ...).

    >>> months = Calendar(Period.THIS_MONTH)
    >>> months.around(ZoneInfo("Europe/Berlin"), 1_774_857_600_000)  # 1 March 00:00 CET to 1 April 00:00 CEST
    (1772319600000, 1774994400000)
    """

    def __init__(self, period: Period, week_starts: str = "monday") -> None:
        weekday = week_starts if period is Period.THIS_WEEK else period.removeprefix("since_")
        self._first_day = _FIRST_DAYS.get(period) or _weeks(weekday)
        self._skip = timedelta(_LONGEST_DAYS.get(period, 7))
        self._known: dict[str, tuple[int, int]] = {}

    def around(self, tz: ZoneInfo, now: int) -> tuple[int, int]:
        """Return the first instant (ms) of the period that `now` is in, and the first one of the next period."""
        known = self._known.get(tz.key)
        if known is None or not known[0] <= now < known[1]:
            known = self._known[tz.key] = self._around(tz, now)
        return known

    def _around(self, tz: ZoneInfo, now: int) -> tuple[int, int]:
        first = self._first_day(datetime.fromtimestamp(now // 1_000, tz).date())
        start, end = day_start(tz, first), day_start(tz, following := self._next(first))
        while end <= now:  # a clock set back over midnight shows the old day once more
            start, end = end, day_start(tz, following := self._next(following))
        return start, end

    def _next(self, first: date) -> date:
        return self._first_day(first + self._skip)


def day_start(tz: ZoneInfo, day: date) -> int:
    """Return the first instant (ms) at which a zone's calendar shows that day, or a later one where it is skipped.

    >>> day_start(ZoneInfo("America/Havana"), date(2026, 3, 8))  # at 05:00 UTC its clocks jump from 00:00 to 01:00
    1772946000000
    """
    midnight = datetime(day.year, day.month, day.day, tzinfo=tz)
    instant = int(midnight.timestamp())
    if datetime.fromtimestamp(instant, tz).replace(tzinfo=None) == midnight.replace(tzinfo=None):
        return instant * 1_000
    before, after = instant - 86_400, instant  # midnight is skipped: the day begins with the jump over it
    while after - before > 1:
        middle = (before + after) // 2
        if datetime.fromtimestamp(middle, tz).date() < day:
            before = middle
        else:
            after = middle
    return after * 1_000
