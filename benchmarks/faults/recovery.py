"""How long the job is away after a kill, and what takes so long: each stage with its instant."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.faults.live_run import LiveRun
from benchmarks.probes import Probes
from jobs.stack.processes import StackError

STAGES = ("noticed", "deployed", "running", "processing")
_LOOK_EVERY_S = 0.05
_TIMEOUT_S = 180.0
_PROBES = 20


@dataclass
class Recovery:
    """Seconds from the kill to each stage.

    `noticed`: the job does not run any more. `deployed`: its tasks start. `running`: all tasks have opened, which
    is when Python's workers are up. `processing`: changes can be read that twenty events led to, of as many users, that
    were sent after the failure was noticed; so all workers handle events again.
    """

    seconds: dict[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        return ", ".join(f"{name} {self.seconds[name]:.1f} s" for name in STAGES if name in self.seconds)


def measure_recovery(run: LiveRun, probes: Probes, kill: Callable[[], None]) -> Recovery:
    """Kill something and watch the job come back; raises TimeoutError after three minutes."""
    recovery, began = Recovery(), time.time()
    kill()
    while "processing" not in recovery.seconds:
        now = time.time()
        if now - began > _TIMEOUT_S:
            raise TimeoutError(f"the job is not back after {_TIMEOUT_S:.0f} s: {recovery}")
        for stage in _reached(run, recovery):
            recovery.seconds.setdefault(stage, now - began)
        since = began + recovery.seconds.get("noticed", _TIMEOUT_S)
        arrived = sorted(at for number, at in list(probes.arrived.items()) if probes.sent_at(number) > since)
        if len(arrived) >= _PROBES:
            recovery.seconds["processing"] = arrived[_PROBES - 1] - began
        time.sleep(_LOOK_EVERY_S)
    return recovery


def _reached(run: LiveRun, recovery: Recovery) -> list[str]:
    try:
        job = run.stack.rest.tasks(run.job)
    except (OSError, StackError):
        return ["noticed"]
    if "noticed" not in recovery.seconds:
        return [] if all(state == "RUNNING" for state in job) else ["noticed"]
    if "deployed" not in recovery.seconds:
        return ["deployed"] if all(state in ("DEPLOYING", "INITIALIZING", "RUNNING") for state in job) else []
    return ["running"] if all(state == "RUNNING" for state in job) else []
