"""`segments up` and `segments down`: the local stack, as `python -m jobs.stack` has it too."""

# ruff: noqa: PLC0415 - what loads Kafka, Redis or Flink is imported when it is used

from __future__ import annotations

import time
from typing import Annotated

import typer

from jobs.cli.errors import for_people
from jobs.cli.inputs import ROOT
from jobs.stack.layout import DEFAULT_RUN
from jobs.stack.signals import exit_on_signals

RunOption = Annotated[str, typer.Option("--run", help="Which local stack: the name of its folder in .local/.")]


@for_people()
def up(
    run: RunOption = DEFAULT_RUN,
    high_availability: Annotated[
        bool, typer.Option("--ha", help="Jobs outlive the JobManager: a ZooKeeper remembers them.")
    ] = False,
) -> None:
    """Start Kafka, Redis and Flink on this machine; they stay until `segments down`.

    Flink's processes are started again when they die.

    Example: segments up

    Exit codes: 0 all of them answer, 1 one does not come up.
    """
    from jobs.stack.stack import Parts, Stack

    exit_on_signals()
    begin = time.monotonic()
    stack = Stack.start(ROOT, run, Parts(high_availability=high_availability), keep=True)
    typer.echo(f"up in {time.monotonic() - begin:.1f} s")
    for name, address in (("Kafka", stack.bootstrap_servers), ("Redis", stack.redis_url), ("Flink", stack.rest_url)):
        typer.echo(f"{name}  {address}")


@for_people()
def down(run: RunOption = DEFAULT_RUN) -> None:
    """End what `segments up` started, also what a crash has left.

    Example: segments down
    """
    from jobs.stack.stack import end

    typer.echo(f"ended {end(ROOT, run)} servers")
