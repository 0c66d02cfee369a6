"""`lifetime`: an aggregate over all events ever seen."""

from segments.conditions.base import COMPARE, NO, SYMBOL, YES, Answer, Builder, Check, Fact, needed_by, number_text
from segments.conditions.effects import effect_of, effect_of_aggregate
from segments.definitions.model import Lifetime
from segments.features.base import MICROS
from segments.features.totals import EventCount, Total, total_value
from segments.profile import Profile
from segments.selectors import EventSelector


def compile_lifetime(spec: Lifetime, builder: Builder) -> Check:
    """Compile a lifetime value; it never changes by itself."""
    return _amount(spec, builder, spec.property) if spec.property else _count(spec, builder)


def _count(spec: Lifetime, builder: Builder) -> Check:
    selector = EventSelector(spec.selector())
    feature = builder.feature(EventCount(selector))
    operator, bound = spec.comparison()
    compare = COMPARE[operator]

    def ask(profile: Profile, now: int) -> Answer:
        return YES if compare(profile.features.get(feature, 0), bound) else NO

    def value(profile: Profile, now: int) -> int:
        return int(profile.features.get(feature, 0))

    fact = Fact(f"count of {selector.text} ever", f"{SYMBOL[operator]} {number_text(bound)}", value, ask)
    return Check(ask, {(feature, ""): effect_of(operator, rising=True)}, (fact,), needed_by(ask, feature))


def _amount(spec: Lifetime, builder: Builder, path: str) -> Check:
    selector = EventSelector(spec.selector())
    builder.number(path)
    feature = builder.feature(Total(selector, path))
    operator, bound = spec.comparison()
    compare, of, micros = COMPARE[operator], spec.of, round(bound * MICROS)
    place = {"sum": 1, "min": 2, "max": 3}.get(of)

    def ask(profile: Profile, now: int) -> Answer:
        total = profile.features.get(feature)
        if total is None:
            holds = of == "sum" and compare(0, micros)
        else:
            holds = compare(total[1], micros * total[0]) if place is None else compare(total[place], micros)
        return YES if holds else NO

    def value(profile: Profile, now: int) -> float | None:
        return total_value(profile.features.get(feature), of)

    text = f"{of} of {path} of {selector.text} ever"
    fact = Fact(text, f"{SYMBOL[operator]} {number_text(bound)}", value, ask)
    return Check(ask, {(feature, ""): effect_of_aggregate(of, operator)}, (fact,), needed_by(ask, feature))
