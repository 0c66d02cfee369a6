"""`segments run`: everything in one, in the foreground."""

# ruff: noqa: PLC0415 - what loads Kafka, Redis or Flink is imported when it is used

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.cli.errors import Failed, for_people
from jobs.cli.inputs import ROOT, DefinitionsOption, SettingsOption
from jobs.cli.local_stack import RunOption
from jobs.cli.prefix import check_prefix
from jobs.cli.submit import KAFKA, ParallelismOption, SavepointOption, addresses, on_stack, prepare
from jobs.demo.job_metrics import JobMetrics
from jobs.stack.flink_rest import FINAL_STATES
from jobs.stack.layout import DEFAULT_RUN
from jobs.stack.processes import StackError
from jobs.stack.signals import exit_on_signals

if TYPE_CHECKING:
    from jobs.stack.stack import Stack

_LOOK_EVERY_S = 2.0


@for_people()
def run(
    settings: SettingsOption = None,
    definitions: DefinitionsOption = None,
    parallelism: ParallelismOption = None,
    from_savepoint: SavepointOption = None,
    bootstrap_servers: Annotated[
        str | None, typer.Option(help="Your own Kafka, host:port.", show_default="the local stack's")
    ] = None,
    run: RunOption = DEFAULT_RUN,
) -> None:
    """Check, submit and follow the job until Ctrl-C, which stops it behind a savepoint.

    It runs on the local stack that is up, else on one that is started for it and ended with it.

    Example: segments run --definitions conf/segments.yaml

    Exit codes: 0 stopped by Ctrl-C, 1 the job or the stack failed, 2 wrong settings or definitions.
    """
    exit_on_signals()
    prepare(settings, definitions, parallelism=parallelism)  # mistakes come before anything is started
    with ExitStack() as owned:
        stack = _attach_or_start(run, owned)
        overrides = addresses(stack) | ({KAFKA: bootstrap_servers} if bootstrap_servers else {})
        submission = prepare(
            settings, definitions, parallelism=parallelism, from_savepoint=from_savepoint, overrides=overrides
        )
        check_prefix(stack.rest, submission.settings)
        typer.echo(f"Kafka  {submission.settings.kafka.bootstrap_servers}")
        typer.echo(f"Redis  {submission.settings.redis.display_url}")
        job = on_stack(stack, submission)
        typer.echo(f"Flink  {stack.rest_url}/#/job/running/{job}/overview")
        try:
            _follow(stack, job)
        except KeyboardInterrupt:
            typer.echo(f"\nstopped, savepoint {stack.stop_with_savepoint(job)}")


def _attach_or_start(run: str, owned: ExitStack) -> Stack:
    from jobs.stack.stack import Stack

    try:
        return Stack.attach(ROOT, run)
    except StackError:
        typer.echo("starting Kafka, Redis and Flink")
        return owned.enter_context(Stack.start(ROOT, run))


def _follow(stack: Stack, job: str) -> None:
    metrics = JobMetrics(stack.rest_url, job)
    known, since = metrics.counters().get("events", 0), time.monotonic()
    while True:
        time.sleep(_LOOK_EVERY_S)
        state = stack.job_state(job)
        counters = metrics.counters()
        events, now = counters.get("events", known), time.monotonic()
        rate = (events - known) / (now - since)
        line = f"{state:<10} {events:>14,} events {rate:>9,.0f}/s {counters.get('changes', 0):>14,} changes"
        typer.echo(f"\r{line}" if sys.stdout.isatty() else line, nl=not sys.stdout.isatty())
        if state in FINAL_STATES:
            typer.echo("")
            raise Failed(f"the job has ended ({state}): {stack.rest.root_exception(job)[:2_000]}")
        if events != known:
            known, since = events, now
