"""Times of the newest selected events: what a count in a window needs."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable

from segments.events import Event
from segments.features.base import Input, States
from segments.selectors import EventSelector


class EventLog:
    """State: the newest `capacity` times (ms), oldest first; at most `window` (ms) older than the newest."""

    def __init__(self, selector: EventSelector, capacity: int, window: int) -> None:
        self._selector = selector
        self.capacity = capacity
        self.window = window

    @property
    def key(self) -> str:
        return f"log|{self._selector.text}"

    def widen(self, other: "EventLog") -> None:
        self.capacity = max(self.capacity, other.capacity)
        self.window = max(self.window, other.window)

    def join(self, before: list[int], after: list[int], at: int) -> list[int]:
        """Return the state that follows from what `before` knows of earlier than `at` (ms), and `after` from then on.

        >>> from segments.definitions.selecting import Selector
        >>> log = EventLog(EventSelector(Selector(event=["View"])), capacity=3, window=100)
        >>> log.join([10, 20, 30], [30, 115], at=30)
        [20, 30, 115]
        """
        joined = before[: bisect_left(before, at)] + after
        first = bisect_right(joined, joined[-1] - self.window)
        return joined[max(first, len(joined) - self.capacity) :]

    def inputs(self, feature_id: int) -> Iterable[Input]:
        matches, capacity, window = self._selector.matches_routed, self.capacity, self.window

        def update(states: States, event: Event, time: int) -> None:
            if matches is not None and not matches(event):
                return
            log = states.get(feature_id)
            if log is None:
                states[feature_id] = [time]
                return
            log.append(time)
            if len(log) > capacity or log[0] <= time - window:
                del log[0]

        yield Input(self._selector, update)
