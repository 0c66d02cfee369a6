"""The newest known values of traits and of places in the context."""

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from segments.events import Event
from segments.features.base import Input, States, Update, storable
from segments.fields import read_all

Source = Literal["traits", "context"]


class Latest:
    """State: the value, of the time that `SourceTime` keeps; or `[time (ms), value]`: of another time, or a list.

    A missing value changes nothing. `update_latest` updates all values of a source at once.
    """

    def __init__(self, source: Source, path: str) -> None:
        self.source: Source = source
        self.path = path

    @property
    def key(self) -> str:
        return f"{self.source}|{self.path}"

    def widen(self, other: "Latest") -> None:
        """Nothing: one value is kept."""

    def inputs(self, feature_id: int) -> Iterable[Input]:
        """Return nothing: `update_latest` is what updates it."""
        return ()


class SourceTime:
    """State: the newest time (ms) at which an event told traits, or a context; `update_latest` updates it."""

    def __init__(self, source: Source) -> None:
        self.source: Source = source

    @property
    def key(self) -> str:
        return f"{self.source} time"

    def widen(self, other: "SourceTime") -> None:
        """Nothing: one time is kept."""

    def inputs(self, feature_id: int) -> Iterable[Input]:
        """Return nothing: `update_latest` is what updates it."""
        return ()


def latest_value(state: Any) -> Any:
    """Return the value in a state of Latest, None for no state.

    >>> latest_value("US"), latest_value([1_764_000_000_000, "US"]), latest_value(None)
    ('US', 'US', None)
    """
    return state[1] if type(state) is list else state


def update_latest(source: Source, features: Sequence[tuple[int, Latest]], time_id: int, empty: object = None) -> Update:
    """Return an update of all these features that returns the ids of those whose value changed, None for none.

    `time_id` is the id of the source's time, `empty` is what an event without this source holds.
    """
    ids = [feature_id for feature_id, _ in features]
    read, from_traits = read_all([feature.path for _, feature in features]), source == "traits"

    def update(states: States, event: Event, time: int) -> list[int] | None:
        found = event.traits if from_traits else event.context
        if found is empty:
            return None
        values = read(found)
        newest = states.get(time_id, 0)
        if time < newest:
            return _fill_in(states, ids, values, time)
        changed = None
        for feature_id, value in zip(ids, values, strict=True):
            known = states.get(feature_id)
            if value is None:
                if known is not None and time > newest and type(known) is not list:
                    states[feature_id] = [newest, known]
                continue
            if known == value and type(known) is type(value) is not list:
                continue
            kept = storable(value)
            states[feature_id] = [time, kept] if type(kept) is list else kept
            if not _same(latest_value(known), kept):
                changed = [feature_id] if changed is None else [*changed, feature_id]
        states[time_id] = time
        return changed

    return update


def _fill_in(states: States, ids: Sequence[int], values: Sequence[Any], time: int) -> list[int] | None:
    """Apply an event older than its source's newest: it only tells what no newer one has told."""
    changed = []
    for feature_id, value in zip(ids, values, strict=True):
        known = states.get(feature_id)
        if value is None or (known is not None and (type(known) is not list or time < known[0])):
            continue
        kept = storable(value)
        states[feature_id] = [time, kept]
        if not _same(latest_value(known), kept):
            changed.append(feature_id)
    return changed or None


def _same(known: Any, value: Any) -> bool:
    return type(known) is type(value) and bool(known == value)
