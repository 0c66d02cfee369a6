"""Bounds that follow from the population: which one is in force at an instant, and when the next one moves somebody."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

from segments.control import Thresholds
from segments.profile import NEVER

_LOOK_AHEAD = 64  # bounds looked at for a flip; the condition is asked again after them
NOBODY = math.inf  # as a bound: too few users are known, or none has been found yet


class Bound(NamedTuple):
    """A bound, in force from `starts` (ms, event time) on; `population` users had the value that it was taken from."""

    starts: int
    value: float
    version: int = 0
    population: int = 0


_NONE = Bound(-NEVER, NOBODY)


class History:
    """The bounds of one threshold, in the order in which they take effect.

    >>> history = History()
    >>> history.add(Bound(1_000, 5.0))
    >>> history.judge(7.0, 999, 2_000), history.judge(7.0, 1_000, 2_000)
    ((False, 1000), (True, 2000))
    """

    __slots__ = ("_bounds", "_held", "_starts")

    def __init__(self) -> None:
        self._bounds: list[Bound] = []
        self._starts: list[int] = []
        self._held: Bound | None = None

    def add(self, bound: Bound) -> None:
        """Append a bound; one that would start before the last one starts with it."""
        starts = max(bound.starts, self._starts[-1]) if self._starts else bound.starts
        self._bounds.append(bound._replace(starts=starts))
        self._starts.append(starts)

    def at(self, now: int) -> Bound:
        """Return the bound in force at an instant (ms)."""
        place = bisect_right(self._starts, now)
        return self._bounds[place - 1] if place else _NONE

    def newest(self) -> Bound:
        """Return the bound that takes effect last."""
        return self._bounds[-1] if self._bounds else _NONE

    def starts_at(self, now: int) -> bool:
        """Say whether a bound takes effect at exactly this instant (ms)."""
        place = bisect_left(self._starts, now)
        return place < len(self._starts) and self._starts[place] == now

    def next_start(self, now: int) -> int:
        """Return the first instant (ms) from `now` on at which a bound takes effect, NEVER for none."""
        place = bisect_left(self._starts, now)
        return self._starts[place] if place < len(self._starts) else NEVER

    def judge(self, value: float, now: int, until: int, *, may_rise: bool = False) -> tuple[bool, int]:
        """Say whether a value is at or above the bound, and when that may change; time moves the value at `until`."""
        if self._held is not None:
            holds = value >= self._held.value
            return holds, until if holds or may_rise else NEVER
        bounds = self._bounds
        place = bisect_right(self._starts, now)
        holds = place > 0 and value >= bounds[place - 1].value
        if not holds and not may_rise:
            until = NEVER  # falling further keeps the user outside: only a lower bound can change that
        for bound in bounds[place : place + _LOOK_AHEAD]:
            if bound.starts >= until:
                return holds, until
            if (value >= bound.value) != holds:
                return holds, bound.starts
        further = self._starts[place + _LOOK_AHEAD : place + _LOOK_AHEAD + 1]
        return holds, min(until, *further) if further else until

    def since(self, now: int) -> list[tuple[Bound, Bound]]:
        """Return the bounds that take effect from `now` (ms) on, each with the one before it.

        >>> history = History()
        >>> history.add(Bound(1_000, 5.0))
        >>> [(before.value, after.value) for before, after in history.since(1_000)]
        [(inf, 5.0)]
        """
        first = bisect_left(self._starts, now)
        before = self._bounds[first - 1] if first else _NONE
        return list(pairwise([before, *self._bounds[first:]]))

    def hold(self, now: int | None) -> None:
        """Judge as if the bound of an instant (ms) were in force for ever, until this is called with None."""
        self._held = None if now is None else self.at(now)

    def forget(self, before: int) -> None:
        """Forget the bounds that had been replaced before an instant (ms)."""
        replaced = bisect_right(self._starts, before) - 1
        if replaced > 0:
            del self._bounds[:replaced], self._starts[:replaced]


class Bounds:
    """All thresholds' bounds by key, as the records of the control topic tell them."""

    def __init__(self, records: Iterable[Thresholds] = ()) -> None:
        self._histories: dict[str, History] = {}
        self.version = 0
        for record in records:
            self.accept(record)

    def of(self, key: str) -> History:
        """Return the bounds of a threshold, which go on growing."""
        return self._histories.setdefault(key, History())

    def accept(self, record: Thresholds) -> dict[str, tuple[Bound, Bound]]:
        """Take in a record; returns by key the bound before and the new one, nothing where its version is known."""
        if record.version <= self.version:
            return {}
        self.version = record.version
        moved = {}
        for key, value in record.bounds.items():
            history = self.of(key)
            before = history.newest()
            bound = NOBODY if value is None else value
            history.add(Bound(record.effective_at, bound, record.version, record.population.get(key, 0)))
            moved[key] = before, history.newest()
        return moved

    def forget(self, before: int) -> None:
        """Forget the bounds that had been replaced before an instant (ms)."""
        for history in self._histories.values():
            history.forget(before)
