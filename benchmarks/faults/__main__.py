"""Chaos by hand: `python -m benchmarks.faults --seed 7 --faults 12` breaks the running job and judges what it wrote.

A seed gives the same traffic and the same faults in the same order.
"""

from __future__ import annotations

import secrets
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.faults.acts import ACTS
from benchmarks.faults.chaos import harm
from benchmarks.faults.live_run import RunOptions, live_run, own_stack
from benchmarks.faults.load import LoadOptions
from benchmarks.faults.verdict import judge
from jobs.stack.signals import exit_on_signals

app = typer.Typer(add_completion=False)
console = Console(highlight=False)


@app.command()
def chaos(
    seed: Annotated[int | None, typer.Option(help="of traffic and faults; drawn and printed when left out")] = None,
    faults: Annotated[int, typer.Option(min=0, help="how many")] = 24,
    rate: Annotated[float, typer.Option(min=10, help="events per second")] = 1_000,
    pause: Annotated[float, typer.Option(min=0, help="seconds of load before each fault")] = 2,
    overlap: Annotated[int, typer.Option(min=1, help="faults done before the job is given time to recover")] = 2,
    only: Annotated[list[str] | None, typer.Option(help=f"only this kind; of {', '.join(ACTS)}")] = None,
    delivery: Annotated[str, typer.Option(help="exactly_once or at_least_once")] = "exactly_once",
) -> None:
    """Run the job under load, do the faults one after the other, and compare all it wrote with a replay.

    Exit codes: 0 nothing lost, doubled or different; 1 something is, and the first differences are shown.
    """
    drawn = secrets.randbelow(1_000_000) if seed is None else seed
    unknown = sorted(set(only or ()) - set(ACTS))
    if unknown:
        raise typer.BadParameter(f"there is no fault {', '.join(unknown)}; there are {', '.join(ACTS)}")
    console.print(f"seed {drawn}, {faults} faults, {rate:,.0f} events/s, {delivery}")
    options = RunOptions(load=LoadOptions(rate=rate, seed=drawn), delivery=delivery)
    with own_stack("chaos") as stack, live_run(stack, options) as run:
        done = harm(run, drawn, faults, console.print, names=tuple(only or ACTS), pause=pause, overlap=overlap)
        sent = run.finish()
        console.print(f"{sent:,} events played; comparing with their replay")
        verdict = judge(run.settings, sent)
    console.print(f"{done} faults, then: {verdict}")
    if not verdict.good:
        raise typer.Exit(1)


if __name__ == "__main__":
    exit_on_signals()
    app()
