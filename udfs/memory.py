"""When a worker looks for garbage: at checkpoints, when few objects are left to look at, and not in between."""

import gc

_ALL_EVERY = 64  # calls of `collect` that look at new objects only, before one that looks at all


def collect_only_on_demand() -> None:
    """Stop automatic collection: decoded profiles are many small objects without cycles, and looking costs a third."""
    gc.collect()
    gc.freeze()
    gc.disable()


class Collector:
    """Looks for cycles when it is told to, among objects that are new since: a look at all users' columns takes long.

    Every 64th time it looks at all objects.
    """

    def __init__(self) -> None:
        self._calls = 0

    def collect(self) -> int:
        """Look for cycles now; returns how many objects were freed. Cheap after `Profiles.settle`."""
        self._calls += 1
        return gc.collect() if self._calls % _ALL_EVERY == 0 else gc.collect(0)
