"""The user's local clock: hours and weekdays in a time zone, daylight saving included."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_MINUTES = 1_440
_HOURS = re.compile(r"^(\d{2}):(\d{2})-(\d{2}):(\d{2})$")


def parse_hours(text: str) -> tuple[int, int]:
    """Return start and end of `09:00-17:00` in minutes of the day; raises ValueError.

    >>> parse_hours("22:00-06:30")
    (1320, 390)
    """
    match = _HOURS.match(text)
    if match is None:
        raise ValueError(f"'{text}' are no hours; write for example 09:00-17:00")
    start_hour, start_minute, end_hour, end_minute = map(int, match.groups())
    start, end = start_hour * 60 + start_minute, end_hour * 60 + end_minute
    if start_minute > 59 or end_minute > 59 or start >= _DAY_MINUTES or end > _DAY_MINUTES or start == end:
        raise ValueError(f"'{text}' are no hours of a day; write for example 09:00-17:00 or 22:00-06:00")
    return start, end


@lru_cache(maxsize=1_024)
def zone(name: str) -> ZoneInfo | None:
    """Return the IANA time zone of that name, or None when there is none.

    >>> zone("Europe/Berlin") is not None, zone("Mars/Olympus")
    (True, None)
    """
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None


class LocalSchedule:
    """Hours and weekdays of a local clock, asked for one instant after the other.

    >>> office = LocalSchedule((540, 1020), frozenset(range(5)))
    >>> office.ask(ZoneInfo("Europe/Berlin"), 1_774_857_600_000)  # Mon 2026-03-30 10:00 CEST; until 17:00 CEST
    (True, 1774882800000)
    """

    def __init__(self, hours: tuple[int, int] | None, weekdays: frozenset[int]) -> None:
        self._hours = hours
        self._weekdays = weekdays
        self._known: dict[str, tuple[int, int, bool]] = {}

    def ask(self, tz: ZoneInfo, now: int) -> tuple[bool, int]:
        """Return whether `now` (ms) is inside, and the next instant (ms) at which that changes."""
        start, end, inside = self._known.get(tz.key, (0, 0, False))
        if not start <= now < end:
            inside = self._inside(tz, now)
            end = self._next_change(tz, now, inside)
            self._known[tz.key] = (now, end, inside)
        return inside, end

    def _inside(self, tz: ZoneInfo, now: int) -> bool:
        local = datetime.fromtimestamp(now // 1_000, tz)
        if local.weekday() not in self._weekdays:
            return False
        if self._hours is None:
            return True
        start, end = self._hours
        minute = local.hour * 60 + local.minute
        return start <= minute < end if start < end else minute >= start or minute < end

    def _next_change(self, tz: ZoneInfo, now: int, inside: bool) -> int:
        for candidate in self._boundaries(tz, now):
            if self._inside(tz, candidate) != inside:
                return candidate
        return 1 << 62

    def _boundaries(self, tz: ZoneInfo, now: int) -> list[int]:
        """Instants after `now` at which the local clock can cross an edge: its edges, and jumps of daylight saving."""
        edges = {0, *(minute % _DAY_MINUTES for minute in self._hours or ())}
        today = datetime.fromtimestamp(now // 1_000, tz).date()
        found: set[int] = set()
        for day in range(-1, 9):
            date = today + timedelta(days=day)
            for minute in edges:
                wall = datetime(date.year, date.month, date.day, minute // 60, minute % 60, tzinfo=tz)
                found.update(int(wall.replace(fold=fold).timestamp() * 1_000) for fold in (0, 1))
            found.update(_offset_jumps(tz, datetime(date.year, date.month, date.day, tzinfo=UTC)))
        return sorted(instant for instant in found if instant > now)


def _offset_jumps(tz: ZoneInfo, day: datetime) -> list[int]:
    """Instants (ms) of that UTC day at which the zone's offset changes, found by halving."""

    def offset(second: int) -> timedelta | None:
        return datetime.fromtimestamp(second, tz).utcoffset()

    low, high = int(day.timestamp()), int(day.timestamp()) + 86_400
    if offset(low) == offset(high):
        return []
    while high - low > 1:
        middle = (low + high) // 2
        if offset(middle) == offset(low):
            low = middle
        else:
            high = middle
    return [high * 1_000]
