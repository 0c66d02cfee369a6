"""The values that conditions bound, and how they bound each other: a count in a day is no larger than one in a week."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from segments.calendar import Period, reach
from segments.definitions.selecting import Predicate, Selector
from segments.events import ANY_EVENT, SESSION_STARTED
from segments.lint.values import ValueTest, possible

LIFETIME = 1 << 62  # as a window: all time
NEWEST_SESSION = -1  # as a window: the newest session


class Events(NamedTuple):
    """Which events a condition selects, comparable: names, and tests by property (with its declared type)."""

    names: frozenset[str]
    where: tuple[tuple[str, str, frozenset[ValueTest]], ...] = ()

    def none_fits(self) -> bool:
        """Say whether no event can pass the tests."""
        return not all(possible(tests, declared) for _, declared, tests in self.where)


class Quantity(NamedTuple):
    """A value of a user that conditions compare: what, over which events, of which property, in which window."""

    kind: str
    events: Events | None = None
    what: str = ""
    window: int | Period = LIFETIME

    def least(self) -> float | None:
        """Return the smallest value that there can be, None when there is no bound."""
        if self.kind == "count" and self.window == LIFETIME and self.events == EVERYTHING:
            return 1  # a user exists from the first event on
        return 0 if self.kind in _NEVER_NEGATIVE else None

    def most(self) -> float | None:
        """Return the largest value that there can be, None when there is no bound."""
        counted = self.kind in ("count", "distinct", "sum")
        return 0 if counted and self.events is not None and self.events.none_fits() else None

    def may_be_missing(self) -> bool:
        """Say whether there may be no value, with which every comparison is false."""
        return self.kind in _MAY_BE_MISSING

    def is_whole(self) -> bool:
        """Say whether the value is a whole number (of events, milliseconds or millionths)."""
        return self.kind not in ("avg", "decayed score", "score by")


EVERYTHING = Events(frozenset({ANY_EVENT}))
_NEVER_NEGATIVE = {"count", "distinct", "first age", "pending age", "match age", "duration", "points", "decayed score"}
_MAY_BE_MISSING = {"avg", "min", "max", "first age", "pending age", "match age", "duration", "score by"}


def events_of(selector: Selector, types: Mapping[str, str]) -> Events:
    """Return a selector in comparable form; `types` are the declared properties."""
    where = sorted((path, types.get(path, "any"), tests_of(each)) for path, each in selector.where.items())
    return Events(frozenset(selector.event), tuple(where))


def tests_of(predicate: Predicate) -> frozenset[ValueTest]:
    """Return a predicate's tests."""
    return frozenset(ValueTest(name, json.dumps(bound)) for name, bound in predicate.operators().items())


@lru_cache(maxsize=65_536)
def covers(wide: Events, narrow: Events) -> bool:
    """Say whether every event that `narrow` selects is one that `wide` selects (False when that is not known)."""
    unnamed = narrow.names - wide.names
    if unnamed and (ANY_EVENT not in wide.names or SESSION_STARTED in unnamed):  # `any` leaves out what is made
        return False
    known = {path: (declared, tests) for path, declared, tests in narrow.where}
    for path, declared, tests in wide.where:
        _, given = known.get(path, (declared, frozenset()))
        if any(possible(given | {each._replace(passes=False)}, declared) for each in tests):
            return False
    return True


@lru_cache(maxsize=65_536)
def at_most(small: Quantity, large: Quantity) -> bool:
    """Say whether `small` is never above `large`, where both have a value."""
    if small.kind in ("min", "avg") and large.kind in ("avg", "max") and small[1:] == large[1:]:
        return True
    if small.events is None or large.events is None or (large.kind != "count" and small.what != large.what):
        return False
    if (small.kind, large.kind) in _GROWS_WITH_EVENTS:
        return _inside(small.window, large.window) and covers(large.events, small.events)
    if small.kind == large.kind == "min":
        return _inside(large.window, small.window) and covers(small.events, large.events)
    return False


_GROWS_WITH_EVENTS = {
    ("count", "count"),
    ("distinct", "count"),
    ("distinct", "distinct"),
    ("max", "max"),
    ("first age", "first age"),
}


def _inside(short: int | Period, long: int | Period) -> bool:
    if long in (short, LIFETIME):
        return True
    if NEWEST_SESSION in (short, long):
        return False
    if isinstance(long, Period):
        return isinstance(short, Period) and long.holds(short)
    return reach(short) <= long
