"""The newest known values of traits and of places in the context."""

from collections.abc import Iterable, Sequence
from typing import Literal

from segments.definitions.model import Selector
from segments.events import ANY_EVENT, Event
from segments.features.base import Input, States, Update, storable
from segments.fields import read_all
from segments.selectors import EventSelector

Source = Literal["traits", "context"]


class Latest:
    """State: `[time (ms), value]`. A missing value changes nothing. `update_latest` updates several at once."""

    def __init__(self, source: Source, path: str) -> None:
        self.source: Source = source
        self.path = path

    @property
    def key(self) -> str:
        return f"{self.source}|{self.path}"

    def widen(self, other: "Latest") -> None:
        """Nothing: one value is kept."""

    def inputs(self, feature_id: int) -> Iterable[Input]:
        yield Input(EventSelector(Selector(event=[ANY_EVENT])), update_latest(self.source, [(feature_id, self)]))


def update_latest(source: Source, features: Sequence[tuple[int, Latest]], empty: object = None) -> Update:
    """Return an update of all these features that returns the ids of those whose value changed, None for none.

    `empty` is what an event without this source holds.
    """
    ids = [feature_id for feature_id, _ in features]
    read, from_traits = read_all([feature.path for _, feature in features]), source == "traits"

    def update(states: States, event: Event, time: int) -> list[int] | None:
        found = event.traits if from_traits else event.context
        if found is empty:
            return None
        changed = None
        for feature_id, value in zip(ids, read(found), strict=True):
            if value is None:
                continue
            known = states.get(feature_id)
            if known is None:
                states[feature_id] = [time, storable(value)]
            elif time < known[0]:
                continue
            else:
                known[0] = time
                if known[1] == value and type(known[1]) is type(value):
                    continue
                kept = storable(value)
                if known[1] == kept and type(known[1]) is type(kept):
                    continue
                known[1] = kept
            changed = [feature_id] if changed is None else [*changed, feature_id]
        return changed

    return update
