"""Which events count in a condition now: found among all of a user's, by the condition's own selectors and windows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from segments.conditions.furthest import furthest_match
from segments.conditions.windows import compile_window
from segments.definitions import model
from segments.definitions import steps as written
from segments.definitions.selecting import Selector
from segments.definitions.threshold import Threshold
from segments.events import SESSION_STARTED, Event
from segments.features.base import join_value, storable, to_micros
from segments.features.latest import Source
from segments.features.value_log import CAPACITY
from segments.fields import Getter, getter
from segments.profile import Profile
from segments.selectors import EventSelector
from segments.steps import Steps

if TYPE_CHECKING:
    from segments.conditions.base import Builder

_DIGITS = 6  # of a score


class Contribution(NamedTuple):
    """An event that counts in a condition, and what it adds or tells there; None where it only counts."""

    event: Event
    adds: Any = None


# From all of a user's events up to `now` (ms), by time, each session's made start after the event that began it.
Contributing = Callable[[Profile, Sequence[Event], int], list[Contribution]]


def _count(spec: model.Count, builder: Builder) -> Contributing:
    selector, opens = EventSelector(spec.selector()), compile_window(spec.within, builder).opens

    def contributing(profile: Profile, events: Sequence[Event], now: int) -> list[Contribution]:
        return [Contribution(each) for each in _inside(selector, events, opens(profile, now))]

    return contributing


def _aggregate(of: str, spec: model.Aggregate, builder: Builder) -> Contributing:
    selector, read = EventSelector(spec.selector()), getter(spec.property)
    opens = compile_window(spec.within, builder).opens

    def contributing(profile: Profile, events: Sequence[Event], now: int) -> list[Contribution]:
        return _making_up(of, _numbers(read, _inside(selector, events, opens(profile, now)))[-CAPACITY:])

    return contributing


def _distinct(spec: model.Aggregate, builder: Builder) -> Contributing:
    """Return what finds the newest event of each value."""
    selector, read = EventSelector(spec.selector()), getter(spec.property)
    opens = compile_window(spec.within, builder).opens

    def contributing(profile: Profile, events: Sequence[Event], now: int) -> list[Contribution]:
        values = ((read(event.properties), event) for event in _inside(selector, events, opens(profile, now)))
        newest = {join_value(value): Contribution(event, storable(value)) for value, event in values}
        newest.pop(None, None)
        return list(newest.values())

    return contributing


def _recency(spec: model.Recency, builder: Builder) -> Contributing:
    selector = EventSelector(Selector(event=spec.event, where=spec.where))
    if spec.which == "last":
        return newest_of(selector)

    def contributing(profile: Profile, events: Sequence[Event], now: int) -> list[Contribution]:
        return [Contribution(each) for each in events if selector.selects(each)][:1]

    return contributing


def newest_of(selector: EventSelector) -> Contributing:
    """Return what finds the newest selected event."""

    def contributing(profile: Profile, events: Sequence[Event], now: int) -> list[Contribution]:
        return [Contribution(each) for each in events if selector.selects(each)][-1:]

    return contributing


def _lifetime(spec: model.Lifetime, builder: Builder) -> Contributing:
    selector, read = EventSelector(spec.selector()), getter(spec.property) if spec.property else None

    def contributing(profile: Profile, events: Sequence[Event], now: int) -> list[Contribution]:
        found = filter(selector.selects, events)
        return [Contribution(each) for each in found] if read is None else _making_up(spec.of, _numbers(read, found))

    return contributing


def _score(spec: model.Score, builder: Builder) -> Contributing:
    """Return what finds the events whose points still show in the score, with what each weighs."""
    points, half_life = spec.points, spec.half_life

    def contributing(profile: Profile, events: Sequence[Event], now: int) -> list[Contribution]:
        given = ((event, points.get(event.name, 0.0)) for event in events)
        faded = ((event, p if half_life is None else p * 2.0 ** ((event.time - now) / half_life)) for event, p in given)
        return [Contribution(event, weight) for event, p in faded if (weight := round(p, _DIGITS))]

    return contributing


def _threshold(spec: Threshold, builder: Builder) -> Contributing:
    kind, measured = spec.of.kind()
    return CONTRIBUTIONS[kind](measured, builder)


def _session(spec: model.Session, builder: Builder) -> Contributing:
    """Return what finds the selected events of the newest session."""
    if spec.of == "duration":
        return _ends_of_session
    selector = EventSelector(Selector(event=spec.event or [], where=spec.where))
    read = getter(spec.property) if spec.property else None

    def contributing(profile: Profile, events: Sequence[Event], now: int) -> list[Contribution]:
        found = filter(selector.selects, newest_session(events))
        return [Contribution(each) for each in found] if read is None else _making_up(spec.of, _numbers(read, found))

    return contributing


def _ends_of_session(profile: Profile, events: Sequence[Event], now: int) -> list[Contribution]:
    """Return the first and the last event of the newest session."""
    inside = [Contribution(each) for each in newest_session(events) if each.name != SESSION_STARTED]
    return inside[:1] + inside[1:][-1:]


def _absence(spec: model.Absence, builder: Builder) -> Contributing:
    """Return what finds what opened the values that are open, or where none is what closed those that were."""
    after, of = EventSelector(spec.after), EventSelector(spec.of)
    read = getter(spec.per) if spec.per else None
    lasts = spec.within + spec.lasts if spec.lasts else None

    def contributing(profile: Profile, events: Sequence[Event], now: int) -> list[Contribution]:
        opened, closed = dict[Any, Contribution](), dict[Any, Contribution]()
        for event in events:
            told = None if read is None else read(event.properties)
            value = "" if read is None else join_value(told)
            if of.selects(event):
                for each in [*opened] if value is None else [value] if value in opened else []:
                    closed[each] = Contribution(event, opened.pop(each).adds)
            if value is not None and after.selects(event):
                closed.pop(value, None)
                opened.pop(value, None)
                opened[value] = Contribution(event, storable(told))
        lasting = [each for each in opened.values() if lasts is None or now < each.event.time + lasts]
        return lasting or [*closed.values()]

    return contributing


def _sequence(spec: written.Sequence, builder: Builder) -> Contributing:
    """Return what finds the match that got furthest, the one that began last among those, with the step of each."""
    steps, opens = Steps(spec), compile_window(spec.within, builder).opens
    read = getter(spec.per) if spec.per else None

    def contributing(profile: Profile, events: Sequence[Event], now: int) -> list[Contribution]:
        found = furthest_match(steps, read, opens(profile, now), events, now)
        return [Contribution(event, step) for step, event in enumerate(found, 1)]

    return contributing


def _telling(source: Source, path: str) -> Contributing:
    """Return what finds the newest event that told a value: the one that holds now."""
    read, part_of = getter(path), attrgetter(source)

    def contributing(profile: Profile, events: Sequence[Event], now: int) -> list[Contribution]:
        told = ((event, read(part_of(event))) for event in reversed(events))
        return next(([Contribution(event, storable(value))] for event, value in told if value is not None), [])

    return contributing


def _trait(spec: model.Trait, builder: Builder) -> Contributing:
    return _telling("traits", spec.name)


def _context(spec: model.Context, builder: Builder) -> Contributing:
    return _telling("context", spec.path)


def _local_time(spec: model.LocalTime, builder: Builder) -> Contributing:
    return _telling("context", "timezone")


def _of_no_event(spec: Any, builder: Builder) -> Contributing:
    """Return what finds nothing: another segment has its own explanation, a score is made of columns."""

    def contributing(profile: Profile, events: Sequence[Event], now: int) -> list[Contribution]:
        return []

    return contributing


def _inside(selector: EventSelector, events: Iterable[Event], opens: int) -> Iterable[Event]:
    return (event for event in events if event.time >= opens and selector.selects(event))


def _numbers(read: Getter, events: Iterable[Event]) -> list[Contribution]:
    values = ((event, read(event.properties)) for event in events)
    return [Contribution(event, value) for event, value in values if to_micros(value) is not None]


def _making_up(of: str, numbers: list[Contribution]) -> list[Contribution]:
    """Return what makes up a sum or an avg, or the newest that is the min or max."""
    if of in {"min", "max"}:
        extreme = min if of == "min" else max
        found = extreme(reversed(numbers), key=lambda each: to_micros(each.adds) or 0, default=None)
        return [found] if found else []
    return [each for each in numbers if of == "avg" or to_micros(each.adds)]


def newest_session(events: Sequence[Event]) -> Sequence[Event]:
    """Return the events of the newest session, its made start after the first."""
    starts = (place for place in range(len(events) - 1, 0, -1) if events[place].name == SESSION_STARTED)
    start = next(starts, None)
    return () if start is None else events[start - 1 :]


# Of each kind that has a value of its own; a kind that is missing here cannot be compiled.
CONTRIBUTIONS: dict[str, Callable[[Any, Builder], Contributing]] = {
    "count": _count,
    "sum": lambda spec, builder: _aggregate("sum", spec, builder),
    "avg": lambda spec, builder: _aggregate("avg", spec, builder),
    "min": lambda spec, builder: _aggregate("min", spec, builder),
    "max": lambda spec, builder: _aggregate("max", spec, builder),
    "distinct": _distinct,
    "recency": _recency,
    "lifetime": _lifetime,
    "score": _score,
    "threshold": _threshold,
    "model": _of_no_event,
    "session": _session,
    "absence": _absence,
    "sequence": _sequence,
    "trait": _trait,
    "context": _context,
    "local_time": _local_time,
    "segment": _of_no_event,
}
