"""`local_time`: hours and days on the user's own clock."""

from datetime import datetime

from segments.conditions.base import Answer, Builder, Check, Fact
from segments.conditions.effects import UNKNOWN
from segments.conditions.windows import user_zone
from segments.definitions.model import LocalTime
from segments.local_time import LocalSchedule, parse_hours
from segments.profile import Profile

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")  # strftime's depend on the machine's language


def compile_local_time(spec: LocalTime, builder: Builder) -> Check:
    """Compile local hours; the next change follows the zone's daylight saving."""
    feature, zone_of = user_zone(builder)
    schedule = LocalSchedule(parse_hours(spec.hours) if spec.hours else None, spec.weekdays())

    def ask(profile: Profile, now: int) -> Answer:
        return schedule.ask(zone_of(profile), now)

    def value(profile: Profile, now: int) -> str:
        tz = zone_of(profile)
        local = datetime.fromtimestamp(now / 1_000, tz)
        return f"{_DAYS[local.weekday()]} {local.hour:02}:{local.minute:02} {tz.key}"

    expected = " ".join(filter(None, [spec.hours, ",".join(spec.days or [])]))
    return Check(ask, {(feature, ""): UNKNOWN}, (Fact("local time", expected, value, ask),))
