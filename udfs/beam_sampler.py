"""Beam's state sampler, switched off: each bundle waits for its thread, which sleeps, and nobody reads its samples."""

from __future__ import annotations

import sys
import threading
from typing import Any

_MODULE = "apache_beam.runners.worker.statesampler"
_SLEEPER = "_sampling_thread_runs"


def switch_off() -> None:
    """Have bundles start and end without a sampling thread, from the next bundle on; calling it again does nothing.

    A bundle's end joins that thread, which sleeps 2 ms at first and then up to a sixth of the bundle's time. Where Beam
    is not loaded, as in thread mode, there is nothing to switch off.
    """
    beam = sys.modules.get(_MODULE)
    if beam is None or getattr(beam.StateSampler.start, "is_quiet", False):
        return
    stop_loudly = beam.StateSampler.stop

    def start(self: Any) -> None:
        self.tracked_thread = threading.current_thread()
        beam.set_current_tracker(self)
        self.started = True
        setattr(self, _SLEEPER, False)

    def stop(self: Any) -> None:
        if getattr(self, _SLEEPER, True):  # the bundle in which the sampler was switched off
            stop_loudly(self)
            return
        beam.set_current_tracker(None)
        self.finished = True

    start.is_quiet = True  # type: ignore[attr-defined]
    beam.StateSampler.start, beam.StateSampler.stop = start, stop
