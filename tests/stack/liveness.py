"""Ask the system which processes live."""

import psutil


def is_live(pid: int) -> bool:
    """Tell whether the process runs; a dead one that init has not collected yet does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
