"""When a worker looks for garbage: at checkpoints, when few objects are left to look at, and not in between."""

import gc

_ALL_EVERY = 64  # looks at new objects only, before one at all


def collect_only_on_demand() -> None:
    """Stop automatic collection: decoded profiles are many small objects without cycles, and looking costs a third."""
    gc.collect()
    gc.freeze()
    gc.disable()


class Collector:
    """Looks for cycles among objects that are new since the last look: a look at all users' columns takes long.

    Every 64th time it looks at all objects.
    """

    def __init__(self) -> None:
        self._looks = 0

    def look(self) -> None:
        """Look now; after `Profiles.settle` that takes 2 ms, and 40 with profiles in use."""
        self._looks += 1
        if self._looks % _ALL_EVERY == 0:
            gc.collect()
        else:
            gc.collect(0)
