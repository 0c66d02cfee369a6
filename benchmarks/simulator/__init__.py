"""A seeded online shop and the benchmarks' load: the same seed gives the same bytes."""

from benchmarks.simulator.broken import BROKEN
from benchmarks.simulator.simulate import simulate
from benchmarks.simulator.uniform import MIX, Distribution, uniform_load
from benchmarks.simulator.wire import EVENT_NAMES

__all__ = ["BROKEN", "EVENT_NAMES", "MIX", "Distribution", "simulate", "uniform_load"]
