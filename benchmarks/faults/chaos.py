"""Faults of all kinds in the random order of a seed, some at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from random import Random

from benchmarks.faults.acts import ACTS, recovered, schedule
from benchmarks.faults.live_run import LiveRun


def harm(
    run: LiveRun,
    seed: int,
    faults: int,
    say: Callable[[str], object],
    *,
    names: tuple[str, ...] = tuple(ACTS),
    pause: float = 1.0,
    overlap: int = 2,
) -> int:
    """Do the faults of this seed and return how many; after each `overlap` of them the job is given time to recover.

    Each is told to `say` with the events played until then. `pause` is in seconds of load. Raises RunError,
    WaitTimeoutError when the job does not recover.
    """
    random = Random(seed)  # noqa: S311 - a fault wants a seed, not secrecy
    began, done = time.monotonic(), 0
    for name in schedule(seed, faults, names):
        time.sleep(pause)
        say(f"{time.monotonic() - began:6.1f} s  {run.load.sent:>9,} events  {name}")
        ACTS[name](run, random)
        done += 1
        if done % overlap == 0 or done == faults:
            seconds = recovered(run)
            say(f"{time.monotonic() - began:6.1f} s  {run.load.sent:>9,} events  recovered after {seconds:.1f} s")
    return done
