"""When the next marker comes: as long after the last one as that came after the one before."""

from __future__ import annotations

import time
from collections.abc import Callable


class Markers:
    """Says what part of the time between two markers is over; `clock` returns seconds.

    >>> now = [100.0]
    >>> markers = Markers(lambda: now[0])
    >>> markers.came()
    >>> markers.share() is None
    True
    >>> now[0] = 110.0
    >>> markers.came()
    >>> now[0] = 115.0
    >>> markers.share()
    0.5
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._came_at: float | None = None
        self._apart: float | None = None  # the last two, in seconds

    def came(self) -> None:
        """Note that a marker came."""
        now = self._clock()
        if self._came_at is not None:
            self._apart = now - self._came_at
        self._came_at = now

    def share(self) -> float | None:
        """Return what part of the time to the next marker is over, from 1 on it is due; None before two have come."""
        if self._came_at is None or self._apart is None:
            return None
        return (self._clock() - self._came_at) / self._apart if self._apart else 1.0
