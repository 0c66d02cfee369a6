"""Where a condition needs more of a user than profiles keep: seen by counting along with recorded events."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import OrderedDict, defaultdict, deque
from typing import Any

from segments.calendar import reach
from segments.definitions.model import Condition, Definitions
from segments.definitions.selecting import Selector
from segments.definitions.yaml_source import Path
from segments.events import ANY_EVENT, Event
from segments.features.base import join_value, to_micros
from segments.features.pending import CAPACITY as VALUES_PENDING
from segments.features.value_log import CAPACITY as AMOUNTS_KEPT
from segments.fields import Getter, getter
from segments.lint.places import conditions_of, leaf
from segments.selectors import EventSelector


class Keeper(ABC):
    """Watches one condition: `overflowed` holds the users for whom it needed more than `kept`."""

    def __init__(self, path: Path, what: str, kept: int, selectors: list[Selector], read: Getter) -> None:
        self.path = path
        self.what = what
        self.kept = kept
        self.overflowed: set[str] = set()
        self._selectors = [EventSelector(each) for each in selectors]
        self._read = read

    def see(self, event: Event) -> None:
        """Take in one event."""
        if any(_selects(each, event) for each in self._selectors):
            value = self._read(event.properties)
            if value is not None and self.pushes_out(event.user_id, value, event.time):
                self.overflowed.add(event.user_id)

    @abstractmethod
    def pushes_out(self, user: str, value: Any, time: int) -> bool:
        """Say whether keeping this value loses one that still counts."""


class AmountKeeper(Keeper):
    """Amounts in a window: the newest 1,000 are kept."""

    def __init__(self, path: Path, selector: Selector, prop: str, window: int, kept: int = AMOUNTS_KEPT) -> None:
        read = getter(prop)
        super().__init__(path, "amounts", kept, [selector], lambda properties: to_micros(read(properties)))
        self._window = window
        self._times: dict[str, deque[int]] = defaultdict(lambda: deque(maxlen=kept))

    def pushes_out(self, user: str, value: Any, time: int) -> bool:  # noqa: ARG002 - only its time counts
        times = self._times[user]
        full = len(times) == times.maxlen and times[0] > time - self._window
        times.append(time)
        return full


class ValueKeeper(Keeper):
    """Values of `per` touched within a time: the newest 32 are kept."""

    def __init__(self, path: Path, selectors: list[Selector], per: str, window: int) -> None:
        read = getter(per)
        super().__init__(path, f"values of {per}", VALUES_PENDING, selectors, lambda found: join_value(read(found)))
        self._window = window
        self._touched: dict[str, OrderedDict[Any, int]] = defaultdict(OrderedDict)

    def pushes_out(self, user: str, value: Any, time: int) -> bool:
        touched = self._touched[user]
        touched[value] = time
        touched.move_to_end(value)
        if len(touched) <= self.kept:
            return False
        _, oldest = touched.popitem(last=False)
        return oldest > time - self._window


def keepers(definitions: Definitions) -> list[Keeper]:
    """Return a keeper for each condition whose memory is cut by number."""
    found: list[Keeper] = []
    for index, segment in enumerate(definitions.segments):
        for condition, path in conditions_of(segment, index):
            found += _keepers(condition, path)
    return found


def _keepers(condition: Condition, path: Path) -> list[Keeper]:
    kind, spec, place = leaf(condition, path)
    if kind in ("sum", "avg", "min", "max"):
        return [AmountKeeper(place, spec.selector(), spec.property, reach(spec.within))]
    if kind == "absence" and spec.per:
        return [ValueKeeper(place, [spec.after], spec.per, spec.within)]
    if kind == "sequence" and spec.per:
        return [ValueKeeper(place, [spec.steps[0].selector()], spec.per, reach(spec.within))]
    return []


def _selects(selector: EventSelector, event: Event) -> bool:
    named = event.name in selector.names or ANY_EVENT in selector.names
    return named and (selector.matches is None or selector.matches(event))
