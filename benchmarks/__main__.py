"""All measurements in one run: `python -m benchmarks [--suite rules|faults|models] [--quick]`.

One after the other, never two at once. Writes benchmarks/report.json, benchmarks/report.png and docs/benchmarks.md.
"""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.status import Status

from benchmarks.cases import CASES, FAULTS_CASES, MODELS_CASES, RULES_CASES, Case, Context, Numbers
from benchmarks.cases.servers import Servers
from benchmarks.cases.sizes import FULL, QUICK, Sizes
from benchmarks.plot import plot
from benchmarks.report import REPORT, merge, read_report, table, write_docs, write_report
from benchmarks.surroundings import surroundings
from jobs.stack.signals import exit_on_signals

_SAY_EVERY_S = 5.0
_QUIET = 0.5  # load average of a machine that does nothing else


class Suite(StrEnum):
    """Which measurements."""

    JOB = "job"
    RULES = "rules"
    FAULTS = "faults"
    MODELS = "models"


app = typer.Typer(add_completion=False)
console = Console()


@app.command()
def bench(
    quick: Annotated[bool, typer.Option("--quick", help="less data, six minutes")] = False,
    suite: Annotated[
        Suite, typer.Option(help="the job and its peers, what definitions can do, faults, models")
    ] = Suite.JOB,
    only: Annotated[list[str] | None, typer.Option(help="only this measurement; may be repeated")] = None,
    report: Annotated[Path, typer.Option(help="file that the figures are merged into")] = REPORT,
    events: Annotated[int | None, typer.Option(min=2_000, help="at most so many events, for trying things")] = None,
    users: Annotated[int | None, typer.Option(min=1_000, help="at most so many users, for trying things")] = None,
    latency_rate: Annotated[float | None, typer.Option(min=100, help="events/s, instead of half the job's")] = None,
) -> None:
    """Measure, show and write the figures; exits with 1 when a measurement fails, 2 when asked for one that is none."""
    sizes = (QUICK if quick else FULL).scaled(events, users, latency_rate)
    cases = _chosen(_cases(suite), only)
    busy = os.getloadavg()[0]
    if busy > _QUIET:
        console.print(f"[yellow]The machine is busy (load {busy:.1f}): the figures will be worse than they should be.")
    results = _measure_all(cases, sizes, report)
    merged = read_report(report)
    console.print(table(merged))
    plot(merged, report.with_suffix(".png"))
    if report == REPORT:
        write_docs(merged)
    failed = [name for name, numbers in results.items() if "error" in numbers]
    if failed:
        console.print(f"[bold red]failed: {', '.join(failed)}")
        raise typer.Exit(1)


def _cases(suite: Suite) -> Sequence[Case]:
    """Return the measurements of a suite."""
    others = {Suite.RULES: RULES_CASES, Suite.FAULTS: FAULTS_CASES, Suite.MODELS: MODELS_CASES}
    return CASES if suite == Suite.JOB else others[suite]


def _chosen(cases: Sequence[Case], only: Sequence[str] | None) -> list[Case]:
    names = [case.name for case in cases]
    unknown = sorted(set(only or ()) - set(names))
    if unknown:
        raise typer.BadParameter(f"there is no measurement {', '.join(unknown)}; there are {', '.join(names)}")
    return [case for case in cases if not only or case.name in only]


def _measure_all(cases: Sequence[Case], sizes: Sizes, report: Path) -> dict[str, Numbers]:
    """Measure one by one; what is known is written after each, so that an interrupted run keeps it."""
    before = read_report(report)
    results: dict[str, Numbers] = {}
    stamped: dict[str, dict[str, Any]] = {}
    with Servers() as servers:
        for place, case in enumerate(cases, 1):
            console.print(f"[bold]{place}/{len(cases)} {case.title}")
            where = surroundings(sizes.name)
            with console.status(case.title, refresh_per_second=2) as status:
                context = Context(sizes, servers, lambda: _job_rate(results, before), _Teller(status).say)
                started = time.monotonic()
                results[case.name] = _measure(case, context)
            console.print(f"  {time.monotonic() - started:.0f} s", style="dim")
            stamped[case.name] = {**results[case.name], **where}
            write_report(report, merge(before, stamped))
    return results


def _measure(case: Case, context: Context) -> Numbers:
    try:
        numbers = case.measure(context)
    except Exception as error:  # noqa: BLE001 - one measurement that fails must not keep the others from running
        console.print(f"  [bold red]failed:[/] {escape(str(error))}", highlight=False)
        return {"error": "".join(traceback.format_exception_only(error)).strip()[-2_000:]}
    for name, value in numbers.items():
        console.print(f"  {name:<28} {value:>16,.3f}" if isinstance(value, float) else f"  {name:<28} {value:>16}")
    return numbers


def _job_rate(results: dict[str, Numbers], before: dict[str, Any]) -> float | None:
    """Return what the job has managed (events/s): in this run if it was measured, else in the report."""
    rate = results["job"].get("events_per_s") if "job" in results else before.get("job_events_per_s")
    return None if rate is None else float(rate)


class _Teller:
    """Says what is going on: on a terminal in a line that changes, elsewhere in a line every few seconds."""

    def __init__(self, status: Status) -> None:
        self._status = status
        self._said_at = 0.0

    def say(self, text: str) -> None:
        self._status.update(text)
        if not console.is_terminal and time.monotonic() - self._said_at >= _SAY_EVERY_S:
            self._said_at = time.monotonic()
            console.print(f"  {text}", highlight=False)


if __name__ == "__main__":
    exit_on_signals()
    app()
