"""`lifetime`: an aggregate over all events ever seen."""

from segments.conditions.base import COMPARE, NO, SYMBOL, YES, Answer, Builder, Check, Fact, effect_of, number_text
from segments.definitions.model import Lifetime
from segments.features.base import MICROS
from segments.features.totals import Total, total_value
from segments.profile import Profile
from segments.selectors import EventSelector


def compile_lifetime(spec: Lifetime, builder: Builder) -> Check:
    """Compile a lifetime value; it never changes by itself."""
    selector = EventSelector(spec.selector())
    if spec.property:
        builder.number(spec.property)
    feature = builder.feature(Total(selector, spec.property))
    operator, bound = spec.comparison()
    compare, of, micros = COMPARE[operator], spec.of, round(bound * MICROS)

    def ask(profile: Profile, now: int) -> Answer:
        total = profile.features.get(feature)
        if of == "count":
            holds = compare(total[0] if total else 0, bound)
        elif of == "sum":
            holds = compare(total[1] if total else 0, micros)
        elif total is None:
            holds = False
        elif of == "avg":
            holds = compare(total[1], micros * total[0])
        else:
            holds = compare(total[2 if of == "min" else 3], micros)
        return YES if holds else NO

    def value(profile: Profile, now: int) -> float | None:
        return total_value(profile.features.get(feature), of)

    text = f"{of} of {f'{spec.property} of ' if spec.property else ''}{selector.text} ever"
    fact = Fact(text, f"{SYMBOL[operator]} {number_text(bound)}", value, ask)
    return Check(ask, {(feature, ""): effect_of(operator, rising=of in ("count", "max"))}, (fact,))
