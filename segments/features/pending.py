"""What was opened and not yet closed: carts without an order."""

from collections.abc import Iterable
from typing import Any

from segments.events import Event
from segments.features.base import Input, States, join_value
from segments.fields import Getter, getter
from segments.selectors import EventSelector

CAPACITY = 32


class Pending:
    """State: `[all closed at (ms), {value of per: [opened at (ms; 0: closed), closed at (ms; 0: never)]}]`.

    The 32 values touched last are kept.
    """

    def __init__(self, after: EventSelector, of: EventSelector, per: str | None) -> None:
        self._after = after
        self._of = of
        self._per = per

    @property
    def key(self) -> str:
        return f"pending|{self._after.text}|{self._of.text}|{self._per or ''}"

    def widen(self, other: "Pending") -> None:
        """Nothing: the number of values is fixed."""

    def inputs(self, feature_id: int) -> Iterable[Input]:
        after, of, read = self._after.matches_routed, self._of.matches_routed, getter(self._per) if self._per else None

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
            _bound(state[1])

        def open_(states: States, event: Event, time: int) -> None:
            if after is not None and not after(event):
                return
            value = _value(read, event)
            if value is None:
                return
            state = states.setdefault(feature_id, [0, {}])
            _, closed = state[1].pop(value, (0, 0))
            state[1][value] = [time, closed]
            _bound(state[1])

        yield Input(self._of, close, "of")
        yield Input(self._after, open_, "after")


def _value(read: Getter | None, event: Event) -> Any:
    """The joined value; an empty text stands for the user when there is no `per`."""
    return "" if read is None else join_value(read(event.properties))


def _bound(pending: dict[Any, Any]) -> None:
    if len(pending) > CAPACITY:
        del pending[next(iter(pending))]
