"""`distinct`: how many different values a property has in the window."""

from segments.conditions.base import NO, SYMBOL, YES, Answer, Builder, Check, Fact, needed_by, number_text
from segments.conditions.count import at_least, comparing
from segments.conditions.effects import effect_of
from segments.conditions.windows import compile_window
from segments.definitions.model import Aggregate
from segments.features.distinct import DistinctValues
from segments.profile import Profile
from segments.selectors import EventSelector


def compile_distinct(spec: Aggregate, builder: Builder) -> Check:
    """Compile a number of different values; only as many values are kept as its bound needs."""
    selector = EventSelector(spec.selector())
    operator, bound = spec.comparison()
    capacity = max(1, at_least(operator, bound) + (operator == "eq"))
    window = compile_window(spec.within, builder)
    feature = builder.feature(DistinctValues(selector, spec.property, capacity, window.keep))

    def newest(profile: Profile, needed: int, now: int) -> Answer:
        if needed <= 0:
            return YES
        values = profile.features.get(feature)
        if values is None or len(values) < needed:
            return NO
        oldest = sorted(values.values())[-needed]
        return (True, window.leaves(profile, now, oldest)) if oldest >= window.opens(profile, now) else NO

    def value(profile: Profile, now: int) -> int:
        opens = window.opens(profile, now)
        return sum(1 for time in profile.features.get(feature, {}).values() if time >= opens)

    ask = comparing(operator, bound, newest)
    text = f"different {spec.property} of {selector.text} {window.text}"
    fact = Fact(text, f"{SYMBOL[operator]} {number_text(bound)}", value, ask)
    effects = {(feature, ""): effect_of(operator, rising=True), **window.effects}
    return Check(ask, effects, (fact,), needed_by(ask, feature))
