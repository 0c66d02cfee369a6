"""Periods of the calendar, found by looking at the clock minute after minute."""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

MINUTE, HOUR = 60_000, 3_600_000
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def is_period(within: str) -> bool:
    """Whether a window is a period of the calendar, not a duration."""
    return within.startswith(("this_", "since_"))


def begins(period: str, week_starts: str, day: date) -> bool:
    """Whether a period begins with that day."""
    if period == "this_day":
        return True
    if period == "this_week":
        return WEEKDAYS[day.weekday()] == week_starts
    if period == "this_month":
        return day.day == 1
    if period == "this_quarter":
        return day.day == 1 and day.month in (1, 4, 7, 10)
    if period == "this_year":
        return day.day == 1 and day.month == 1
    return WEEKDAYS[day.weekday()] == period.removeprefix("since_")


@lru_cache(maxsize=10_000)
def first_instant(zone: ZoneInfo, day: date) -> int:
    """The first instant at which the clocks of a zone show that day or a later one."""
    midnight = round((datetime(day.year, day.month, day.day, tzinfo=UTC) - EPOCH) / timedelta(milliseconds=1))
    instant = midnight - 16 * HOUR
    while (EPOCH + timedelta(milliseconds=instant)).astimezone(zone).date() < day:
        instant += MINUTE
    return instant


@lru_cache(maxsize=10_000)
def boundaries(period: str, week_starts: str, zone: ZoneInfo, after: int, until: int) -> list[int]:
    """All beginnings of a period in `after < s <= until`."""
    day = (EPOCH + timedelta(milliseconds=after)).date() - timedelta(days=2)
    last = (EPOCH + timedelta(milliseconds=until)).date() + timedelta(days=2)
    found = []
    while day <= last:
        if begins(period, week_starts, day):
            found.append(first_instant(zone, day))
        day += timedelta(days=1)
    return [instant for instant in found if after < instant <= until]


def opened(period: str, week_starts: str, zone: ZoneInfo, now: int) -> int:
    """The newest beginning of a period up to `now`."""
    for days in (2, 10, 40, 400):
        found = boundaries(period, week_starts, zone, now - days * 24 * HOUR, now)
        if found:
            return found[-1]
    raise ValueError(f"no {period} began in the year before {now}")
