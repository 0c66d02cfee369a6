"""The newest known value of a trait or of a place in the context."""

from collections.abc import Iterable
from typing import Literal

from segments.definitions.model import Selector
from segments.events import ANY_EVENT, Event
from segments.features.base import Input, States, storable
from segments.fields import getter
from segments.selectors import EventSelector


class Latest:
    """State: `[time (ms), value]`. An update says whether the value changed; a missing value changes nothing."""

    def __init__(self, source: Literal["traits", "context"], path: str) -> None:
        self._source = source
        self._path = path

    @property
    def key(self) -> str:
        return f"{self._source}|{self._path}"

    def widen(self, other: "Latest") -> None:
        """Nothing: one value is kept."""

    def inputs(self, feature_id: int) -> Iterable[Input]:
        read, from_traits = getter(self._path), self._source == "traits"

        def update(states: States, event: Event, time: int) -> bool:
            value = read(event.traits if from_traits else event.context)
            if value is None:
                return False
            known = states.get(feature_id)
            if known is None:
                states[feature_id] = [time, storable(value)]
                return True
            if time < known[0]:
                return False
            known[0] = time
            if known[1] == value and type(known[1]) is type(value):
                return False
            known[1] = storable(value)
            return True

        yield Input(EventSelector(Selector(event=[ANY_EVENT])), update, watched=True)
