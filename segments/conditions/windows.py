"""Windows of conditions: how far before `now` they reach, sliding or by the user's own calendar."""

from collections.abc import Callable
from types import MappingProxyType
from typing import NamedTuple
from zoneinfo import ZoneInfo

from segments.calendar import Calendar, Period, reach, window_text
from segments.conditions.base import Builder
from segments.conditions.effects import UNKNOWN, Effects
from segments.features.latest import Latest
from segments.local_time import zone
from segments.profile import Profile


class Window(NamedTuple):
    """A compiled window; an event whose age (ms) is `keep` or more lies in it neither now nor later."""

    text: str
    keep: int
    opens: Callable[[Profile, int], int]  # (profile, now): the first instant in the window at `now`
    leaves: Callable[[Profile, int, int], int]  # (profile, now, time): when an event of `time`, in it at `now`, leaves
    effects: Effects = MappingProxyType({})  # how other things than events in the window can move it


def compile_window(window: int | Period, builder: Builder) -> Window:
    """Compile what stands under `within`."""
    if isinstance(window, Period):
        return _calendar(window, builder)
    return Window(window_text(window), window, lambda _, now: now - window + 1, lambda _, __, time: time + window)


def _calendar(period: Period, builder: Builder) -> Window:
    around = Calendar(period, builder.week_starts).around
    feature, zone_of = user_zone(builder)
    return Window(
        window_text(period),
        reach(period),
        lambda profile, now: around(zone_of(profile), now)[0],
        lambda profile, now, _: around(zone_of(profile), now)[1],
        {(feature, ""): UNKNOWN},
    )


def user_zone(builder: Builder) -> tuple[int, Callable[[Profile], ZoneInfo]]:
    """Return the feature that knows a user's time zone, and what reads it: the newest known one, else the file's."""
    feature = builder.feature(Latest("context", "timezone"))
    default = ZoneInfo(builder.timezone)

    def zone_of(profile: Profile) -> ZoneInfo:
        known = profile.features.get(feature)
        return (zone(known) if type(known) is str else None) or default

    return feature, zone_of
