"""The steps of a sequence, compiled: which of them an event serves, what it breaks, and matches as they grow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

from segments.definitions import steps
from segments.durations import format_duration
from segments.events import ANY_EVENT, Event
from segments.selectors import EventSelector


class Steps:
    """Events in order: `limits` (ms) after the one before, `barred` after each of them, `patience` (ms) after the last.

    >>> spec = steps.Sequence(steps=["View", {"not": "Drop"}, {"event": "Add", "within": "10m"}], within="1h")
    >>> Steps(spec).text
    'View then Add within 10m with no Drop between'
    """

    def __init__(self, spec: steps.Sequence) -> None:
        self.events: list[EventSelector] = []
        self.limits: list[int | None] = []
        self.barred: list[list[EventSelector]] = []
        self.patience: int | None = None
        for step in spec.steps:
            selector = EventSelector(step.selector())
            if step.not_ is None:
                self.events.append(selector)
                self.limits.append(step.within)
                self.barred.append([])
            else:
                self.barred[-1].append(selector)
                self.patience = step.within
        self.served = _bits([[each] for each in self.events])  # the steps that an event can serve
        self.broken = _bits(self.barred)  # the steps after which it must not come before the next
        self.count = len(self.events)
        self.texts = self._texts()
        self.text = " then ".join(self.texts)

    def _texts(self) -> list[str]:
        """Return the steps as people read them, what must not come between two with the second one."""
        texts = []
        for place, event in enumerate(self.events):
            limit, between = self.limits[place], self.barred[place - 1] if place else []
            within = "" if limit is None else f" within {format_duration(limit)}"
            texts.append(event.text + within + (f" with no {_listed(between)} between" if between else ""))
        if self.patience is not None:
            texts.append(f"no {_listed(self.barred[-1])} for {format_duration(self.patience)}")
        return texts

    @property
    def selectors(self) -> list[EventSelector]:
        """Return the selectors of all that the steps are about."""
        return [*self.events, *(each for between in self.barred for each in between)]


def _bits(places: Sequence[Sequence[EventSelector]]) -> Callable[[Event], int]:
    """Return what says, as bits, at which places an event is selected; by its name alone where that decides."""
    selectors = [each for place in places for each in place]
    if any(each.matches is not None or ANY_EVENT in each.names for each in selectors):
        return lambda event: sum(
            1 << number for number, place in enumerate(places) if any(each.selects(event) for each in place)
        )
    by_name: dict[str, int] = {}
    for number, place in enumerate(places):
        for name in {name for each in place for name in each.names}:
            by_name[name] = by_name.get(name, 0) | 1 << number
    return lambda event: by_name.get(event.name, 0)


def _listed(selectors: Sequence[EventSelector]) -> str:
    return " or ".join(each.text for each in selectors)


class Timed(Protocol):
    """Something with a time (ms)."""

    @property
    def time(self) -> int: ...


T = TypeVar("T", bound=Timed)


class Matches(Generic[T]):
    """Of one user or value of `per`: for each step the match that got so far and can go on, `ripening` those complete.

    Of matches that got as far the one with the newest start is kept, and of those the newest; `soonest` has a step
    taken as soon as it can be where the next one has no limit.
    """

    def __init__(self, steps: Steps, opens: Callable[[int], int], *, soonest: bool = False) -> None:
        self.best: list[tuple[T, ...]] = [()] * steps.count
        self.ripening: list[tuple[T, ...]] = []
        self._steps = steps
        self._opens = opens  # the first instant at which a match may begin that is to go on at a time
        self._soonest = soonest

    def take(self, item: T, served: int, broken: int) -> list[tuple[T, ...]]:
        """Let an item serve steps and break matches; returns the matches that it is the last item of."""
        steps, made = self._steps, []
        if broken >> steps.count - 1 & 1:
            self.ripening = [each for each in self.ripening if self.ripe_at(each) < item.time]
        for index in range(steps.count - 1, -1, -1):  # later steps first, so that one item serves one step of a match
            reached = self._extended(index, item) if served >> index & 1 else ()
            if broken >> index & 1:
                self.best[index] = ()
            if reached:
                made.append(reached)
                if not self.best[index] or not self._stays(index, reached):
                    self.best[index] = reached
        if steps.patience is not None:
            self.ripening += [each for each in made if len(each) == steps.count]
        return made

    def ripe_at(self, match: tuple[T, ...]) -> int:
        """Return the instant (ms) from which a complete match counts, as nothing may come after it for so long."""
        return match[-1].time + (self._steps.patience or 0)

    def _extended(self, index: int, item: T) -> tuple[T, ...]:
        if index == 0:
            return (item,)
        before, limit = self.best[index - 1], self._steps.limits[index]
        late = limit is not None and bool(before) and item.time - before[-1].time > limit
        return () if not before or late or before[0].time < self._opens(item.time) else (*before, item)

    def _stays(self, index: int, reached: tuple[T, ...]) -> bool:
        unlimited = index + 1 == self._steps.count or self._steps.limits[index + 1] is None
        return self._soonest and unlimited and self.best[index][0].time == reached[0].time
