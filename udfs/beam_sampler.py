"""Beam's state sampler, switched off: it makes each bundle wait for a thread that sleeps, and nobody reads its samples."""

from __future__ import annotations

import threading
from typing import Any

from apache_beam.runners.worker import statesampler

_SLEEPER = "_sampling_thread_runs"


def switch_off() -> None:
    """Have bundles start and end without a sampling thread, from the next bundle on; calling it again does nothing.

    A bundle's end joins that thread, which sleeps 2 ms at first and then up to a sixth of the bundle's time.
    """
    sampler = statesampler.StateSampler
    if getattr(sampler.start, "is_quiet", False):
        return
    stop_loudly = sampler.stop

    def start(self: Any) -> None:
        self.tracked_thread = threading.current_thread()
        statesampler.set_current_tracker(self)
        self.started = True
        setattr(self, _SLEEPER, False)

    def stop(self: Any) -> None:
        if getattr(self, _SLEEPER, True):  # the bundle in which the sampler was switched off
            stop_loudly(self)
            return
        statesampler.set_current_tracker(None)
        self.finished = True

    start.is_quiet = True  # type: ignore[attr-defined]
    sampler.start, sampler.stop = start, stop
