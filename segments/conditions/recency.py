"""`recency`: how long ago the newest (or first) selected event happened."""

from segments.conditions.base import NO, YES, Answer, Ask, Builder, Check, Fact, needed_by
from segments.conditions.effects import FALLS, RISES, UNKNOWN
from segments.conditions.windows import Window, compile_window
from segments.definitions.model import Recency
from segments.definitions.selecting import Selector
from segments.durations import format_duration
from segments.features.seen import Seen
from segments.profile import Profile
from segments.selectors import EventSelector


def compile_recency(spec: Recency, builder: Builder) -> Check:
    """Compile a recency."""
    selector = EventSelector(Selector(event=spec.event, where=spec.where))
    feature = builder.feature(Seen(selector, spec.which))
    given = spec.within if spec.within is not None else spec.not_within
    window, slides = compile_window(given or 0, builder), isinstance(given, int)
    within, not_within = _sliding(feature, window.keep) if slides else _calendar(feature, window)

    def value(profile: Profile, now: int) -> str | None:
        seen = profile.features.get(feature)
        return None if seen is None else f"{format_duration(now - seen)} ago"

    ask = within if spec.within is not None else not_within
    if slides:
        expected = f"{'<' if spec.within is not None else '>='} {format_duration(window.keep)} ago"
    else:
        expected = window.text if spec.within is not None else f"not {window.text}"
    effect = UNKNOWN if spec.which == "first" else RISES if spec.within is not None else FALLS
    fact = Fact(f"{spec.which} {selector.text}", expected, value, ask)
    return Check(
        ask,
        {(feature, ""): effect, **window.effects},
        (fact,),
        needed_by(ask, feature),
        untimed=spec.within is not None,
        steady=slides and effect == FALLS,
    )


def _sliding(feature: int, window: int) -> tuple[Ask, Ask]:
    """Ask without a call of the window, which on the hot path costs more than the rest."""

    def within(profile: Profile, now: int) -> Answer:
        seen = profile.features.get(feature)
        return (True, seen + window) if seen is not None and now < seen + window else NO

    def not_within(profile: Profile, now: int) -> Answer:
        seen = profile.features.get(feature)
        if seen is None:
            return NO
        return YES if now >= seen + window else (False, seen + window)

    return within, not_within


def _calendar(feature: int, window: Window) -> tuple[Ask, Ask]:
    def within(profile: Profile, now: int) -> Answer:
        seen = profile.features.get(feature)
        if seen is None or seen < window.opens(profile, now):
            return NO
        return True, window.leaves(profile, now, seen)

    def not_within(profile: Profile, now: int) -> Answer:
        if profile.features.get(feature) is None:
            return NO
        inside, until = within(profile, now)
        return not inside, until

    return within, not_within
