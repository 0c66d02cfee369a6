"""`local_time`: hours and days on the user's own clock."""

from datetime import datetime
from zoneinfo import ZoneInfo

from segments.conditions.base import UNKNOWN, Answer, Builder, Check, Fact
from segments.definitions.model import LocalTime
from segments.features.latest import Latest
from segments.local_time import LocalSchedule, parse_hours, zone
from segments.profile import Profile

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")  # strftime's depend on the machine's language


def compile_local_time(spec: LocalTime, builder: Builder) -> Check:
    """Compile local hours; the next change follows the zone's daylight saving."""
    feature = builder.feature(Latest("context", "timezone"))
    schedule = LocalSchedule(parse_hours(spec.hours) if spec.hours else None, spec.weekdays())
    default = ZoneInfo(builder.timezone)

    def zone_of(profile: Profile) -> ZoneInfo:
        known = profile.features.get(feature)
        return (zone(known) if type(known) is str else None) or default

    def ask(profile: Profile, now: int) -> Answer:
        return schedule.ask(zone_of(profile), now)

    def value(profile: Profile, now: int) -> str:
        tz = zone_of(profile)
        local = datetime.fromtimestamp(now / 1_000, tz)
        return f"{_DAYS[local.weekday()]} {local.hour:02}:{local.minute:02} {tz.key}"

    expected = " ".join(filter(None, [spec.hours, ",".join(spec.days or [])]))
    return Check(ask, {(feature, ""): UNKNOWN}, (Fact("local time", expected, value, ask),))
