"""When a worker looks for garbage: at checkpoints, when few objects are left to look at, and not in between."""

import gc


def collect_only_on_demand() -> None:
    """Stop automatic collection: decoded profiles are many small objects without cycles, and looking costs a third."""
    gc.collect()
    gc.freeze()
    gc.disable()


def collect() -> int:
    """Look for cycles now; returns how many objects were freed. Cheap after `Profiles.settle`."""
    return gc.collect()
