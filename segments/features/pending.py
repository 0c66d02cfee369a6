"""What was opened and not yet closed: carts without an order."""

from collections.abc import Iterable, Sequence
from typing import Any

from segments.events import Event
from segments.features.base import Input, States, join_value
from segments.fields import Getter, getter
from segments.selectors import EventSelector

CAPACITY = 32


class Pending:
    """State: `[all closed at (ms), {value of per: [opened at (ms; 0: closed), closed at (ms; 0: never)]}]`.

    The 32 values touched last are kept; one in which nothing happened for `window` (ms; None: for ever) goes.
    """

    def __init__(self, after: EventSelector, of: EventSelector, per: str | None, window: int | None = None) -> None:
        self.window = window
        self._after = after
        self._of = of
        self._per = per

    @property
    def key(self) -> str:
        return f"pending|{self._after.text}|{self._of.text}|{self._per or ''}"

    def widen(self, other: "Pending") -> None:
        self.window = None if self.window is None or other.window is None else max(self.window, other.window)

    def join(self, before: Sequence[Any], after: Sequence[Any], at: int) -> list[Any]:
        """Return the state that follows from what `before` knows of earlier than `at` (ms), and `after` from then on.

        >>> from segments.definitions.selecting import Selector
        >>> pending = Pending(EventSelector(Selector(event=["Add"])), EventSelector(Selector(event=["Buy"])), "cart")
        >>> pending.join([0, {"a": [10, 0], "b": [20, 0]}], [5, {"b": [20, 35], "c": [40, 0]}], at=15)
        [5, {'a': [10, 0], 'b': [20, 35], 'c': [40, 0]}]
        """
        joined = {value: times for value, times in before[1].items() if max(times) < at} | after[1]
        _forget(joined, max([at, *map(max, joined.values())]), self.window)
        return [max(before[0], after[0]), joined]

    def inputs(self, feature_id: int) -> Iterable[Input]:
        after, of, read = self._after.matches_routed, self._of.matches_routed, getter(self._per) if self._per else None
        window = self.window

        def close(states: States, event: Event, time: int) -> None:
            if of is not None and not of(event):
                return
            state = states.setdefault(feature_id, [0, {}])
            value = _value(read, event)
            if value is None:
                state[0] = time
            for item in list(state[1]) if value is None else (value,):
                state[1].pop(item, None)
                state[1][item] = [0, time]
            _forget(state[1], time, window)

        def open_(states: States, event: Event, time: int) -> None:
            if after is not None and not after(event):
                return
            value = _value(read, event)
            if value is None:
                return
            state = states.setdefault(feature_id, [0, {}])
            _, closed = state[1].pop(value, (0, 0))
            state[1][value] = [time, closed]
            _forget(state[1], time, window)

        yield Input(self._of, close, "of")
        yield Input(self._after, open_, "after")


def _value(read: Getter | None, event: Event) -> Any:
    """The joined value; an empty text stands for the user when there is no `per`."""
    return "" if read is None else join_value(read(event.properties))


def _forget(pending: dict[Any, list[int]], time: int, window: int | None) -> None:
    """Let go of the values touched first: of all above the most that are kept, of those too old for any absence."""
    while pending:
        oldest = next(iter(pending))
        if len(pending) <= CAPACITY and (window is None or max(pending[oldest]) > time - window):
            return
        del pending[oldest]
