"""How many events a contestant's worker has handled by when, noted while it runs and read after all have ended."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

_EVERY = 100

Mark = tuple[float, int]  # seconds since 1970, events handled by then


class Trace:
    """One worker's notes."""

    def __init__(self) -> None:
        self._marks: list[Mark] = []
        self._count = 0
        self._last = 0.0

    def note(self, events: int) -> None:
        """Note that so many more events are through."""
        before, self._count, self._last = self._count, self._count + events, time.time()
        if not before or before // _EVERY != self._count // _EVERY:
            self._marks.append((self._last, self._count))

    def write(self, path: Path) -> None:
        """Write the notes."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps([*self._marks, (self._last, self._count)] if self._count else []))


def handled(traces: Sequence[Sequence[Mark]]) -> int:
    """Return how many events all workers have handled."""
    return sum(marks[-1][1] for marks in traces if marks)


def rate(traces: Sequence[Sequence[Mark]], skip: float = 0.0) -> float:
    """Return events/s of all workers together; the first `skip` (0 to 1) of all events is warm-up and does not count.

    >>> rate([[(0.0, 10), (1.0, 50), (2.0, 150)], [(0.0, 10), (2.0, 150)]], skip=0.1)
    240.0
    """
    marks = sorted((at, worker, count) for worker, trace in enumerate(traces) for at, count in trace)
    total, done = handled(traces), dict.fromkeys(range(len(traces)), 0)
    for at, worker, count in marks:
        done[worker] = count
        if sum(done.values()) >= skip * total:
            return (total - sum(done.values())) / (marks[-1][0] - at)
    raise ValueError("there are no events")
