"""`threshold`: a number of the user against a bound that follows from the numbers of all users."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from segments.conditions.base import Answer, Builder, Check, Fact, number_text
from segments.conditions.measured import Measured, Number, compile_measure
from segments.definitions.threshold import Threshold
from segments.durations import format_duration
from segments.population.bounds import NOBODY, History
from segments.profile import NEVER, Profile


class PopulationThreshold(NamedTuple):
    """A compiled threshold: its key in the control topic, its definition, and the number of a user."""

    key: str
    spec: Threshold
    number: Callable[[Profile, int], Number]

    def counts(self, value: float | None) -> bool:
        """Say whether a user with this value belongs to the population."""
        return value is not None and (value > 0 or self.spec.among == "all")


def compile_threshold(spec: Threshold, builder: Builder) -> Check:
    """Compile a threshold; its bounds are data that goes on growing, its answers follow what is known of them."""
    measured = compile_measure(spec.of, builder)
    threshold = PopulationThreshold(_key(spec, measured), spec, measured.number)
    history, number, counts = builder.bounds(threshold), measured.number, threshold.counts

    def ask(profile: Profile, now: int) -> Answer:
        value, until, may_rise = number(profile, now)
        if value is None or not counts(value):
            return False, until if may_rise else NEVER
        return history.judge(value, now, until, may_rise=may_rise)

    def value(profile: Profile, now: int) -> float | None:
        return number(profile, now).value

    fact = Fact(measured.text, f">= {_position(spec)}", value, ask, bound=lambda now: _told(spec, history, now))
    needs = () if counts(number(Profile(), 0).value) else (measured.feature,)
    return Check(ask, measured.effects, (fact,), needs)


def _position(spec: Threshold) -> str:
    kind, number = spec.bound()
    if spec.top is not None:
        return f"top {number_text(spec.top)} %"
    return f"percentile {number_text(number)}" if kind == "percentile" else f"mean plus {number_text(number)} SD"


def _key(spec: Threshold, measured: Measured) -> str:
    """Return what identifies a threshold for ever: two with the same key have the same bounds."""
    kind, number = spec.bound()
    parts = [
        measured.text,
        f"{kind} {number_text(number)}",
        f"among {spec.among}",
        f"min_population {spec.min_population}",
        f"refresh {format_duration(spec.refresh)}",
        f"smoothing {number_text(spec.smoothing)}",
    ]
    return "|".join(parts)


def _told(spec: Threshold, history: History, now: int) -> str:
    bound = history.at(now)
    if bound.version == 0:
        return f">= {_position(spec)}, not known yet"
    if bound.value == NOBODY:
        few = f"{bound.population:,} of {spec.min_population:,} users known"
        return f">= {_position(spec)} ({few}, version {bound.version})"
    where = f"{_position(spec)} of {bound.population:,} users"
    return f">= {number_text(bound.value)} ({where}, version {bound.version})"
