"""How a recovery is timed: stage by stage, and only by events that were sent after the failure was noticed."""

import time
from types import SimpleNamespace
from typing import Any, cast

import pytest

from benchmarks.faults import recovery
from benchmarks.faults.live_run import LiveRun
from benchmarks.faults.recovery import STAGES, measure_recovery
from benchmarks.probes import Probes


class Scripted:
    """A job whose tasks are in one state after the other, a look each; a state that is an error is raised."""

    def __init__(self, states: list[Any]) -> None:
        self._states = states
        self.sent: list[float] = []
        self.arrived: dict[int, float] = {}

    def tasks(self, _: str) -> list[str]:
        state = self._states.pop(0) if len(self._states) > 1 else self._states[0]
        if isinstance(state, Exception):
            raise state
        if state == "HANDLING":
            for number in range(len(self.sent), len(self.sent) + 10):
                self.sent.append(time.time())
                self.arrived[number] = time.time()
            return ["RUNNING"]
        return [state]

    def sent_at(self, number: int) -> float:
        return self.sent[number]


def measured(states: list[Any], monkeypatch: pytest.MonkeyPatch) -> recovery.Recovery:
    monkeypatch.setattr(recovery, "_LOOK_EVERY_S", 0.001)
    scripted = Scripted(states)
    run = SimpleNamespace(stack=SimpleNamespace(rest=scripted), job="j")
    return measure_recovery(cast("LiveRun", run), cast("Probes", scripted), lambda: None)


def test_each_stage_comes_after_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    found = measured(["RUNNING", "FAILED", "CREATED", "DEPLOYING", "RUNNING", "HANDLING"], monkeypatch)
    times = [found.seconds[stage] for stage in STAGES]
    assert times == sorted(times)
    assert str(found).startswith("noticed ")


def test_what_goes_on_until_the_failure_is_noticed_is_no_recovery(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "_TIMEOUT_S", 0.05)
    with pytest.raises(TimeoutError, match="not back"):
        measured(["HANDLING"] * 4 + ["FAILED"], monkeypatch)


def test_a_job_manager_that_does_not_answer_is_noticed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "noticed" in measured([ConnectionRefusedError(), "DEPLOYING", "HANDLING"], monkeypatch).seconds
