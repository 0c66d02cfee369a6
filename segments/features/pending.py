"""What was opened and not yet closed: carts without an order."""

from collections.abc import Iterable
from typing import Any

from segments.events import Event
from segments.features.base import Input, States, storable
from segments.fields import Getter, getter
from segments.selectors import EventSelector

CAPACITY = 32


class Pending:
    """State: `{value of per: [opened at (ms; 0: closed), closed at (ms; 0: never)]}`, the 32 values touched last."""

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
        after, of, read = self._after.matches, self._of.matches, getter(self._per) if self._per else None

        def close(states: States, event: Event, time: int) -> None:
            if of is not None and not of(event):
                return
            pending = states.setdefault(feature_id, {})
            value = _value(read, event)
            for item in list(pending) if value is None else (value,):
                opened, closed = pending.pop(item, (0, 0))
                pending[item] = [0 if opened <= time else opened, max(closed, time)]
            _bound(pending)

        def open_(states: States, event: Event, time: int) -> None:
            if after is not None and not after(event):
                return
            value = _value(read, event)
            if value is None:
                return
            pending = states.setdefault(feature_id, {})
            opened, closed = pending.pop(value, (0, 0))
            pending[value] = [max(opened, time) if time >= closed else opened, closed]
            _bound(pending)

        yield Input(self._of, close, "of")
        yield Input(self._after, open_, "after")


def _value(read: Getter | None, event: Event) -> Any:
    """The joined value; an empty text stands for the user when there is no `per`."""
    if read is None:
        return ""
    value = storable(read(event.properties))
    return None if isinstance(value, list) else value


def _bound(pending: dict[Any, Any]) -> None:
    if len(pending) > CAPACITY:
        del pending[next(iter(pending))]
