"""From conditions to formulas: each kind says which quantity it bounds, as docs/conditions.md defines it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from segments.calendar import Period
from segments.definitions.model import (
    Absence,
    Aggregate,
    Condition,
    Count,
    Lifetime,
    LocalTime,
    Recency,
    Score,
    Segment,
    Session,
)
from segments.definitions.selecting import Predicate, Selector
from segments.definitions.steps import Sequence
from segments.features.base import MICROS
from segments.lint.formula import WEEK, Clock, Flag, Formula, Known, compare, joined
from segments.lint.quantities import LIFETIME, NEWEST_SESSION, Events, Quantity, events_of, tests_of
from segments.local_time import parse_hours

_DAY = 1_440  # minutes


class Translator:
    """Formulas of the conditions and segments of one file."""

    def __init__(self, segments: Mapping[str, Segment], types: Mapping[str, str]) -> None:
        self._segments = segments
        self._types = types
        self._known: dict[tuple[str, bool], Formula] = {}
        self._kinds: dict[str, Callable[[Any, bool], Formula]] = {
            "count": self._count,
            "recency": self._recency,
            "lifetime": self._lifetime,
            "score": self._score,
            "session": self._session,
            "absence": self._absence,
            "sequence": self._sequence,
        }

    def condition(self, condition: Condition, *, holds: bool = True) -> Formula:
        """Return the formula of a condition, or of its opposite."""
        kind, spec = condition.kind()
        if kind in ("all", "any"):
            return joined([self.condition(each, holds=holds) for each in spec], all_of=(kind == "all") is holds)
        if kind == "not":
            return self.condition(spec, holds=not holds)
        if kind == "segment":
            return self.member(spec, holds=holds)
        if kind in ("trait", "context"):
            return _known(kind, spec, holds)
        if kind == "model":  # who was not scored is not below a bound either
            score = Quantity("score by", None, f"{spec.name}:{spec.version or ''}")
            return compare(score, *spec.comparison(), holds=holds)
        if kind == "threshold":  # two bounds may be of two rounds: nothing follows from one for the other
            return Flag(f"threshold {spec.model_dump_json()}", holds)
        if kind == "local_time":
            minutes = _minutes(spec)
            return Clock(minutes if holds else WEEK & ~minutes)
        if kind in ("sum", "avg", "min", "max", "distinct"):
            return self._aggregate(kind, spec, spec.within, holds)
        return self._kinds[kind](spec, holds)

    def member(self, name: str, *, holds: bool = True) -> Formula:
        """Return the formula of being in a segment, or of not being in it."""
        if (name, holds) not in self._known:
            segment = self._segments[name]
            entry = self.entry(segment, holds=holds)
            if segment.exit_when is not None or segment.min_dwell is not None:
                entry = joined([entry, Flag(f"stays in {name}", holds)], all_of=not holds)
                if segment.parent is not None:
                    entry = joined([self.member(segment.parent, holds=holds), entry], all_of=holds)
            self._known[name, holds] = entry
        return self._known[name, holds]

    def entry(self, segment: Segment, *, holds: bool = True) -> Formula:
        """Return the formula of what makes a user enter a segment, or of its opposite."""
        parts = [self.condition(segment.when, holds=holds)]
        if segment.parent is not None:
            parts.append(self.member(segment.parent, holds=holds))
        if segment.exit_when is not None:
            parts.append(self.condition(segment.exit_when, holds=not holds))
        if segment.confidence is not None:
            parts.append(Flag(f"confidence in {segment.name}", holds))
        return joined(parts, all_of=holds)

    def _events(self, spec: Any) -> Events:
        return events_of(Selector(event=spec.event, where=spec.where), self._types)

    def _aggregate(self, kind: str, spec: Aggregate | Lifetime, window: int | Period, holds: bool) -> Formula:
        operator, bound = spec.comparison()
        events = self._events(spec)
        if kind in ("count", "distinct"):
            return compare(Quantity(kind, events, spec.property or "", window), operator, bound, holds=holds)
        micros = round(bound * MICROS)
        value = compare(Quantity(kind, events, spec.property or "", window), operator, micros, holds=holds)
        if kind == "sum" and not _outside_zero(operator, micros):
            return value
        return joined([value, _some(events, window, holds)], all_of=holds)  # there is a value only where events are

    def _count(self, spec: Count, holds: bool) -> Formula:
        operator, bound = spec.comparison()
        return compare(Quantity("count", self._events(spec), "", spec.within), operator, bound, holds=holds)

    def _lifetime(self, spec: Lifetime, holds: bool) -> Formula:
        return self._aggregate(spec.of, spec, LIFETIME, holds)

    def _recency(self, spec: Recency, holds: bool) -> Formula:
        events, window = self._events(spec), spec.within or spec.not_within or 0
        seen = _some(events, window if spec.within else LIFETIME, holds)
        if spec.which == "first":
            if isinstance(window, Period):
                first: Formula = Flag(f"first of {events} {window}", holds=holds is (spec.within is not None))
            else:
                first = compare(Quantity("first age", events), "lt" if spec.within else "gte", window, holds=holds)
            return joined([first, seen], all_of=holds)
        if spec.within:
            return seen
        return joined([seen, _some(events, window, not holds)], all_of=holds)

    def _score(self, spec: Score, holds: bool) -> Formula:
        operator, bound = spec.comparison()
        points = ",".join(f"{name}={each:g}" for name, each in sorted(spec.points.items()))
        if spec.half_life:
            return compare(Quantity("decayed score", None, f"{points}|{spec.half_life}"), operator, bound, holds=holds)
        kind = "points" if min(spec.points.values()) >= 0 else "score"
        return compare(Quantity(kind, None, points), operator, round(bound * MICROS), holds=holds)

    def _session(self, spec: Session, holds: bool) -> Formula:
        operator, bound = spec.comparison()
        if spec.of == "duration":
            return compare(Quantity("duration"), operator, bound, holds=holds)
        events = events_of(Selector(event=spec.event or [], where=spec.where), self._types)
        quantity = Quantity(spec.of, events, spec.property or "", NEWEST_SESSION)
        return compare(quantity, operator, bound if spec.of == "count" else round(bound * MICROS), holds=holds)

    def _absence(self, spec: Absence, holds: bool) -> Formula:
        after, of = events_of(spec.after, self._types), events_of(spec.of, self._types)
        what = f"{after}|{of}|{spec.per}"
        parts = [
            compare(Quantity("pending age", None, what), "gte", spec.within, holds=holds),
            _some(after, LIFETIME, holds),
        ]
        if spec.lasts is not None:
            parts.append(Flag(f"{what}|{spec.within}|{spec.lasts}", holds))
        return joined(parts, all_of=holds)

    def _sequence(self, spec: Sequence, holds: bool) -> Formula:
        events = [events_of(step.selector(), self._types) for step in spec.steps if step.not_ is None]
        plain = [self._match(spec, f"{events}|{spec.per}", holds)]
        if spec.per:
            plain.append(self._match(spec, f"{events}|{None}", holds))  # it matches without being joined too
        if len(events) < len(spec.steps) or any(step.within for step in spec.steps):
            steps = [(events_of(step.selector(), self._types), step.not_ is None, step.within) for step in spec.steps]
            plain.append(self._match(spec, f"{steps}|{spec.per}", holds))
        return joined([*plain, *(_some(each, spec.within, holds) for each in events)], all_of=holds)

    def _match(self, spec: Sequence, what: str, holds: bool) -> Formula:
        """Some match that is described so began in the window, or none did."""
        if isinstance(spec.within, Period):
            return Flag(f"match {what} {spec.within}", holds)
        return compare(Quantity("match age", None, what), "lt", spec.within, holds=holds)


def _some(events: Events, window: int | Period, holds: bool) -> Formula:
    """Some selected event lies in the window, or none does."""
    return compare(Quantity("count", events, "", window), "gte", 1, holds=holds)


def _outside_zero(operator: str, bound: float) -> bool:
    """Say whether a sum that compares so cannot be 0, the sum over nothing."""
    return not {"gt": bound < 0, "gte": bound <= 0, "lt": bound > 0, "lte": bound >= 0, "eq": bound == 0}[operator]


def _known(kind: str, spec: Predicate, holds: bool) -> Formula:
    path = f"{kind} {spec.name if kind == 'trait' else spec.path}"  # type: ignore[attr-defined]
    tests: list[Formula] = [Known(path, each._replace(passes=holds)) for each in sorted(tests_of(spec))]
    return joined(tests, all_of=holds)


def _minutes(spec: LocalTime) -> int:
    """Return the minutes of the week that a local time names, as bits."""
    start, end = parse_hours(spec.hours) if spec.hours else (0, _DAY)
    inside = range(start, end) if start < end else [*range(end), *range(start, _DAY)]
    day = sum(1 << minute for minute in inside)
    return sum(day << weekday * _DAY for weekday in spec.weekdays())
