"""Progress through ordered steps, joined on a property."""

from collections.abc import Iterable, Sequence
from typing import Any

from segments.definitions.selecting import Selector
from segments.events import ANY_EVENT, Event
from segments.features.base import Input, States, join_value
from segments.fields import getter
from segments.selectors import EventSelector

VALUES_KEPT = 32
EVENTS_KEPT = 16


class Funnel:
    """State: `[start of the newest whole match (ms; 0: none), {value of per: [time (ms), steps served (bits), ...]}]`.

    Of each of the 32 values touched last the 16 newest events are kept.
    """

    def __init__(self, steps: list[EventSelector], window: int, per: str | None) -> None:
        self._steps = steps
        self._window = window
        self._per = per

    @property
    def key(self) -> str:
        return f"funnel|{' > '.join(step.text for step in self._steps)}|{self._window}|{self._per or ''}"

    def widen(self, other: "Funnel") -> None:
        """Nothing: steps and window are the key."""

    def inputs(self, feature_id: int) -> Iterable[Input]:
        window, read = self._window, getter(self._per) if self._per else None
        count, last_bit = len(self._steps), 1 << (len(self._steps) - 1)

        def update(states: States, event: Event, time: int) -> None:
            value = "" if read is None else join_value(read(event.properties))
            served = self._served(event)
            if value is None or not served:
                return
            state = states.get(feature_id)
            if state is None:
                state = states[feature_id] = [0, {}]
            events = _touched(state[1], value)
            events += (time, served)
            if served & last_bit:
                state[0] = max(state[0], newest_starts(events, count, window)[-1])
            if len(events) > 2 * EVENTS_KEPT:
                del events[:2]

        names = dict.fromkeys(name for step in self._steps for name in step.names)
        yield Input(EventSelector(Selector(event=list(names))), update)

    def _served(self, event: Event) -> int:
        bits = 0
        for index, step in enumerate(self._steps):
            named = event.name in step.names or ANY_EVENT in step.names
            if named and (step.matches is None or step.matches(event)):
                bits |= 1 << index
        return bits


def newest_starts(events: Sequence[int], count: int, window: int) -> list[int]:
    """Return for each step the newest time (ms) at which a match that got so far began, 0 where none did.

    `events` holds time and steps served (bits) of each, by time.

    >>> newest_starts([10, 0b01, 20, 0b01, 30, 0b10], count=2, window=15)
    [20, 20]
    """
    starts = [0] * count
    for time, served in zip(events[::2], events[1::2], strict=True):
        for index in range(count - 1, -1, -1):  # later steps first, so that one event serves one step of a match
            start = time if index == 0 else starts[index - 1]
            if served >> index & 1 and start and time - start < window:
                starts[index] = max(starts[index], start)
    return starts


def _touched(matches: dict[Any, list[int]], value: Any) -> list[int]:
    """Return a value's events as those touched last; beyond 32 values the one touched longest ago is forgotten."""
    events = matches[value] = matches.pop(value, [])
    if len(matches) > VALUES_KEPT:
        del matches[next(iter(matches))]
    return events
