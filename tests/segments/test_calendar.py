"""Periods of the calendar begin and end where a look at the clock, minute after minute, finds it."""

from datetime import UTC, date, datetime
from functools import cache
from zoneinfo import ZoneInfo

import pytest

from segments.calendar import Calendar, Period, day_start, reach
from tests.oracle.calendar import boundaries, first_instant, opened

DAY = 86_400_000
ODD = {  # zones with their odd instants
    "Africa/Cairo": "2026-04-23T22:00",  # 00:00 does not exist
    "America/Havana": "2026-11-01T04:00",  # 00:00 comes twice
    "America/Santiago": "2026-09-06T04:00",  # 00:00 does not exist
    "America/St_Johns": "2010-11-07T02:31",  # at 00:01 it is 23:01 of the day before again
    "America/Toronto": "1919-03-31T04:30",  # the clocks jump from 23:30 to 00:30
    "Antarctica/Troll": "2026-10-25T01:00",  # the day has 26 hours
    "Asia/Kolkata": "2026-12-31T18:30",
    "Australia/Lord_Howe": "2026-04-04T15:00",  # half an hour back
    "Pacific/Apia": "2011-12-30T10:00",  # 30 December 2011 does not exist
}


def instants(zone: str) -> list[int]:
    middle = round(datetime.fromisoformat(ODD[zone]).replace(tzinfo=UTC).timestamp() * 1_000)
    around = [middle + minutes * 60_000 + odd for minutes in range(-1_500, 1_501, 150) for odd in (-1, 0, 1)]
    return around + [middle + day * DAY for day in range(-400, 400, 73)]


@pytest.mark.parametrize("zone", ODD)
@pytest.mark.parametrize(
    ("period", "week_starts"), [(each, "monday") for each in Period] + [(Period.THIS_WEEK, "sunday")]
)
def test_a_period_begins_and_ends_as_a_slow_look_at_the_clock_says(zone: str, period: Period, week_starts: str) -> None:
    tz, calendar = ZoneInfo(zone), Calendar(period, week_starts)
    for now in instants(zone):
        start, end = calendar.around(tz, now)
        assert start == opened(period, week_starts, tz, now)
        assert end == min(boundaries(period, week_starts, tz, now, now + reach(period)))
        assert start <= now < end
        assert now - start < reach(period)


@pytest.mark.parametrize("zone", ODD)
def test_a_day_begins_at_the_first_instant_that_shows_it(zone: str) -> None:
    tz = ZoneInfo(zone)
    first = datetime.fromisoformat(ODD[zone]).date().toordinal()
    for day in map(date.fromordinal, range(first - 3, first + 4)):
        assert day_start(tz, day) == first_instant(tz, day)


@pytest.mark.parametrize("wide", list(Period))
@pytest.mark.parametrize("narrow", list(Period))
def test_a_period_inside_another_never_begins_before_it(wide: Period, narrow: Period) -> None:
    same = {wide, narrow} == {Period.THIS_WEEK, Period.SINCE_MONDAY}
    never_before = all(one <= other for one, other in zip(began(wide), began(narrow), strict=True))
    assert same or never_before is wide.holds(narrow)


@cache
def began(period: Period) -> list[int]:
    """When the period began that each day since 1970 lies in."""
    tz, calendar = ZoneInfo("America/Havana"), Calendar(period)
    return [calendar.around(tz, now)[0] for now in range(instants(tz.key)[-1], 0, -DAY)]
