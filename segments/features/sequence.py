"""Progress through ordered steps, joined on a property."""

from collections.abc import Iterable, Sequence
from typing import Any

from segments.definitions.selecting import Selector
from segments.events import ANY_EVENT, Event
from segments.features.base import Input, States, join_value
from segments.fields import getter
from segments.selectors import EventSelector
from segments.steps import Steps

VALUES_KEPT = 32
RIPENING_KEPT = 16
Progress = list[int]


class SequenceProgress:
    """State: `[start of the newest match that counts (ms; 0: none), {value of per: progress}]`, of 32 values at most.

    Progress is, for each step but the last, start and newest time (ms; 0: none) of the match that can go on from there;
    then start and time of the matches that are complete and wait, as something must not come yet: the oldest first, at
    most 16. One match a step is enough: a later one that got as far never began earlier. Values in which nothing
    happened for `window` (ms) go.
    """

    def __init__(self, steps: Steps, per: str | None, window: int) -> None:
        self.steps = steps
        self.window = window
        self._per = per

    @property
    def key(self) -> str:
        return f"sequence|{self.steps.text}|{self._per or ''}"

    def widen(self, other: "SequenceProgress") -> None:
        self.window = max(self.window, other.window)

    def join(self, before: Sequence[Any], after: Sequence[Any], at: int) -> list[Any]:
        """Return the state that follows from what `before` knows of earlier than `at` (ms), and `after` from then on.

        A value to which something happened since then is known by that alone.

        >>> from segments.definitions.steps import Sequence as Written
        >>> progress = SequenceProgress(Steps(Written(steps=["View", "Add"], within="1h")), "product", window=100)
        >>> progress.join([10, {"a": [20, 20], "b": [30, 30]}], [0, {"b": [40, 40]}], at=25)
        [10, {'a': [20, 20], 'b': [40, 40]}]
        """
        joined = {value: known for value, known in before[1].items() if max(known) < at} | after[1]
        state = [max(before[0], after[0]), joined]
        Walk(self.steps, self.window).forget(state, max([at, *map(max, joined.values())]))
        return state

    def inputs(self, feature_id: int) -> Iterable[Input]:
        read, walk = getter(self._per) if self._per else None, Walk(self.steps, self.window)

        def update(states: States, event: Event, time: int) -> None:
            served, broken = walk.served(event), walk.broken(event)
            if not served and not broken:
                return
            value = "" if read is None else join_value(read(event.properties))
            state = states.get(feature_id)
            if value is None:
                if state is not None and broken:
                    for each in list(state[1]):
                        walk.take(state, each, time, 0, broken)
            elif state is not None:
                walk.take(state, value, time, served, broken)
            elif served & 1:
                state = states[feature_id] = [0, {}]
                walk.take(state, value, time, served, broken)

        names = dict.fromkeys(name for each in self.steps.selectors for name in each.names)
        completing = self._completing(names)
        for moves in (True, False):
            listed = [name for name in names if (name in completing) is moves]
            if listed:
                yield Input(EventSelector(Selector(event=listed)), update, always_judged=moves)

    def _completing(self, names: Iterable[str]) -> set[str]:
        """Return the names of events that can complete a match, or keep one that waits from counting."""
        if self.steps.patience is not None or ANY_EVENT in names:
            return set(names)
        return set(self.steps.events[-1].names)


class Walk:
    """How an event moves the progress of one value."""

    def __init__(self, steps: Steps, window: int) -> None:
        self.served = steps.served
        self._window = window
        self.broken = steps.broken
        self._last = steps.count - 1
        self._limits = steps.limits
        self._patience = steps.patience
        self._backwards = range(self._last - 1, -1, -1)
        self._waits = 2 * self._last  # where complete matches begin in a progress

    def take(self, state: list[Any], value: Any, time: int, served: int, broken: int) -> None:
        """Let an event of `value` serve steps and break matches (bits)."""
        progress = state[1].pop(value, None)
        if progress is None:
            if not served & 1:
                return
            progress = [0] * self._waits
        elif self._patience is not None:
            self._ripen(state, progress, time, self._patience)
        if broken >> self._last & 1:
            del progress[self._waits :]
        if served >> self._last & 1 and (start := self._start(progress, self._last, time)):
            self._complete(state, progress, start, time)
        for index in self._backwards:  # later steps first, so that one event serves one step of a match
            if served >> index & 1 and (start := self._start(progress, index, time)):
                progress[2 * index], progress[2 * index + 1] = start, time
            elif broken >> index & 1:
                progress[2 * index] = progress[2 * index + 1] = 0
        if any(progress):
            state[1][value] = progress
            self.forget(state, time)

    def forget(self, state: list[Any], time: int) -> None:
        """Let go of the values touched first: of all above the most that are kept, of those too old for any window."""
        values = state[1]
        while values:
            oldest = next(iter(values))
            if len(values) <= VALUES_KEPT and max(values[oldest]) > time - self._window:
                return
            progress = values.pop(oldest)
            if self._patience is not None:
                self._ripen(state, progress, time, self._patience)

    def _start(self, progress: Progress, index: int, time: int) -> int:
        """Return when the match began that an event serves the step of, 0 when there is none to go on from."""
        if index == 0:
            return time
        start, before = progress[2 * index - 2 : 2 * index]
        limit = self._limits[index]
        return 0 if limit is not None and time - before > limit else start

    def _complete(self, state: list[Any], progress: Progress, start: int, time: int) -> None:
        if self._patience is None:
            state[0] = max(state[0], start)
        elif len(progress) == self._waits or progress[-2] < start:  # of one start the first to be complete counts first
            progress += (start, time)
            if len(progress) > self._waits + 2 * RIPENING_KEPT:
                del progress[-4:-2]

    def _ripen(self, state: list[Any], progress: Progress, time: int, patience: int) -> None:
        """Have those matches count after which nothing came for `patience` (ms) before `time`."""
        while len(progress) > self._waits and progress[self._waits + 1] + patience < time:
            state[0] = max(state[0], progress[self._waits])
            del progress[self._waits : self._waits + 2]
