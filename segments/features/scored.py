"""The newest score that a model gave a user, and when the next one is due."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from segments.events import Event
from segments.features.base import Input, States
from segments.selectors import EventSelector

SCORE, AT, NEXT, BY, SKETCH = range(5)  # places in the state

Vector = tuple[float | str | None, ...]


class Scored:
    """State: the score (None: none yet), its instant (ms), the next one's, the version that gave it, a sketch.

    The sketch is a checksum of the columns at that instant, to the tolerance asked for. An event that reaches what the
    model reads has the user scored `delay` (ms) later, those until then at once with it. What is in `ready` for that
    user is not true any more then.
    """

    def __init__(self, label: str, delay: int, selectors: Sequence[EventSelector]) -> None:
        self._label = label
        self._delay = delay
        self._selectors = {selector.text: selector for selector in selectors}
        self.ready: dict[str, tuple[int, Vector]] = {}  # by user: the columns at an instant (ms) if nothing happens
        self.outdated: list[str] = []  # users who were ready

    @property
    def key(self) -> str:
        return f"score by model|{self._label}"

    def widen(self, other: Scored) -> None:
        """Nothing: there is one version for each label."""

    def inputs(self, feature_id: int) -> Iterable[Input]:
        for selector in self._selectors.values():
            yield Input(selector, self._touch(feature_id, selector), always_judged=False)

    def _touch(self, feature_id: int, selector: EventSelector) -> Any:
        matches, delay = selector.matches_routed, self._delay

        def touch(states: States, event: Event, time: int) -> None:
            if matches is None or matches(event):
                score_by(states, feature_id, time + delay)
                self.outdate(event.user_id)

        return touch

    def outdate(self, user_id: str) -> None:
        """Note that something happened to a user."""
        if self.ready.pop(user_id, None) is not None:
            self.outdated.append(user_id)


def score_by(states: States, feature_id: int, due: int) -> None:
    """Have a user scored at `due` (ms) at the latest.

    >>> states = {}
    >>> score_by(states, 3, 20)
    >>> score_by(states, 3, 30)
    >>> states
    {3: [None, 0, 20, 0, 0]}
    """
    score = states.get(feature_id)
    if score is None:
        states[feature_id] = [None, 0, due, 0, 0]
    elif due < score[NEXT]:
        score[NEXT] = due
