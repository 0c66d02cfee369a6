"""Users who could not be judged yet, each until the time to look again has come."""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from jobs.live.judging import Look

S = TypeVar("S")
MOST = 100_000  # users who wait; then all others wait for them


class Waiting(Generic[S]):
    """Users with their looks so far; the pauses grow to four times the first (`patience`, s), as `clock` tells."""

    def __init__(self, patience: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._patience, self._clock = patience, clock
        self._order = itertools.count()
        self._heap: list[tuple[float, int, dict[str, list[Look[S]]]]] = []
        self._users: set[str] = set()

    def __len__(self) -> int:
        return len(self._users)

    def __contains__(self, user: str) -> bool:
        return user in self._users

    @property
    def is_full(self) -> bool:
        """Say whether no more may be added before some are done."""
        return len(self._users) >= MOST

    def add(self, looked: dict[str, list[Look[S]]]) -> None:
        """Have users looked at again, who were looked at just now and equally often."""
        if looked:
            times = len(next(iter(looked.values())))
            due = self._clock() + self._patience * min(2 ** (times - 1), 4)
            heapq.heappush(self._heap, (due, next(self._order), looked))
            self._users |= looked.keys()

    def due(self) -> dict[str, list[Look[S]]]:
        """Take users who are to be looked at now, all equally often; none: it is too early."""
        if not self._heap or self._heap[0][0] > self._clock():
            return {}
        looked = heapq.heappop(self._heap)[2]
        self._users -= looked.keys()
        return looked

    def left(self) -> float:
        """Return the seconds until some are due."""
        return max(0.0, self._heap[0][0] - self._clock()) if self._heap else 0.0
