"""Moving a job: stopped behind a savepoint, started from it as something else, and back when that does not run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from jobs.stack.flink_rest import FINAL_STATES, JobEntry, SavepointFormat
from jobs.stack.processes import StackError
from jobs.stack.waiting import WaitTimeoutError, wait_until

FAILURES = 3  # in a row without a checkpoint: it will not come up by itself
TIMEOUT = 300.0  # seconds


class FlinkJobs(Protocol):
    """What moving a job needs of Flink's REST interface (`FlinkRest`); every call may raise OSError."""

    def job_state(self, job: str) -> str: ...
    def tasks_running(self, job: str) -> bool: ...
    def completed_checkpoints(self, job: str) -> int: ...
    def failures(self, job: str) -> int: ...
    def root_exception(self, job: str) -> str: ...
    def newest_checkpoint_path(self, job: str) -> str | None: ...
    def cancel(self, job: str) -> None: ...
    def stop_with_savepoint(
        self, job: str, *, folder: str | None = None, form: SavepointFormat = "canonical", timeout: float = TIMEOUT
    ) -> str: ...


class NotUp(RuntimeError):
    """A job did not come up; the text says why. `job` is its id when Flink took it."""

    def __init__(self, text: str, job: str | None = None) -> None:
        super().__init__(text)
        self.job = job


class MoveError(RuntimeError):
    """A job could not be moved; the text says what runs now, and what to do."""


class Stop(NamedTuple):
    """How a job is stopped: where its savepoint goes (None: the cluster's folder) and of which kind it is."""

    folder: str | None = None
    form: SavepointFormat = "canonical"


Start = Callable[[str], str]  # starts a job from a savepoint and returns its id; raises StackError


@dataclass(frozen=True)
class Mover:
    """Moves jobs on one Flink; `say` is told each step, `timeout` (s) bounds each of stopping and starting."""

    flink: FlinkJobs
    say: Callable[[str], None]
    timeout: float = TIMEOUT

    def stop(self, job: JobEntry, how: Stop) -> str:
        """Stop a job and return its savepoint; raises MoveError, and then the job goes on."""
        self.say(f"stopping {job.name} ({job.id}) behind a {how.form} savepoint")
        try:
            return self.flink.stop_with_savepoint(job.id, folder=how.folder, form=how.form, timeout=self.timeout)
        except (StackError, WaitTimeoutError, OSError) as error:
            raise MoveError(f"the job was not stopped: {error}\n{self._left(job.id)}") from None

    def start(self, start: Start, savepoint: str) -> str:
        """Start a job and return its id once it has completed a checkpoint; raises NotUp after cancelling it."""
        try:
            job = start(savepoint)
        except (StackError, OSError) as error:
            raise NotUp(str(error)) from None
        self.say(f"started {job}; waiting until it has completed a checkpoint")
        try:
            wait_until(lambda: self._is_up(job), self.timeout, "the job to run and complete a checkpoint")
        except WaitTimeoutError as error:
            reason = self._reason(job)
            self._end(job, savepoint)
            raise NotUp(f"{error}{reason}", job) from None
        except NotUp:
            self._end(job, savepoint)
            raise
        return job

    def move(self, savepoint: str, new: Start, old: Start | None, *, old_name: str) -> str:
        """Start `new` from a savepoint, or else `old` again; returns the new job's id; raises MoveError."""
        try:
            return self.start(new, savepoint)
        except NotUp as failure:
            if old is None:
                raise MoveError(f"the new job does not run: {failure}\n{_stopped(savepoint)}") from None
            self.say(f"the new job does not run; starting {old_name} again from the same savepoint")
            try:
                job = self.start(old, savepoint)
            except NotUp as second:
                raise MoveError(
                    f"the new job does not run: {failure}\nand {old_name} does not either: {second}\n"
                    f"{_stopped(savepoint)}"
                ) from None
            raise MoveError(
                f"the new job does not run: {failure}\n{old_name} runs again as {job}, from the same savepoint"
                f" ({savepoint}): nothing is lost. Mend the cause and try again"
            ) from None

    def _is_up(self, job: str) -> bool:
        try:
            return self._runs(job)
        except StackError:  # a JobManager that is busy or has just taken over answers so
            return False

    def _runs(self, job: str) -> bool:
        state = self.flink.job_state(job)
        if state in FINAL_STATES or self.flink.failures(job) >= FAILURES:
            raise NotUp(f"the job is {state}{self._reason(job)}", job)
        return state == "RUNNING" and self.flink.tasks_running(job) and self.flink.completed_checkpoints(job) > 0

    def _reason(self, job: str) -> str:
        try:
            trace = self.flink.root_exception(job)
        except (StackError, OSError):
            return ""
        return f": {cause_of(trace)}" if trace else ""

    def _end(self, job: str, savepoint: str) -> None:
        """Cancel what did not come up, so that two jobs never run on one state."""
        try:
            if self.flink.job_state(job) not in FINAL_STATES:
                self.flink.cancel(job)
        except (StackError, WaitTimeoutError, OSError) as error:
            raise MoveError(
                f"job {job} does not come up and cannot be cancelled ({error}): cancel it before anything else is"
                f" started. What it started from is {savepoint}"
            ) from None

    def _left(self, job: str) -> str:
        """Say what became of a job that should have been stopped."""
        try:
            state = self.flink.job_state(job)
            checkpoint = self.flink.newest_checkpoint_path(job) if state in FINAL_STATES else None
        except (StackError, OSError) as error:
            return f"Flink does not say whether it runs: {error}"
        if state not in FINAL_STATES:
            return f"It goes on ({state}); nothing was changed"
        return f"It has ended ({state}). {_stopped(checkpoint)}" if checkpoint else f"It has ended ({state})"


def cause_of(trace: str) -> str:
    r"""Return what a Java stack trace says at its root: the last cause, Python's own words where there are some.

    >>> cause_of("a.B: outer\n\tat x\nCaused by: c.D: inner\n\tat y")
    'c.D: inner'
    """
    lines = [line.strip() for line in trace.splitlines()]
    python = [line for line in lines if line.startswith(("ValueError:", "RuntimeError:", "TypeError:", "KeyError:"))]
    if python:
        return python[-1]
    causes = [line.removeprefix("Caused by: ") for line in lines if line.startswith("Caused by: ")]
    return causes[-1] if causes else (lines[0] if lines else "")


def _stopped(savepoint: str) -> str:
    return f"No job runs now. Its state is in {savepoint}: mend the cause, then `segments resume {savepoint}`"
