"""`segments cost`: what each segment takes, in bytes a user and in work an event."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from jobs.cli.bars import counted
from jobs.cli.errors import FAILED, BadInput, for_people
from jobs.cli.inputs import SHIPPED_DEFINITIONS, MappingOption, budgeted_definitions, sorted_events
from jobs.cli.lint import EventsOption
from jobs.cli.reports import ReportFormat, print_json
from segments.cost import CostReport, budget_us, measure, state_bound
from segments.definitions import Definitions
from segments.events import EventDecoder, RejectedEvent
from segments.profiles import shard_of


@for_people()
def cost(
    file: Annotated[Path, typer.Argument(help="A segments.yaml.")] = SHIPPED_DEFINITIONS,
    events: EventsOption = None,
    mapping: MappingOption = None,
    sample: Annotated[
        int, typer.Option(min=1, help="Time the work on about this many events, of whole users.")
    ] = 20_000,
    output: Annotated[
        ReportFormat, typer.Option("--format", help="For people or programs; json needs --events.")
    ] = ReportFormat.text,
) -> None:
    """Say for each segment how many bytes of state a user has and at most can have, and how much work an event is.

    Without --events the bounds alone. What several segments share counts in equal parts for each.

    Example: segments cost conf/segments.yaml --events events.csv.gz --mapping taobao

    Exit codes: 0 within budget, 1 over budget.us_per_event or no readable event, 2 over budget.bytes_per_user or wrong.
    """
    definitions = budgeted_definitions(file)
    if not events:
        if mapping is not None or output is ReportFormat.json:
            raise BadInput("give the recorded events: --events FILE")
        Console(width=None if sys.stdout.isatty() else 120).print(_bounds(definitions))
        return
    recorded = sorted_events(events, mapping)
    timed = _of_some_users(recorded, sample)
    measured = counted(recorded, "events measured")
    report = measure(definitions, str(file), measured, timed, time.perf_counter, lambda runs: counted(runs, "timings"))
    if output is ReportFormat.json:
        print_json(report)
    else:
        _print(report)
    over = _over(report, definitions)
    for line in over:
        typer.echo(line, err=True)
    if over:
        raise typer.Exit(FAILED)


def _of_some_users(events: Sequence[bytes], most: int) -> list[bytes]:
    """Return the events of every k-th user, so that about `most` are left; the choice depends on the ids alone."""
    every, decode, chosen = -(-len(events) // most), EventDecoder().decode, []
    for payload in events:
        try:
            user = decode(payload).user_id
        except RejectedEvent:
            continue
        if shard_of(user, every) == 0:
            chosen.append(payload)
    return chosen or list(events[:most])


def _over(report: CostReport, definitions: Definitions) -> list[str]:
    budgets = {segment.name: budget_us(segment, definitions) for segment in definitions.segments}
    return [
        f"{each.segment}: takes {each.us_per_event:.2f} us an event, its budget.us_per_event is {budget:g}"
        for each in report.segments
        if (budget := budgets[each.segment]) is not None and each.us_per_event > budget
    ]


def _bounds(definitions: Definitions) -> Table:
    table = Table("Segment", title_justify="left")
    table.add_column("bytes/user, at most", justify="right")
    for segment in definitions.segments:
        table.add_row(segment.name, f"{state_bound(segment, definitions):,}")
    return table


def _print(report: CostReport) -> None:
    console = Console(width=None if sys.stdout.isatty() else 140)
    table = Table("Segment")
    for title in (
        "bytes/user",
        "p99",
        "alone",
        "at most",
        "updates/event",
        "asks/event",
        "us/event",
        "alone",
        "shares",
    ):
        table.add_column(title, justify="right", no_wrap=True)
    for each in report.segments:
        table.add_row(
            each.segment,
            f"{each.bytes_mean:,.1f}",
            f"{each.bytes_p99:,.1f}",
            f"{each.bytes_alone_mean:,.1f}",
            f"{each.bytes_bound:,}",
            f"{each.updates_per_event:.2f}",
            f"{each.asks_per_event:.2f}",
            f"{each.us_per_event:.2f}",
            f"{each.us_alone:.2f}",
            f"with {len(each.shared_with)}" if each.shared_with else "",
        )
    base, whole = report.base_bytes_mean, report.profile_bytes_mean
    table.add_row("(every profile, every event)", f"{base:,.1f}", "", "", "", "", "", f"{report.base_us_per_event:.2f}")
    table.add_row("whole", f"{whole:,.1f}", "", "", "", "", "", f"{report.us_per_event:.2f}")
    console.print(table)
    console.print(
        f"{report.events:,} events of {report.users:,} users; times: best of 5 on {report.timed_events:,} events.\n"
        "A feature that n segments read counts 1/n for each; 'alone' and 'at most' count it in full.",
        markup=False,
        highlight=False,
    )
