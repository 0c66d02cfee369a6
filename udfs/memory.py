"""When a worker looks for garbage: once between two checkpoints, and not at one, for which events wait."""

import gc
import time
from collections.abc import Callable

_ALL_EVERY = 64  # looks at new objects only, before one at all
_DUE = 0.4  # of the time between two markers: what waited for the first is through, nobody is written ahead yet


def collect_only_on_demand() -> None:
    """Stop automatic collection: decoded profiles are many small objects without cycles, and looking costs a third."""
    gc.collect()
    gc.freeze()
    gc.disable()


class Collector:
    """Looks for cycles among objects that are new since the last look: a look at all users' columns takes long.

    Every 64th time it looks at all objects. When the next marker comes follows from the time between the last two;
    `clock` returns seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._looks = 0
        self._looked = False  # since the last marker
        self._marked_at: float | None = None
        self._due_at: float | None = None  # None: not before the next marker

    def marked(self) -> None:
        """Note that a marker came; looks now if it could not since the last one."""
        if not self._looked:
            self._look()
        now = self._clock()
        if self._marked_at is not None:
            self._due_at = now + _DUE * (now - self._marked_at)
        self._marked_at, self._looked = now, False

    def look_when_due(self) -> None:
        """Look if that has come due since the last marker."""
        if self._due_at is not None and self._clock() >= self._due_at:
            self._due_at = None
            self._look()

    def _look(self) -> None:
        self._looked = True
        self._looks += 1
        if self._looks % _ALL_EVERY == 0:
            gc.collect()
        else:
            gc.collect(0)
