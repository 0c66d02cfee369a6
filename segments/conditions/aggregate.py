"""`sum`, `avg`, `min`, `max`: a property's amounts in the window."""

from bisect import bisect_left
from collections.abc import Callable

from segments.conditions.base import COMPARE, SYMBOL, Answer, Builder, Check, Fact, needed_by, number_text
from segments.conditions.effects import effect_of_aggregate
from segments.conditions.windows import compile_window
from segments.definitions.model import Aggregate
from segments.features.base import MICROS
from segments.features.value_log import ValueLog
from segments.profile import NEVER, Profile
from segments.selectors import EventSelector

_LOOK_AHEAD = 32  # departures examined at once; the condition is asked again after them

Holds = Callable[[list[int]], bool]
VALUE: dict[str, Callable[[list[int]], float | None]] = {
    "sum": lambda amounts: sum(amounts) / MICROS,
    "avg": lambda amounts: sum(amounts) / len(amounts) / MICROS if amounts else None,
    "min": lambda amounts: min(amounts) / MICROS if amounts else None,
    "max": lambda amounts: max(amounts) / MICROS if amounts else None,
}


def compile_aggregate(kind: str, spec: Aggregate, builder: Builder) -> Check:
    """Compile sum, avg, min or max; amounts are exact millionths."""
    selector = EventSelector(spec.selector())
    builder.number(spec.property)
    window = compile_window(spec.within, builder)
    feature = builder.feature(ValueLog(selector, spec.property, window.keep))
    operator, bound = spec.comparison()
    holds = _holds(kind, operator, round(bound * MICROS))
    nothing = (holds([]), NEVER)
    slides = isinstance(spec.within, int)

    def ask(profile: Profile, now: int) -> Answer:
        log = profile.features.get(feature)
        if log is None:
            return nothing
        times, amounts = log
        first = bisect_left(times, window.opens(profile, now))
        inside = amounts[first:] if first else amounts
        true_now = holds(inside)
        if slides:
            last = _last_before_flip(times, inside, first, holds, true_now)
        else:  # all that is inside leaves at once
            last = times[-1] if inside and nothing[0] != true_now else None
        return true_now, NEVER if last is None else window.leaves(profile, now, last)

    def value(profile: Profile, now: int) -> float | None:
        times, amounts = profile.features.get(feature) or ([], [])
        return VALUE[kind](amounts[bisect_left(times, window.opens(profile, now)) :])

    text = f"{kind} of {spec.property} of {selector.text} {window.text}"
    fact = Fact(text, f"{SYMBOL[operator]} {number_text(bound)}", value, ask)
    effects = {(feature, ""): effect_of_aggregate(kind, operator), **window.effects}
    return Check(ask, effects, (fact,), needed_by(ask, feature))


def _holds(kind: str, operator: str, bound: int) -> Holds:
    compare = COMPARE[operator]
    if kind == "sum":
        return lambda amounts: compare(sum(amounts), bound)
    if kind == "avg":
        return lambda amounts: bool(amounts) and compare(sum(amounts), bound * len(amounts))
    extreme = min if kind == "min" else max
    return lambda amounts: bool(amounts) and compare(extreme(amounts), bound)


def _last_before_flip(times: list[int], inside: list[int], first: int, holds: Holds, true_now: bool) -> int | None:
    """Return the time (ms) of the event with whose departure the answer flips, or of the last one looked at."""
    count = len(inside)
    for index in range(1, count + 1):
        if index < count and times[first + index] == times[first + index - 1]:
            continue  # these leave together
        if index >= _LOOK_AHEAD or holds(inside[index:]) != true_now:
            return times[first + index - 1]
    return None
