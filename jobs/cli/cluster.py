"""Which Flink a command is about: the local stack, or any by its address; and which job runs there."""

# ruff: noqa: PLC0415 - what loads Kafka, Redis or Flink is imported when it is used

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.cli.errors import BadInput, Failed
from jobs.cli.inputs import ROOT
from jobs.cli.submit import Submission, addresses, flink_run, on_stack
from jobs.facts import JobFacts, from_parameters
from jobs.moving import cause_of
from jobs.stack.flink_rest import FINAL_STATES, FlinkRest, JobEntry
from jobs.stack.processes import StackError

if TYPE_CHECKING:
    from jobs.stack.stack import Stack

JOB_NAME = "flink-segments"  # the default of jobs/segmentation.py

TargetOption = Annotated[
    str | None, typer.Option(help="The JobManager, host:port.", show_default="that of the local stack")
]
FlinkHomeOption = Annotated[
    Path | None,
    typer.Option(help="The Flink whose bin/flink starts the job; with --target.", show_default="the stack's"),
]
JobOption = Annotated[str | None, typer.Option(help="Id or name of the job.", show_default="the only segments job")]


@dataclass(frozen=True)
class Cluster:
    """A Flink cluster; jobs are started with `flink_home`, or on the local stack."""

    rest: FlinkRest
    stack: Stack | None = None
    flink_home: Path | None = None
    target: str | None = None

    @property
    def overrides(self) -> dict[str, str]:
        """What a job that runs here needs in its environment."""
        return {} if self.stack is None else addresses(self.stack)

    def start(self, submission: Submission, extra: Sequence[str] = ()) -> str:
        """Start a job and return its id; raises StackError with Flink's words when it is refused."""
        arguments = [*extra, *submission.arguments]
        if self.stack is not None:
            return on_stack(self.stack, Submission(submission.settings, arguments, submission.environment))
        from jobs.stack.flink_cluster import JOB_ID

        home = self.flink_home
        if home is None:
            raise BadInput("--target needs --flink-home to start a job: the Flink whose bin/flink is to be used")
        try:
            said = flink_run(home, [*(["-m", self.target] if self.target else []), *arguments], submission.environment)
        except Failed as error:
            raise StackError(str(error)) from None
        found = JOB_ID.search(said)
        if found is None:
            raise StackError(f"flink run named no job: {said}")
        return found[1]


def find_cluster(target: str | None, flink_home: Path | None, run: str, *, starts: bool) -> Cluster:
    """Return the cluster that the options name; raises BadInput, StackError when the local stack does not run.

    Where jobs are started (`starts`), `--target` and `--flink-home` belong together.
    """
    if target is None and flink_home is None:
        from jobs.stack.stack import Stack

        stack = Stack.attach(ROOT, run)
        return Cluster(stack.rest, stack)
    if target is None:
        raise BadInput("--flink-home needs --target: the address of the JobManager's REST interface, host:port")
    if starts and flink_home is None:
        raise BadInput("--target needs --flink-home: the Flink whose bin/flink is to be used")
    if flink_home is not None and not (flink_home / "bin" / "flink").is_file():
        raise BadInput(
            f"there is no {flink_home / 'bin' / 'flink'}: --flink-home is the folder of a Flink distribution"
        )
    return Cluster(FlinkRest(f"http://{target}"), None, flink_home, target)


def running_jobs(rest: FlinkRest) -> list[tuple[JobEntry, JobFacts | None]]:
    """Return the segments jobs that have not ended: those that say so, and those of the name; raises Failed."""
    try:
        alive = [job for job in rest.jobs() if job.state not in FINAL_STATES]
        known = [(job, from_parameters(rest.parameters(job.id))) for job in alive]
    except OSError as error:
        raise Failed(
            f"Flink at {rest.url} does not answer: {error}; is it running, and is the address right?"
        ) from None
    return [(job, facts) for job, facts in known if facts is not None or job.name == JOB_NAME]


def the_job(rest: FlinkRest, wanted: str | None) -> tuple[JobEntry, JobFacts | None]:
    """Return the running job and what it says of itself; raises BadInput for none or several, Failed if it is down."""
    jobs = running_jobs(rest)
    found = [each for each in jobs if wanted is None or wanted in (each[0].id, each[0].name)]
    listed = "; ".join(f"{job.id} ({job.name}, {job.state})" for job, _ in jobs) or "none"
    if not found:
        which = "no segments job" if wanted is None else f"no segments job '{wanted}'"
        raise BadInput(
            f"{which} runs on Flink at {rest.url} (segments jobs there: {listed})."
            " To start one: `segments submit`, or `segments resume SAVEPOINT`"
        )
    if len(found) > 1:
        raise BadInput(f"several segments jobs run on Flink at {rest.url}: say which with --job: {listed}")
    job, facts = found[0]
    if job.state != "RUNNING":
        raise Failed(_not_running(rest, job))
    return job, facts


def _not_running(rest: FlinkRest, job: JobEntry) -> str:
    cause, newest = cause_of(rest.root_exception(job.id)), rest.newest_checkpoint_path(job.id)
    go_on = f"cancel it and `segments resume {newest}`" if newest else "cancel it and start it anew"
    return (
        f"job {job.id} is {job.state}, and a savepoint needs a running job (its last failure: {cause or 'none'})."
        f" Wait until it runs, or {go_on}"
    )
