"""A job is never left without state, twice running or silently stopped, whatever Flink does at each step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from jobs.moving import MoveError, Mover, NotUp, Stop
from jobs.stack.flink_rest import JobEntry, SavepointFormat
from jobs.stack.processes import StackError

RUNNING = JobEntry("old", "flink-segments", "RUNNING")
SAVED = "file:/savepoints/savepoint-1"


@dataclass
class Flink:
    """Jobs by id with their states; a job `breaks` with this exception, over and over."""

    states: dict[str, str] = field(default_factory=lambda: {"old": "RUNNING"})
    breaks: dict[str, str] = field(default_factory=dict)
    refuses_savepoint: str | None = None
    ends_on_stop: bool = False
    cancellable: bool = True

    def job_state(self, job: str) -> str:
        return self.states[job]

    def tasks_running(self, job: str) -> bool:
        return job not in self.breaks

    def completed_checkpoints(self, job: str) -> int:
        return int(job not in self.breaks)

    def failures(self, job: str) -> int:
        return 3 if job in self.breaks else 0

    def root_exception(self, job: str) -> str:
        return self.breaks.get(job, "")

    def newest_checkpoint_path(self, job: str) -> str | None:
        return f"file:/checkpoints/{job}/chk-7"

    def cancel(self, job: str) -> None:
        if not self.cancellable:
            raise StackError("refused")
        self.states[job] = "CANCELED"

    def stop_with_savepoint(
        self, job: str, *, folder: str | None = None, form: SavepointFormat = "canonical", timeout: float = 0
    ) -> str:
        assert (folder, form, timeout) == ("file:/savepoints", "native", 5)
        if self.refuses_savepoint:
            self.states[job] = "FAILED" if self.ends_on_stop else "RUNNING"
            raise StackError(self.refuses_savepoint)
        self.states[job] = "FINISHED"
        return SAVED

    def starting(self, job: str) -> Callable[[str], str]:
        def start(savepoint: str) -> str:
            assert savepoint == SAVED
            assert "RUNNING" not in self.states.values(), "two jobs on one state"
            self.states[job] = "RUNNING"
            return job

        return start


def refused(_: str) -> str:
    raise StackError("flink run failed: no such jar")


def mover(flink: Flink) -> Mover:
    return Mover(flink, lambda _: None, timeout=5)


def stopped(flink: Flink) -> str:
    return mover(flink).stop(RUNNING, Stop("file:/savepoints", "native"))


def moved(flink: Flink, new: Callable[[str], str], old: Callable[[str], str] | None) -> str:
    return mover(flink).move(stopped(flink), new, old, old_name="the old one")


def test_a_new_job_that_completes_a_checkpoint_is_the_one() -> None:
    flink = Flink()
    assert moved(flink, flink.starting("new"), flink.starting("again")) == "new"
    assert flink.states == {"old": "FINISHED", "new": "RUNNING"}


def test_a_savepoint_that_cannot_be_taken_leaves_the_job_running() -> None:
    with pytest.raises(MoveError, match="disk full\nIt goes on \\(RUNNING\\); nothing was changed"):
        stopped(Flink(refuses_savepoint="disk full"))


def test_a_job_that_ends_while_it_is_stopped_leaves_its_checkpoint() -> None:
    with pytest.raises(MoveError, match="segments resume file:/checkpoints/old/chk-7"):
        stopped(Flink(refuses_savepoint="gone", ends_on_stop=True))


def test_a_job_that_flink_refuses_brings_the_old_one_back() -> None:
    flink = Flink()
    with pytest.raises(MoveError, match=r"no such jar\nthe old one runs again as again"):
        moved(flink, refused, flink.starting("again"))
    assert flink.states == {"old": "FINISHED", "again": "RUNNING"}


def test_a_job_that_breaks_again_and_again_is_cancelled_and_the_old_one_comes_back() -> None:
    flink = Flink(breaks={"new": "x\nValueError: profiles have format 3"})
    with pytest.raises(MoveError, match="ValueError: profiles have format 3\nthe old one runs again"):
        moved(flink, flink.starting("new"), flink.starting("again"))
    assert flink.states == {"old": "FINISHED", "new": "CANCELED", "again": "RUNNING"}


@pytest.mark.parametrize("old", [None, refused])
def test_where_nothing_runs_the_savepoint_is_named(old: Callable[[str], str] | None) -> None:
    with pytest.raises(MoveError, match=f"No job runs now. Its state is in {SAVED}.*segments resume {SAVED}"):
        moved(Flink(), refused, old)


def test_what_cannot_be_cancelled_keeps_the_old_one_from_starting() -> None:
    flink = Flink(breaks={"new": "broken"}, cancellable=False)
    with pytest.raises(MoveError, match="cancel it before anything else is started"):
        moved(flink, flink.starting("new"), flink.starting("again"))
    assert "again" not in flink.states


def test_a_job_manager_that_is_busy_for_a_while_is_asked_again() -> None:
    answers = iter([StackError("500"), OSError("refused")])

    class Busy(Flink):
        def job_state(self, job: str) -> str:
            for error in answers:
                raise error
            return super().job_state(job)

    busy = Busy(states={"old": "FINISHED"})
    assert mover(busy).start(busy.starting("new"), SAVED) == "new"
    assert next(answers, None) is None


def test_a_job_that_fails_for_good_is_not_waited_for() -> None:
    flink = Flink(states={"new": "FAILED"})

    def start(_: str) -> str:
        return "new"

    with pytest.raises(NotUp, match="the job is FAILED"):
        mover(flink).start(start, SAVED)
