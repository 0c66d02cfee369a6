"""The newest score that a model gave a user, and when the next one is due."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from segments.events import ANY_EVENT, Event
from segments.features.base import Input, States
from segments.selectors import EventSelector

SCORE, AT, NEXT, BY, SKETCH = range(5)  # places in the state
COMES, COMING, COMING_BY = range(5, 8)  # and of a score that waits for its instant: that, the score, its version

State = list[Any]

Vector = tuple[float | str | None, ...]


class Ready(NamedTuple):
    """What a user will be scored by at an instant (ms) if nothing happens before: the columns, and a list of the score.

    The list is empty until the model has said it.
    """

    at: int
    vector: Vector
    score: list[float | None]


class Scored:
    """State: the score (None: none yet), its instant (ms), the next one's, the version that gave it, a sketch.

    A score that was found ahead may wait behind these for its instant; it stands once the profile's clock is there.
    The sketch is a checksum of the columns at that instant, to the tolerance asked for. An event that reaches what the
    model reads has the user scored `delay` (ms) later, those until then at once with it. What is in `ready` for that
    user, and the score that waits for its instant, are not true any more then. `waiting` holds who is to be prepared
    for, with when (ms): None where nobody does.
    """

    def __init__(self, label: str, delay: int, selectors: Sequence[EventSelector]) -> None:
        self._label = label
        self._delay = delay
        self._selectors = {selector.text: selector for selector in _needed(selectors)}
        self.ready: dict[str, Ready] = {}
        self.waiting: list[tuple[int, str]] | None = None

    @property
    def key(self) -> str:
        return f"score by model|{self._label}"

    def widen(self, other: Scored) -> None:
        """Nothing: there is one version for each label."""

    def inputs(self, feature_id: int) -> Iterable[Input]:
        for selector in self._selectors.values():
            yield Input(selector, self._touch(feature_id, selector), always_judged=False)

    def _touch(self, feature_id: int, selector: EventSelector) -> Any:
        matches, delay, happened = selector.matches_routed, self._delay, self.happened

        def touch(states: States, event: Event, time: int) -> None:
            if matches is None or matches(event):
                happened(states, feature_id, event.user_id, time, time + delay)

        return touch

    def happened(self, states: States, feature_id: int, user_id: str, now: int, due: int) -> None:
        """Have a user to whom something happened at `now` (ms) scored at `due` (ms) at the latest."""
        score = states.get(feature_id)
        was_ready = self.ready.pop(user_id, None) is not None
        if score is not None and len(score) > COMES and not settle(score, now - 1):
            was_ready = True
        is_sooner = score_by(states, feature_id, due)
        if self.waiting is not None and (is_sooner or was_ready):
            self.waiting.append((states[feature_id][NEXT], user_id))


def _needed(selectors: Sequence[EventSelector]) -> Sequence[EventSelector]:
    """Return the selectors without those that another one covers: that of all events."""
    return [each for each in selectors if ANY_EVENT in each.names and each.matches is None][:1] or selectors


def wait(score: State, found: float, version: int, max_age: int) -> None:
    """Have a score that is found before its instant wait there for it.

    >>> score = [0.25, 10, 40, 1, 0]
    >>> wait(score, 0.5, 1, 100)
    >>> score
    [0.25, 10, 140, 1, 0, 40, 0.5, 1]
    >>> [(stands(score, clock), due_at(score, clock)) for clock in (39, 40)]
    [((0.25, 10, 1), 40), ((0.5, 40, 1), 140)]
    """
    score[COMES:] = score[NEXT], found, version
    score[NEXT] += max_age


def settle(score: State, clock: int) -> bool:
    """Have a score that waits stand if it has come by `clock` (ms), else take it back: it has to be found anew.

    Returns whether it has come.

    >>> waits = [0.25, 10, 140, 1, 0, 40, 0.5, 1]
    >>> came, taken_back = list(waits), list(waits)
    >>> settle(came, 40), settle(taken_back, 39)
    (True, False)
    >>> came, taken_back
    ([0.5, 40, 140, 1, 0], [0.25, 10, 40, 1, 0])
    """
    comes, coming, coming_by = score[COMES:]
    del score[COMES:]
    if comes <= clock:
        score[SCORE], score[AT], score[BY], score[SKETCH] = coming, comes, coming_by, 0
        return True
    score[NEXT] = comes
    return False


def stands(score: State, clock: int) -> tuple[float | None, int, int]:
    """Return the score of a profile with that clock (ms), its instant (ms) and its version; None, 0 and 0 for none."""
    if len(score) > COMES and score[COMES] <= clock:
        return score[COMING], score[COMES], score[COMING_BY]
    return score[SCORE], score[AT], score[BY]


def due_at(score: State, clock: int) -> int:
    """Return when (ms) a score comes next in a profile with that clock (ms)."""
    due: int = score[COMES] if len(score) > COMES and score[COMES] > clock else score[NEXT]
    return due


def score_by(states: States, feature_id: int, due: int) -> bool:
    """Have a user scored at `due` (ms) at the latest; returns whether that is sooner than it was to be.

    >>> states = {}
    >>> score_by(states, 3, 20), score_by(states, 3, 30)
    (True, False)
    >>> states
    {3: [None, 0, 20, 0, 0]}
    """
    score = states.get(feature_id)
    if score is None:
        states[feature_id] = [None, 0, due, 0, 0]
    elif due < score[NEXT]:
        score[NEXT] = due
    else:
        return False
    return True
