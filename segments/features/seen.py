"""When selected events were seen last and first."""

from collections.abc import Iterable
from typing import Literal

from segments.events import Event
from segments.features.base import Input, States
from segments.selectors import EventSelector


class Seen:
    """State: the time (ms) of the newest (`last`) or oldest (`first`) selected event."""

    def __init__(self, selector: EventSelector, which: Literal["last", "first"]) -> None:
        self._selector = selector
        self._which = which

    @property
    def key(self) -> str:
        return f"{self._which}|{self._selector.text}"

    def widen(self, other: "Seen") -> None:
        """Nothing: one time serves every window."""

    def inputs(self, feature_id: int) -> Iterable[Input]:
        matches, newest = self._selector.matches_routed, self._which == "last"

        moved = [feature_id]

        def update_last(states: States, event: Event, time: int) -> list[int] | None:
            if matches is not None and not matches(event):
                return None
            is_first = feature_id not in states
            states[feature_id] = time
            return moved if is_first else None  # the first one can end what held while there was none

        def update_first(states: States, event: Event, time: int) -> list[int] | None:
            if feature_id not in states and (matches is None or matches(event)):
                states[feature_id] = time
                return moved
            return None

        update = update_last if newest else update_first
        yield Input(self._selector, update, watched=True, always_judged=newest)
