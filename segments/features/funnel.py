"""Progress through ordered steps, joined on a property."""

from collections.abc import Iterable

from segments.definitions.model import Selector
from segments.events import Event
from segments.features.base import Input, States, storable
from segments.fields import getter
from segments.selectors import EventSelector

CAPACITY = 32


class Funnel:
    """State: `{value of per: [for each step, the newest time (ms) at which a match that got so far began; 0: none]}`."""

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
        steps.reverse()  # later steps first, so that one event serves one step of a match

        def update(states: States, event: Event, time: int) -> None:
            value = "" if read is None else storable(read(event.properties))
            if value is None or isinstance(value, list):
                return
            matches = states.setdefault(feature_id, {})
            begun = matches.pop(value, None) or [0] * len(steps)
            for index, names, passes in steps:
                if (event.name not in names and "any" not in names) or (passes is not None and not passes(event)):
                    continue
                start = time if index == 0 else begun[index - 1]
                if start and time - start < window:
                    begun[index] = max(begun[index], start)
            if any(begun):
                matches[value] = begun
            if len(matches) > CAPACITY:
                del matches[next(iter(matches))]

        names = dict.fromkeys(name for step in self._steps for name in step.names)
        yield Input(EventSelector(Selector(event=list(names))), update)
