"""`session`: a value of the newest session."""

from segments.conditions.base import COMPARE, NO, SYMBOL, YES, Answer, Builder, Check, Fact, needed_by, number_text
from segments.conditions.effects import UNKNOWN, effect_of
from segments.definitions.model import Session
from segments.definitions.selecting import Selector
from segments.durations import format_duration
from segments.features.base import MICROS
from segments.features.session import SESSION_ID, SessionTotal
from segments.profile import Profile
from segments.selectors import EventSelector

STARTED, MOVED = "started", "moved"  # roles of the session feature: a session began; any event moved its end


def compile_session(spec: Session, builder: Builder) -> Check:
    """Compile a session value; it changes with events only and stays after the session's end."""
    return _duration(spec, builder) if spec.of == "duration" else _total(spec, builder)


def _duration(spec: Session, builder: Builder) -> Check:
    session = builder.session()
    operator, bound = spec.comparison()
    compare = COMPARE[operator]

    def ask(profile: Profile, now: int) -> Answer:
        span = profile.features.get(session)
        return YES if span is not None and compare(span[2] - span[1], bound) else NO

    def value(profile: Profile, now: int) -> str | None:
        span = profile.features.get(session)
        return None if span is None else format_duration(span[2] - span[1])

    fact = Fact("duration of the newest session", f"{SYMBOL[operator]} {format_duration(int(bound))}", value, ask)
    return Check(ask, {(session, STARTED): UNKNOWN, (session, MOVED): effect_of(operator, rising=True)}, (fact,))


def _total(spec: Session, builder: Builder) -> Check:
    session = builder.session()
    selector = EventSelector(Selector(event=spec.event or [], where=spec.where))
    if spec.property:
        builder.number(spec.property)
    feature = builder.feature(SessionTotal(selector, spec.property))
    operator, bound = spec.comparison()
    counting = spec.of == "count"
    compare, place, scaled = COMPARE[operator], 1 if counting else 2, bound if counting else round(bound * MICROS)

    def total(profile: Profile) -> int:
        span, counted = profile.features.get(SESSION_ID), profile.features.get(feature)
        return int(counted[place]) if counted and span and counted[0] == span[0] else 0

    def ask(profile: Profile, now: int) -> Answer:
        features = profile.features
        counted = features.get(feature)
        span = features.get(session)
        known = counted[place] if counted is not None and span is not None and counted[0] == span[0] else 0
        return YES if compare(known, scaled) else NO

    def value(profile: Profile, now: int) -> float:
        return total(profile) if counting else total(profile) / MICROS

    what = f"{spec.property} of " if spec.property else ""
    fact = Fact(
        f"{spec.of} of {what}{selector.text} in the newest session",
        f"{SYMBOL[operator]} {number_text(bound)}",
        value,
        ask,
    )
    effects = {(session, STARTED): UNKNOWN, (feature, ""): effect_of(operator, rising=counting)}
    return Check(ask, effects, (fact,), needed_by(ask, feature))
