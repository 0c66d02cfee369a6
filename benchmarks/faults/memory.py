"""What the job's processes hold: resident memory of JVMs and Python workers, and what the JVMs say of themselves."""

from __future__ import annotations

import csv
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import psutil

from benchmarks.faults.acts import is_python_worker
from benchmarks.faults.live_run import LiveRun, RunError

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Sample:
    """Sums over all TaskManagers and Python workers in MiB, `hours` after the start, and how many events were sent.

    `jvm` and `python` are resident; `heap`, `non_heap` (classes and compiled code) and `direct` (buffers) are what the
    JVMs say they use.
    """

    hours: float
    jvm: float
    python: float
    heap: float
    non_heap: float
    direct: float
    events: int


class Sampler:
    """Looks at the processes that ran when it was made; raises RunError when one of them has been replaced since."""

    def __init__(self, run: LiveRun) -> None:
        self._run = run
        self._began = time.monotonic()
        managers = [run.stack.server(name) for name in run.stack.processes("taskmanager")]
        members = [member for manager in managers for member in manager.members()]
        self._workers = [member for member in members if is_python_worker(member)]
        self._jvms = [member for member in members if member.name().startswith("java")]
        if len(self._workers) != run.settings.flink.parallelism or not self._jvms:
            raise RunError(f"expected a worker a subtask, found {len(self._workers)} and {len(self._jvms)} JVMs")

    def sample(self) -> Sample:
        """Return what is held now."""
        try:
            jvm, python = (sum(p.memory_info().rss for p in some) / MIB for some in (self._jvms, self._workers))
        except psutil.NoSuchProcess as error:
            failure = self._run.stack.rest.root_exception(self._run.job)
            raise RunError(f"a process of the job has ended: {error}; {failure[-2_000:]}") from error
        names = ("Heap.Used", "NonHeap.Used", "Direct.MemoryUsed")
        heap, non_heap, direct = (self._told(name) / MIB for name in names)
        hours = (time.monotonic() - self._began) / 3_600
        return Sample(hours, jvm, python, heap, non_heap, direct, self._run.load.sent)

    def _told(self, kind: str) -> int:
        return sum(self._run.stack.rest.task_manager_metric(f"Status.JVM.Memory.{kind}"))


def write_samples(path: Path, samples: Sequence[Sample]) -> None:
    """Write the samples as CSV."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Sample)])
        writer.writeheader()
        writer.writerows({name: round(value, 4) for name, value in asdict(sample).items()} for sample in samples)
