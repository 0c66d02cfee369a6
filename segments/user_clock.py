"""Where a window opens for one user after the other, told from the events as they come: for counting in recordings."""

from collections.abc import Callable
from zoneinfo import ZoneInfo

from segments.calendar import Calendar, Period
from segments.events import Event
from segments.fields import getter
from segments.local_time import zone


class UserClock:
    """A window, and the time zone that events of the user told last where it is a period of the calendar."""

    def __init__(self, window: int | Period, timezone: str, week_starts: str) -> None:
        self._length = 0 if isinstance(window, Period) else window
        self._around = Calendar(window, week_starts).around if isinstance(window, Period) else None
        self._read = getter("timezone")
        self._default = self._zone = ZoneInfo(timezone)

    def new_user(self) -> Callable[[int], int]:
        """Forget the zone; returns what says where the window opens at an instant (ms)."""
        self._zone = self._default
        return self._opens

    def hear(self, event: Event) -> None:
        """Take in what an event tells of the zone."""
        if self._around is not None and (name := self._read(event.context)) is not None:
            self._zone = (zone(name) if isinstance(name, str) else None) or self._default

    def reaches(self, time: int, now: int) -> bool:
        """Say whether an event of `time` is still in the window at `now` (ms)."""
        return time >= self._opens(now)

    def _opens(self, now: int) -> int:
        return now - self._length + 1 if self._around is None else self._around(self._zone, now)[0]
