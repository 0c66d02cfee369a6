"""How fast the demo plays: as fast as asked, but never so fast that this machine falls behind."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

from jobs.demo.latency import Latency

_TOO_SLOW_MS = 1_000.0
_LOOK_EVERY_S = 0.25
_SLOWER, _FASTER = 0.7, 1.1
_SLOWEST = 100.0  # events a second
_LONGEST_DEBT_S = 0.5


class Pace:
    """Lets events through at up to `rate` a second for `seconds`; slower while the newest latency is above a second.

    `played` counts what was let through. The clock and the sleep can be replaced in tests.
    """

    def __init__(
        self,
        rate: float,
        seconds: float,
        latency: Latency,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.played = 0
        self._rate = self._fastest = rate
        self._seconds = seconds
        self._latency = latency
        self._clock = clock
        self._sleep = sleep

    def through(self, events: Iterable[bytes]) -> Iterator[bytes]:
        """Yield events when they are due, until there are no more or the time is over."""
        begin = due = looked = self._clock()
        for event in events:
            now = self._clock()
            if now - begin >= self._seconds:
                return
            if now - looked >= _LOOK_EVERY_S:
                looked = now
                self._adjust()
            due = max(due + 1 / self._rate, now - _LONGEST_DEBT_S)
            if due > now:
                self._sleep(due - now)
            self.played += 1
            yield event

    def _adjust(self) -> None:
        slow = self._latency.newest() > _TOO_SLOW_MS
        self._rate = max(_SLOWEST, self._rate * _SLOWER) if slow else min(self._fastest, self._rate * _FASTER)
