"""Newest time of each of the newest values of a property: what a count of different values in a window needs."""

from collections.abc import Iterable

from segments.events import Event
from segments.features.base import Input, States, join_value
from segments.fields import getter
from segments.selectors import EventSelector


class DistinctValues:
    """State: `{value: newest time (ms)}` of the `capacity` values seen last."""

    def __init__(self, selector: EventSelector, path: str, capacity: int, window: int) -> None:
        self._selector = selector
        self._path = path
        self.capacity = capacity
        self.window = window

    @property
    def key(self) -> str:
        return f"distinct|{self._selector.text}|{self._path}"

    def widen(self, other: "DistinctValues") -> None:
        self.capacity = max(self.capacity, other.capacity)
        self.window = max(self.window, other.window)

    def inputs(self, feature_id: int) -> Iterable[Input]:
        matches, read, capacity = self._selector.matches_routed, getter(self._path), self.capacity

        def update(states: States, event: Event, time: int) -> None:
            if matches is not None and not matches(event):
                return
            value = join_value(read(event.properties))
            if value is None:
                return
            newest = states.setdefault(feature_id, {})
            if newest.get(value, 0) <= time:
                newest[value] = time
            if len(newest) > capacity:
                del newest[min(newest, key=newest.__getitem__)]

        yield Input(self._selector, update)
