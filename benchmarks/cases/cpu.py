"""What a measurement's processes use of the processors, by part: what there is to save, and where."""

from __future__ import annotations

import resource
from collections.abc import Mapping

from benchmarks.cases.case import Numbers
from benchmarks.faults.acts import is_python_worker
from jobs.stack.stack import Stack

_PARTS = {"taskmanager": "flink", "jobmanager": "flink", "kafka": "kafka", "zookeeper": "kafka", "redis": "redis"}


class CpuSpent:
    """CPU seconds of a stack's servers since this was made; Python's workers tell their own, as they end with a job."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._before, self._children = self._servers(), _children_s()

    def us_per_event(self, events: int, python_s: float | None = None) -> Numbers:
        """Return microseconds of CPU an event took, by part; `python_s` of the workers, None: those waited for."""
        spent = {part: seconds - self._before.get(part, 0.0) for part, seconds in self._servers().items()}
        spent["python"] = _children_s() - self._children if python_s is None else python_s
        return by_event(spent, events)

    def _servers(self) -> dict[str, float]:
        seconds: dict[str, float] = {}
        for name in self._stack.processes():
            part = next((part for start, part in _PARTS.items() if name.startswith(start)), "others")
            for member in self._stack.server(name).members():
                if not is_python_worker(member):
                    times = member.cpu_times()
                    seconds[part] = seconds.get(part, 0.0) + times.user + times.system
        return seconds


def by_event(seconds: Mapping[str, float], events: int) -> Numbers:
    """Return CPU seconds by part as microseconds an event, and their sum.

    >>> by_event({"python": 2.0, "kafka": 0.5}, 10_000)
    {'cpu_python_us': 200.0, 'cpu_kafka_us': 50.0, 'cpu_us': 250.0}
    """
    us = {part: value / events * 1e6 for part, value in seconds.items()}
    return {**{f"cpu_{part}_us": round(value, 1) for part, value in us.items()}, "cpu_us": round(sum(us.values()), 1)}


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
