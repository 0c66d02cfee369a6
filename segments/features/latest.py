"""The newest known values of traits and of places in the context."""

from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any, Literal

from segments.events import Event
from segments.features.base import Input, States, Update, storable
from segments.fields import read_all

Source = Literal["traits", "context"]
_TEXTS_SHARED = 4_096


class Latest:
    """State: the value. A missing value changes nothing. `update_latest` updates all values of a source at once."""

    def __init__(self, source: Source, path: str) -> None:
        self.source: Source = source
        self.path = path

    @property
    def key(self) -> str:
        return f"latest {self.source}|{self.path}"

    def widen(self, other: "Latest") -> None:
        """Nothing: one value is kept."""

    def inputs(self, feature_id: int) -> Iterable[Input]:
        """Return nothing: `update_latest` is what updates it."""
        return ()


def update_latest(source: Source, features: Sequence[tuple[int, Latest]], empty: object = None) -> Update:
    """Return an update of all these features that returns the ids of those whose value changed, None for none.

    `empty` is what an event without this source holds.
    """
    ids = [feature_id for feature_id, _ in features]
    read, from_traits = read_all([feature.path for _, feature in features]), source == "traits"
    newest = itemgetter(*ids) if len(ids) > 1 else lambda states: (states[ids[0]],)
    shared = dict[Any, str]()
    share = shared.get

    def update(states: States, event: Event, time: int) -> list[int] | None:
        found = event.traits if from_traits else event.context
        if found is empty:
            return None
        values = read(found)
        try:
            if newest(states) == tuple(map(share, values)):  # one object for one text: far-off memory is not read
                return None
        except (KeyError, TypeError):  # something is not known yet, or is a list
            pass
        changed = None
        for feature_id, value in zip(ids, values, strict=True):
            if value is None:
                continue
            known = states.get(feature_id)
            if known == value and type(known) is type(value):
                _share(shared, known)
                continue
            kept = _share(shared, storable(value))
            if type(known) is not type(kept) or known != kept:
                states[feature_id] = kept
                changed = [feature_id] if changed is None else [*changed, feature_id]
        return changed

    return update


def _share(shared: dict[Any, str], value: Any) -> Any:
    """Return the same object for the same text, in all profiles; other values as they are."""
    if type(value) is not str:
        return value
    if len(shared) >= _TEXTS_SHARED:
        shared.clear()
    return shared.setdefault(value, value)
