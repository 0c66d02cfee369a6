"""Progress through ordered steps, joined on a property."""

from collections.abc import Iterable
from typing import Any

from segments.definitions.model import Selector
from segments.events import ANY_EVENT, Event
from segments.features.base import Input, States, storable
from segments.fields import getter
from segments.selectors import EventSelector

CAPACITY = 32


class Funnel:
    """State: `[start of the newest whole match (ms; 0: none), {value of per: starts}]`.

    A value's starts are, for each step but the last, the newest time at which a match that got so far began (0: none).
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
        steps = [(index, frozenset(step.names), step.matches) for index, step in enumerate(self._steps)]
        last = len(steps) - 1
        steps.reverse()  # later steps first, so that one event serves one step of a match

        def update(states: States, event: Event, time: int) -> None:
            value = "" if read is None else storable(read(event.properties))
            if value is None or isinstance(value, list):
                return
            state = states.get(feature_id)
            if state is None:
                state = states[feature_id] = [0, {}]
            begun = state[1].get(value)
            for index, names, passes in steps:
                if (event.name not in names and ANY_EVENT not in names) or (passes is not None and not passes(event)):
                    continue
                start = time if index == 0 else begun[index - 1] if begun is not None else 0
                if not start or time - start >= window:
                    continue
                if index == last:
                    state[0] = max(state[0], start)
                    continue
                if begun is None:
                    begun = [0] * last
                begun[index] = max(begun[index], start)
                _touch(state[1], value, begun)

        names = dict.fromkeys(name for step in self._steps for name in step.names)
        yield Input(EventSelector(Selector(event=list(names))), update)


def _touch(matches: dict[Any, list[int]], value: Any, begun: list[int]) -> None:
    matches.pop(value, None)
    matches[value] = begun
    if len(matches) > CAPACITY:
        del matches[next(iter(matches))]
