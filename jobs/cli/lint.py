"""`segments lint`: what is wrong with definitions that are valid."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from jobs.cli.bars import counted
from jobs.cli.errors import FAILED, BadInput, Failed, for_people
from jobs.cli.inputs import SHIPPED_DEFINITIONS, MappingOption, checked_definitions, sorted_events
from jobs.cli.reports import print_json
from segments.lint import LintReport, Recorded
from segments.lint import lint as examine


class Format(StrEnum):
    """How findings are printed."""

    text = "text"
    json = "json"
    github = "github"


class FailOn(StrEnum):
    """Which findings make the exit code 1."""

    error = "error"
    warning = "warning"


EventsOption = Annotated[list[Path] | None, typer.Option("--events", help="Recorded events; may be given again.")]


@for_people()
def lint(
    file: Annotated[Path, typer.Argument(help="A segments.yaml.")] = SHIPPED_DEFINITIONS,
    events: EventsOption = None,
    mapping: MappingOption = None,
    output: Annotated[Format, typer.Option("--format", help="For people, programs, or GitHub's annotations.")] = (
        Format.text
    ),
    fail_on: Annotated[FailOn, typer.Option(help="End with 1 from this severity on.")] = FailOn.warning,
) -> None:
    """Find segments that contradict themselves, repeat each other, cost too much or have no owner; docs/lint.md.

    With recorded events also what only data shows: overlaps, segments that nobody enters, names that never occur.

    Example: segments lint conf/segments.yaml --events events.csv.gz --mapping taobao

    Exit codes: 0 nothing found, 1 findings of that severity or no event could be read, 2 wrong input or no such file.
    """
    definitions = checked_definitions(file)
    if mapping is not None and not events:
        raise BadInput("--mapping says how to read a file: give --events FILE too")
    recorded = None
    if events:
        recorded = Recorded(definitions).watch(counted(sorted_events(events, mapping), "events replayed"))
        if not recorded.events:
            raise Failed(f"{', '.join(map(str, events))}: these definitions can read no event: see segments replay")
    report = examine(file.read_text(encoding="utf-8"), str(file), recorded)
    _PRINT[output](report)
    if report.errors or (report.warnings and fail_on is FailOn.warning):
        raise typer.Exit(FAILED)


def _text(report: LintReport) -> None:
    for finding in report.findings:
        typer.echo(str(finding))
    seen = "" if report.events is None else f", {report.events:,} events of {report.users:,} users"
    found = f"{report.errors} errors, {report.warnings} warnings" if report.findings else "nothing found"
    typer.echo(f"{report.file}: {report.segments} segments{seen}: {found}, {report.accepted} accepted", err=True)


def _github(report: LintReport) -> None:
    for each in report.findings:
        about = f"{each.segment}: " if each.segment else ""
        message = _escaped(f"{about}{each.message} ({each.advice})")
        typer.echo(f"::{each.severity} file={_escaped(each.file)},line={each.line},title={each.code}::{message}")


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


_PRINT: dict[Format, Callable[[LintReport], None]] = {
    Format.text: _text,
    Format.json: print_json,
    Format.github: _github,
}
