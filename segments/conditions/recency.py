"""`recency`: how long ago the newest (or first) selected event happened."""

from segments.conditions.base import FALLS, NO, RISES, UNKNOWN, YES, Answer, Builder, Check, Fact, needed_by
from segments.definitions.model import Recency, Selector
from segments.durations import format_duration
from segments.features.seen import Seen
from segments.profile import Profile
from segments.selectors import EventSelector


def compile_recency(spec: Recency, builder: Builder) -> Check:
    """Compile a recency."""
    selector = EventSelector(Selector(event=spec.event, where=spec.where))
    feature = builder.feature(Seen(selector, spec.which))
    window = spec.within or spec.not_within or 0

    def within(profile: Profile, now: int) -> Answer:
        seen = profile.features.get(feature)
        return (True, seen + window) if seen is not None and now < seen + window else NO

    def not_within(profile: Profile, now: int) -> Answer:
        seen = profile.features.get(feature)
        if seen is None:
            return NO
        return YES if now >= seen + window else (False, seen + window)

    def value(profile: Profile, now: int) -> str | None:
        seen = profile.features.get(feature)
        return None if seen is None else f"{format_duration(now - seen)} ago"

    ask = within if spec.within is not None else not_within
    expected = f"{'<' if spec.within is not None else '>='} {format_duration(window)} ago"
    effect = UNKNOWN if spec.which == "first" else RISES if spec.within is not None else FALLS
    fact = Fact(f"{spec.which} {selector.text}", expected, value, ask)
    return Check(ask, {(feature, ""): effect}, (fact,), needed_by(ask, feature))
