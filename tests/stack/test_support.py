"""A pipeline that closes leaves nothing behind: not a job that a command of the test started, and no slot taken."""

from __future__ import annotations

from pathlib import Path
from subprocess import CompletedProcess
from types import SimpleNamespace
from typing import Any, cast

import pytest
from typer import Typer
from typer.testing import CliRunner

from jobs.facts import facts_of, to_parameters
from jobs.settings import KafkaSettings, Settings
from jobs.stack.flink_rest import JobEntry, Slots
from jobs.stack.waiting import WaitTimeoutError
from tests.stack import support
from tests.stack.commands import ended
from tests.stack.support import Pipeline


class Flink:
    """Jobs by id, each with what it says of itself; a cancelled one leaves its slot some looks later."""

    def __init__(self, jobs: dict[str, dict[str, str]], slots: int, looks: int = 3) -> None:
        self._jobs, self._slots, self._looks = jobs, slots, looks
        self.cancelled: list[str] = []

    def jobs(self) -> list[JobEntry]:
        return [JobEntry(job, "a job", "CANCELED" if job in self.cancelled else "RUNNING") for job in self._jobs]

    def parameters(self, job: str) -> dict[str, str]:
        return self._jobs[job]

    def cancel(self, job: str) -> None:
        self.cancelled.append(job)

    def free_slots(self) -> Slots:
        taken = len(self._jobs) - len(self.cancelled)
        if self.cancelled and self._looks:
            self._looks -= 1
            taken += len(self.cancelled)
        return Slots(self._slots, self._slots - taken)


def writing(topic: str) -> dict[str, str]:
    return to_parameters(facts_of(Settings(kafka=KafkaSettings(changes_topic=topic))))


def pipeline_on(flink: Flink, *known: str) -> Pipeline:
    stack = cast(Any, SimpleNamespace(rest=flink))
    return Pipeline(stack, Path("job.yaml"), {"changes": "mine"}, "", free_slots=2, jobs=list(known))


def test_jobs_that_a_command_started_are_cancelled_and_others_are_not() -> None:
    flink = Flink({"submitted": {}, "upgraded": writing("mine"), "another's": writing("other")}, slots=3)
    pipeline_on(flink, "submitted").close()
    assert sorted(flink.cancelled) == ["submitted", "upgraded"]
    assert flink.free_slots().free == 2


def test_slots_that_stay_taken_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(support, "CLOSE_TIMEOUT", 0.0)
    flink = Flink({"submitted": {}, "another's": writing("other")}, slots=2)
    with pytest.raises(WaitTimeoutError, match="the jobs that write mine to leave their slots"):
        pipeline_on(flink, "submitted").close()


def test_what_a_command_said_is_shown_whole_where_words_are_missing() -> None:
    done = CompletedProcess(["segments"], 1, stdout="x" * 10_000 + "\n", stderr="no slots\n")
    assert ended(done, "no slots", code=1) == done.stdout + done.stderr
    for words, code in ((["runs as"], 1), (["no slots"], 0)):
        with pytest.raises(AssertionError, match="exit code 1, lacking") as shown:
            ended(done, *words, code=code)
        assert done.stdout + done.stderr in str(shown.value)


def test_a_command_that_broke_shows_where() -> None:
    def broken() -> None:
        raise OSError("the disk is full")

    app = Typer()
    app.command()(broken)
    with pytest.raises(AssertionError, match=r"in broken[\s\S]*the disk is full"):
        ended(CliRunner().invoke(app))
