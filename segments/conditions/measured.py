"""The number of a user that a threshold compares: its value, and until when that holds if nothing happens."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from segments.conditions.base import Builder
from segments.conditions.effects import RISES, UNKNOWN, Effects
from segments.conditions.windows import compile_window
from segments.definitions.selecting import AmountOf, CountOf, LifetimeOf
from segments.definitions.threshold import Measure, ScoreOf
from segments.features.base import MICROS
from segments.features.distinct import DistinctValues
from segments.features.event_log import EventLog
from segments.features.totals import EventCount, Points, Total
from segments.features.value_log import ValueLog
from segments.profile import NEVER, Profile
from segments.selectors import EventSelector

TIMES_KEPT = 1_000  # a count above it stays there
VALUES_KEPT = 256  # different values above it stay there


class Number(NamedTuple):
    """A user's number (None: none), the instant (ms) at which time alone changes it, whether it can rise then."""

    value: float | None
    until: int = NEVER
    may_rise: bool = False


class Measured(NamedTuple):
    """A compiled number: how people read it, which feature it is made of, how events move it.

    `plain` is the value of `number` alone, for those who ask often, where that is less work.
    """

    text: str
    feature: int
    number: Callable[[Profile, int], Number]
    effects: Effects
    plain: Callable[[Profile, int], float | None] | None = None

    def value(self) -> Callable[[Profile, int], float | None]:
        """Return what gives the value alone."""
        number = self.number
        return self.plain or (lambda profile, now: number(profile, now).value)


def compile_measure(measure: Measure, builder: Builder) -> Measured:
    """Compile the number of a threshold."""
    kind, spec = measure.kind()
    if kind in ("sum", "avg", "min", "max"):
        return _amount(kind, spec, builder)
    return _KINDS[kind](spec, builder)


def _count(spec: CountOf, builder: Builder) -> Measured:
    selector, window = EventSelector(spec.selector()), compile_window(spec.within, builder)
    feature, opens, leaves = builder.feature(EventLog(selector, TIMES_KEPT, window.keep)), window.opens, window.leaves

    def number(profile: Profile, now: int) -> Number:
        log = profile.features.get(feature)
        if not log or (first := bisect_left(log, opens(profile, now))) == len(log):
            return Number(0)
        oldest = log[max(first, len(log) - TIMES_KEPT)]
        return Number(min(len(log) - first, TIMES_KEPT), leaves(profile, now, oldest))

    def plain(profile: Profile, now: int) -> int:
        log = profile.features.get(feature)
        return min(len(log) - bisect_left(log, opens(profile, now)), TIMES_KEPT) if log else 0

    effects = {(feature, ""): RISES, **window.effects}
    return Measured(f"count of {selector.text} {window.text}", feature, number, effects, plain)


def _distinct(spec: AmountOf, builder: Builder) -> Measured:
    selector, window = EventSelector(spec.selector()), compile_window(spec.within, builder)
    feature = builder.feature(DistinctValues(selector, spec.property, VALUES_KEPT, window.keep))

    def number(profile: Profile, now: int) -> Number:
        newest, opened = profile.features.get(feature) or {}, window.opens(profile, now)
        times = sorted(time for time in newest.values() if time >= opened)[-VALUES_KEPT:]
        return Number(len(times), window.leaves(profile, now, times[0])) if times else Number(0)

    def plain(profile: Profile, now: int) -> int:
        newest: dict[Any, int] = profile.features.get(feature) or {}
        opened = window.opens(profile, now)
        return min(sum(time >= opened for time in newest.values()), VALUES_KEPT)

    text = f"different {spec.property} of {selector.text} {window.text}"
    return Measured(text, feature, number, {(feature, ""): RISES, **window.effects}, plain)


def _amount(kind: str, spec: AmountOf, builder: Builder) -> Measured:
    selector, window, value = EventSelector(spec.selector()), compile_window(spec.within, builder), _VALUES[kind]
    nothing = 0 if kind == "sum" else None
    builder.number(spec.property)
    feature = builder.feature(ValueLog(selector, spec.property, window.keep))

    def number(profile: Profile, now: int) -> Number:
        times, amounts = profile.features.get(feature) or ((), ())
        first = bisect_left(times, window.opens(profile, now))
        inside = amounts[first:]
        if not inside:
            return Number(nothing)
        may_rise = kind in ("avg", "min") or (kind == "sum" and min(inside) < 0)
        return Number(value(inside), window.leaves(profile, now, times[first]), may_rise)

    def plain(profile: Profile, now: int) -> float | None:
        times, amounts = profile.features.get(feature) or ((), ())
        inside = amounts[bisect_left(times, window.opens(profile, now)) :]
        return value(inside) if inside else nothing

    text = f"{kind} of {spec.property} of {selector.text} {window.text}"
    effects = {(feature, ""): RISES if kind == "max" else UNKNOWN, **window.effects}
    return Measured(text, feature, number, effects, plain)


_VALUES: dict[str, Callable[[Sequence[int]], float]] = {
    "sum": lambda amounts: sum(amounts) / MICROS,
    "avg": lambda amounts: sum(amounts) / (len(amounts) * MICROS),
    "min": lambda amounts: min(amounts) / MICROS,
    "max": lambda amounts: max(amounts) / MICROS,
}


def _lifetime(spec: LifetimeOf, builder: Builder) -> Measured:
    selector = EventSelector(spec.selector())
    if spec.property is None:
        feature = builder.feature(EventCount(selector))
        text = f"count of {selector.text} ever"
        return Measured(
            text, feature, lambda profile, _: Number(profile.features.get(feature, 0)), {(feature, ""): RISES}
        )
    builder.number(spec.property)
    feature = builder.feature(Total(selector, spec.property))
    of, place = spec.of, {"sum": 1, "avg": 1, "min": 2, "max": 3}[spec.of]

    def number(profile: Profile, now: int) -> Number:
        total = profile.features.get(feature)
        if total is None:
            return Number(0 if of == "sum" else None)
        return Number(total[place] / ((total[0] if of == "avg" else 1) * MICROS))

    text = f"{of} of {spec.property} of {selector.text} ever"
    return Measured(text, feature, number, {(feature, ""): RISES if of == "max" else UNKNOWN})


def _score(spec: ScoreOf, builder: Builder) -> Measured:
    feature = builder.feature(Points(spec.points, None))

    def number(profile: Profile, now: int) -> Number:
        score = profile.features.get(feature)
        return Number(score[0] / MICROS if score else 0)

    listed = ", ".join(f"{name} {points:g}" for name, points in sorted(spec.points.items()))
    effect = RISES if min(spec.points.values()) >= 0 else UNKNOWN
    return Measured(f"score of {listed}", feature, number, {(feature, ""): effect})


_KINDS: dict[str, Callable[[Any, Builder], Measured]] = {
    "count": _count,
    "distinct": _distinct,
    "lifetime": _lifetime,
    "score": _score,
}
