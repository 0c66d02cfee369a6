"""Newest time of each of the newest values of a property: what a count of different values in a window needs."""

from collections.abc import Iterable, Mapping
from typing import Any

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

    def join(self, before: Mapping[Any, int], after: Mapping[Any, int], at: int) -> dict[Any, int]:
        """Return the state that follows from what `before` knows of earlier than `at` (ms), and `after` from then on.

        >>> from segments.definitions.selecting import Selector
        >>> values = DistinctValues(EventSelector(Selector(event=["View"])), "product", capacity=2, window=100)
        >>> values.join({"a": 10, "b": 20, "c": 30}, {"b": 40}, at=30)
        {'a': 10, 'b': 40}
        """
        joined = {value: time for value, time in before.items() if time < at} | dict(after)
        newest = sorted(joined, key=joined.__getitem__)[-self.capacity :]
        return {value: time for value, time in joined.items() if value in newest}

    def inputs(self, feature_id: int) -> Iterable[Input]:
        matches, read, capacity = self._selector.matches_routed, getter(self._path), self.capacity

        def update(states: States, event: Event, time: int) -> None:
            if matches is not None and not matches(event):
                return
            value = join_value(read(event.properties))
            if value is None:
                return
            newest = states.setdefault(feature_id, {})
            newest[value] = time
            if len(newest) > capacity:
                del newest[min(newest, key=newest.__getitem__)]

        yield Input(self._selector, update)
