"""`segments funnel`: how many users came how far through ordered steps, and how fast."""

# ruff: noqa: PLR0913, PLR0917 - a command's options are its parameters

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich.console import Console
from rich.table import Table

from jobs.cli.bars import bars
from jobs.cli.errors import BadInput, Failed, for_people
from jobs.cli.inputs import DefinitionsOption, MappingOption, SettingsOption, checked_settings, instant_text
from jobs.cli.reports import ReportFormat
from jobs.funnel import run_funnel
from jobs.recording import NoEvents, default_workers
from segments.definitions import Definitions, parse_definitions
from segments.definitions.steps import Sequence
from segments.durations import format_duration
from segments.funnel import FunnelReport, encode_funnel, funnel_question, sequences

_BREAKDOWN_SHOWN = 20


@for_people()
def funnel(
    what: Annotated[list[str], typer.Argument(help="A segment's name; with --steps the steps: names or selectors.")],
    events: Annotated[Path, typer.Option(help="Recorded events: NDJSON or CSV, .gz or not.")],
    steps: Annotated[bool, typer.Option("--steps", help="The arguments are the steps of the funnel.")] = False,
    within: Annotated[str | None, typer.Option(help="With --steps: how long it may take, such as 24h.")] = None,
    per: Annotated[str | None, typer.Option(help="With --steps: the property that joins the steps.")] = None,
    by: Annotated[str | None, typer.Option(help="Break down by trait:NAME or context:PATH.")] = None,
    mapping: MappingOption = None,
    format: Annotated[ReportFormat, typer.Option(help="For people or for machines.")] = ReportFormat.text,  # noqa: A002 - the option's name
    workers: Annotated[int | None, typer.Option(min=1, help="Processes.", show_default="number of cores")] = None,
    definitions: DefinitionsOption = None,
    settings: SettingsOption = None,
) -> None:
    """Count how many users reach each step, who is lost where, and how long each step takes.

    Example: segments funnel --steps "Product Viewed" "Product Added" "Order Completed" --within 24h --events e.ndjson

    Exit codes: 0 done, 1 no event could be read, 2 wrong input or configuration.
    """
    job, checked = checked_settings(settings, definitions)
    sequence = _given(what, within, per) if steps else _of_segment(checked, what, within, per)
    try:
        question = funnel_question(checked, sequence, job.plausibility, by)
    except ValueError as error:
        raise BadInput(f"--by {error}") from None
    try:
        with bars() as shown:
            report = run_funnel(question, events, mapping, workers or default_workers(), shown.add)
    except NoEvents as error:
        raise Failed(str(error)) from None
    if format == ReportFormat.json:
        typer.echo(encode_funnel(report).decode())
    else:
        _print(report, Console(file=sys.stdout, markup=False, highlight=False))


def _given(steps: list[str], within: str | None, per: str | None) -> Sequence:
    """Return the steps of the command line, checked as those of a file are; raises DefinitionErrors."""
    if within is None:
        raise BadInput("--steps needs --within: how long the whole funnel may take, for example 24h")
    try:
        selectors = [yaml.safe_load(step) if step.lstrip().startswith("{") else step for step in steps]
    except yaml.YAMLError:
        raise BadInput("a step is an event's name, or a selector such as '{event: Order, where: {a: b}}'") from None
    spec: dict[str, Any] = {"steps": selectors, "within": within} | ({"per": per} if per else {})
    file = yaml.safe_dump({"segments": [{"name": "funnel", "when": {"sequence": spec}}]}, sort_keys=False)
    return sequences(parse_definitions(file, "--steps").segments[0])[0]


def _of_segment(definitions: Definitions, names: list[str], within: str | None, per: str | None) -> Sequence:
    if len(names) != 1:
        raise BadInput("give one segment's name, or --steps and the names of at least two events")
    if within is not None or per is not None:
        raise BadInput("--within and --per go with --steps: a segment's sequence has its own")
    segment = next((each for each in definitions.segments if each.name == names[0]), None)
    if segment is None:
        raise BadInput(f"no segment is named '{names[0]}'; for a list of events write --steps")
    found = sequences(segment)
    if len(found) != 1:
        raise BadInput(f"segment '{names[0]}' has {len(found)} sequence conditions, not one; write --steps")
    return found[0]


def _print(report: FunnelReport, console: Console) -> None:
    of = f"{report.events.get('applied', 0):,} events of {report.users:,} users"
    console.print(f"{of}, {instant_text(report.first)} to {instant_text(report.last)} UTC", soft_wrap=True)
    joined = f", the steps joined on {report.per}" if report.per else ""
    within = report.within if report.within_ms is None else f"within {format_duration(report.within_ms)}"
    console.print(f"{within}{joined}", soft_wrap=True)
    unit = f"Values of {report.per}" if report.per else ""
    table = Table()
    table.add_column("Step")
    for name in ("Users", *([unit] if unit else []), "Lost", "Of previous", "Of first", "Median", "p90"):
        table.add_column(name, justify="right")
    for step in report.steps:
        units = [f"{step.units:,}"] if unit else []
        shares = [_share(step.of_previous), _share(step.of_first)]
        times = [_time(step.median_ms), _time(step.p90_ms)]
        table.add_row(step.step, f"{step.users:,}", *units, f"{step.lost:,}", *shares, *times)
    console.print(table)
    if undecided := report.steps[-1].undecided:
        console.print(f"Of {undecided:,} the recording ends before the last step is decided.", soft_wrap=True)
    if report.breakdown:
        _print_breakdown(report, console)


def _print_breakdown(report: FunnelReport, console: Console) -> None:
    table = Table(title=f"By {report.by}")
    table.add_column("")
    for step in report.steps:
        table.add_column(step.step, justify="right")
    for value, reached in list(report.breakdown.items())[:_BREAKDOWN_SHOWN]:
        table.add_row(value, *(f"{count:,} ({_share(count / reached[0])})" for count in reached))
    console.print(table)
    if len(report.breakdown) > _BREAKDOWN_SHOWN:
        console.print(f"and {len(report.breakdown) - _BREAKDOWN_SHOWN:,} values more, see --format json")


def _share(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"


def _time(milliseconds: int | None) -> str:
    """Return a time between steps to the second, shorter ones to the millisecond."""
    if milliseconds is None:
        return ""
    return format_duration(milliseconds if milliseconds < 1_000 else milliseconds // 1_000 * 1_000)
