"""S106 to S108: windows that are too long to mean anything, selectors that fit no event."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from segments.definitions.basis import Model
from segments.definitions.model import Condition
from segments.definitions.selecting import Selector
from segments.definitions.yaml_source import Path
from segments.durations import format_duration
from segments.lint.findings import Finding
from segments.lint.places import conditions_of, leaf
from segments.lint.quantities import events_of
from segments.lint.subject import Subject

_A_WEEK = 7 * 86_400_000
_LONGEST_PERIODS = {
    "this_day": 86_400_000,
    "this_month": 31 * 86_400_000,
    "this_quarter": 92 * 86_400_000,
    "this_year": 366 * 86_400_000,
}
_TEN_YEARS = 3_650 * 86_400_000  # the oldest event that is taken by default (plausibility.max_age)
_LEAVES = ("count", "sum", "avg", "min", "max", "distinct", "recency", "lifetime", "session")


class Selected(NamedTuple):
    """A selector with its place in the file."""

    selector: Selector
    path: Path


def selecting(subject: Subject) -> Iterator[Finding]:
    """Find windows longer than any event's age, and selectors whose tests contradict each other or a declared type."""
    types = subject.definitions.properties
    for index, segment in subject.segments:
        for condition, path in conditions_of(segment, index):
            _, spec, place = leaf(condition, path)
            yield from _windows(subject, spec, place)
            for selector, where in selectors_of(condition, path):
                if events_of(selector, types).none_fits():
                    message = "no event can fit: its tests contradict each other or the declared type"
                    yield subject.finding("S107", (*where, "where"), message, "mend where")


def _windows(subject: Subject, spec: Any, path: Path) -> Iterator[Finding]:
    for field in ("within", "not_within", "lasts", "half_life") if isinstance(spec, Model) else ():
        window = getattr(spec, field, None)
        if isinstance(window, int) and window > _TEN_YEARS:
            message = f"{field} is {format_duration(window)}, and events older than ten years are refused"
            yield subject.finding("S106", (*path, field), message, "lifetime counts for ever and costs less state")
        yield from _outlived(subject, field, window, (*path, field))


def _outlived(subject: Subject, field: str, window: object, path: Path) -> Iterator[Finding]:
    """Find what would happen after its user was forgotten."""
    kept = subject.definitions.retention
    if kept is None or field == "half_life":
        return
    length = window if isinstance(window, int) else _LONGEST_PERIODS.get(str(window), _A_WEEK if window else 0)
    if length > kept:
        message = f"{field} is longer than retention ({format_duration(kept)}): users are forgotten before it is over"
        yield subject.finding("S108", path, message, "lengthen retention, or shorten it")


def selectors_of(condition: Condition, path: Path) -> Iterator[Selected]:
    """Return the selectors of one condition, not of those inside it."""
    kind, spec, place = leaf(condition, path)
    if kind in _LEAVES and spec.event is not None:
        yield Selected(Selector(event=spec.event, where=spec.where), place)
    elif kind == "absence":
        yield Selected(spec.after, (*place, "after"))
        yield Selected(spec.of, (*place, "of"))
    elif kind == "sequence":
        for number, step in enumerate(spec.steps):
            about = (*place, "steps", number)
            yield Selected(step.selector(), about if step.not_ is None else (*about, "not"))
