"""`distinct`: how many different values a property has in the window."""

from segments.conditions.base import NO, SYMBOL, YES, Answer, Builder, Check, Fact, effect_of, needed_by, number_text
from segments.conditions.count import at_least, comparing
from segments.definitions.model import Aggregate
from segments.durations import format_duration
from segments.features.distinct import DistinctValues
from segments.profile import Profile
from segments.selectors import EventSelector


def compile_distinct(spec: Aggregate, builder: Builder) -> Check:
    """Compile a number of different values; only as many values are kept as its bound needs."""
    selector = EventSelector(spec.selector())
    operator, bound = spec.comparison()
    capacity = max(1, at_least(operator, bound) + (operator == "eq"))
    feature = builder.feature(DistinctValues(selector, spec.property, capacity, spec.within))
    window = spec.within

    def newest(profile: Profile, needed: int, now: int) -> Answer:
        if needed <= 0:
            return YES
        values = profile.features.get(feature)
        if values is None or len(values) < needed:
            return NO
        leaves = sorted(values.values())[-needed] + window
        return (True, leaves) if leaves > now else NO

    def value(profile: Profile, now: int) -> int:
        return sum(1 for time in profile.features.get(feature, {}).values() if time > now - window)

    ask = comparing(operator, bound, newest)
    text = f"different {spec.property} of {selector.text} in {format_duration(window)}"
    fact = Fact(text, f"{SYMBOL[operator]} {number_text(bound)}", value, ask)
    needs = needed_by(ask, feature)
    return Check(ask, {(feature, ""): effect_of(operator, rising=True)}, (fact,), needs)
