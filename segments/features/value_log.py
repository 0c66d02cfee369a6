"""Amounts of the newest selected events with their times: what sum, avg, min and max in a window need."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

from segments.events import Event
from segments.features.base import Input, States, to_micros
from segments.fields import getter
from segments.selectors import EventSelector

CAPACITY = 1_000


class ValueLog:
    """State: `[times (ms), amounts (millionths)]`, oldest first, the newest 1,000 inside `window` (ms)."""

    def __init__(self, selector: EventSelector, path: str, window: int) -> None:
        self._selector = selector
        self._path = path
        self.window = window

    @property
    def key(self) -> str:
        return f"values|{self._selector.text}|{self._path}"

    def widen(self, other: "ValueLog") -> None:
        self.window = max(self.window, other.window)

    def join(self, before: Sequence[list[int]], after: Sequence[list[int]], at: int) -> tuple[list[int], list[int]]:
        """Return the state that follows from what `before` knows of earlier than `at` (ms), and `after` from then on.

        >>> from segments.definitions.selecting import Selector
        >>> log = ValueLog(EventSelector(Selector(event=["Order"])), "total", window=100)
        >>> log.join([[10, 20, 30], [1, 2, 3]], [[30, 115], [3, 4]], at=30)
        ([20, 30, 115], [2, 3, 4])
        """
        place = bisect_left(before[0], at)
        times, amounts = [*before[0][:place], *after[0]], [*before[1][:place], *after[1]]
        first = max(bisect_right(times, times[-1] - self.window), len(times) - CAPACITY)
        return times[first:], amounts[first:]

    def inputs(self, feature_id: int) -> Iterable[Input]:
        matches, read, window = self._selector.matches_routed, getter(self._path), self.window

        def update(states: States, event: Event, time: int) -> None:
            if matches is not None and not matches(event):
                return
            amount = to_micros(read(event.properties))
            if amount is None:
                return
            times, amounts = states.setdefault(feature_id, ([], []))
            times.append(time)
            amounts.append(amount)
            expired = max(bisect_right(times, time - window), len(times) - CAPACITY)
            if expired:
                del times[:expired], amounts[:expired]

        yield Input(self._selector, update)
