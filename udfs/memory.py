"""When a worker looks for garbage: once between two checkpoints, and not at one, for which events wait."""

import gc

from udfs.markers import Markers

_ALL_EVERY = 64  # looks at new objects only, before one at all
_DUE = 0.4  # of the time between two markers: what waited for the first is through, nobody is written ahead yet


def collect_only_on_demand() -> None:
    """Stop automatic collection: decoded profiles are many small objects without cycles, and looking costs a third."""
    gc.collect()
    gc.freeze()
    gc.disable()


class Collector:
    """Looks for cycles among objects that are new since the last look: a look at all users' columns takes long.

    Every 64th time it looks at all objects.
    """

    def __init__(self, markers: Markers) -> None:
        self._markers = markers
        self._looks = 0
        self._looked = False  # since the last marker

    def marked(self) -> None:
        """Note that a marker came; looks now if it could not since the last one."""
        if not self._looked:
            self._look()
        self._looked = False

    def look_when_due(self) -> None:
        """Look if that has come due since the last marker."""
        if not self._looked and (self._markers.share() or 0.0) >= _DUE:
            self._look()

    def _look(self) -> None:
        self._looked = True
        self._looks += 1
        if self._looks % _ALL_EVERY == 0:
            gc.collect()
        else:
            gc.collect(0)
