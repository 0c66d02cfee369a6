"""`segments history`: who released what when."""

# ruff: noqa: PLC0415 - what loads Kafka is imported when it is used

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Annotated

import msgspec
import typer

from jobs.cli.errors import BadInput, for_people
from jobs.cli.inputs import SettingsOption, instant_text
from jobs.cli.release import ServersOption, StackOption, connected, explained
from jobs.cli.release_text import diff_line, model_lines
from jobs.cli.reports import ReportFormat, print_json
from segments.audit import ReleaseRefused
from segments.control import Release
from segments.definitions import DefinitionErrors, parse_definitions
from segments.history import History
from segments.models.released import ModelVersion
from segments.release_diff import SegmentDiff, release_diff
from segments.shadow_names import names_of, plain_name


class ReleaseReport(msgspec.Struct, frozen=True):
    """One release and what it changed; times in ms."""

    number: int
    action: str
    released_at: int
    effective_at: int
    by: str
    note: str
    changed: list[SegmentDiff]
    in_shadow: list[SegmentDiff]
    refused: str | None = None  # why the job cannot use it; None: it does not say so
    models: list[str] = []  # which versions of models differ
    unreadable: str | None = None  # why this version of the command cannot say what it changed


class HistoryReport(msgspec.Struct, frozen=True):
    """All releases, oldest first, or those that changed one segment. `warming` are segments not complete yet."""

    segment: str | None
    releases: list[ReleaseReport]
    warming: list[str]


@for_people()
def history(
    name: Annotated[str | None, typer.Argument(help="Only releases that changed this segment, with how.")] = None,
    form: Annotated[ReportFormat, typer.Option("--format", help="For people or for programs.")] = ReportFormat.text,
    settings: SettingsOption = None,
    bootstrap_servers: ServersOption = None,
    run: StackOption = None,
) -> None:
    """Say who released what when, and what each release changed.

    Example: segments history cart_abandoner

    Exit codes: 0 done, 1 Kafka gave no answer, 2 wrong settings, or no release ever had this segment.
    """
    from jobs.audit_topic import refused_releases
    from jobs.backfill.job import pending
    from jobs.control_topic import read_history

    with explained():
        kafka = connected(settings, bootstrap_servers, run).kafka
        known, refused = read_history(kafka), refused_releases(kafka)
    lacking = pending(known)
    report = history_report(known, name, list(lacking.backfill.warming) if lacking is not None else [], refused)
    if name is not None and not report.releases:
        raise BadInput(f"no release changed a segment named '{name}'")
    if form is ReportFormat.json:
        print_json(report)
    else:
        _print(report)


def history_report(
    known: History,
    name: str | None = None,
    warming: Sequence[str] = (),
    refused: Mapping[tuple[int, int], ReleaseRefused] = MappingProxyType({}),
) -> HistoryReport:
    """Return what each release changed, or those that changed one segment and only that.

    What the job refused changed nothing: the next one is compared with what was in force.
    """
    reports = []
    before: str | None = None
    models: Sequence[ModelVersion] = ()
    for release in known.releases:
        changed, hidden, unreadable = _changed(before, release, name)
        refusal = refused.get((release.number, release.effective_at))
        moved = model_lines(models, release.models) if name is None else []
        before = before if refusal or unreadable else release.definitions
        models = models if refusal else release.models
        if name is None or changed or hidden:
            reports.append(
                ReleaseReport(
                    release.number,
                    release.action,
                    release.released_at,
                    release.effective_at,
                    release.by,
                    release.note,
                    changed,
                    hidden,
                    refusal.detail if refusal else None,
                    moved,
                    unreadable,
                )
            )
    return HistoryReport(name, reports, [each for each in warming if name is None or plain_name(each) == name])


def _changed(
    before: str | None, release: Release, name: str | None
) -> tuple[list[SegmentDiff], list[SegmentDiff], str | None]:
    """Return what a release changes, live and in the shadow, or why its definitions cannot be read.

    Another version of the job may have read them: the history must be there all the same.
    """
    shadow = release.shadow if release.action == "shadow" else None
    try:
        parse_definitions(release.definitions, f"release {release.number}")  # so that what is wrong names it
        changed = _only(release_diff(before, release.definitions), name)
        return changed, _only(release_diff(release.definitions, shadow), name) if shadow is not None else [], None
    except DefinitionErrors as errors:
        return [], [], str(errors)


def _only(diffs: list[SegmentDiff], name: str | None) -> list[SegmentDiff]:
    return [each for each in diffs if name is None or each.segment == name]


def _print(report: HistoryReport) -> None:
    for each in report.releases:
        when = instant_text(each.released_at) if each.released_at else "-"
        since = instant_text(each.effective_at) if each.effective_at else "the beginning"
        who = f" by {each.by}" if each.by else ""
        holds = f"holds from {since}" if each.refused is None else f"refused by the job: {each.refused}"
        typer.echo(f"release {each.number}  {each.action:<9}{when}{who}, {holds}  {each.note}".rstrip())
        if each.unreadable is not None and each.refused is None:
            typer.echo(f"    cannot be read by this version of the command: {each.unreadable}")
        for line in each.models:
            typer.echo(f"    {line}")
        for diff in each.changed:
            _print_diff(diff, "", report.segment is not None)
        for diff in each.in_shadow:
            _print_diff(diff, "shadow: ", report.segment is not None)
    if report.warming:
        typer.echo(f"warming: {names_of(report.warming)}; segments backfill completes them")


def _print_diff(diff: SegmentDiff, where: str, in_full: bool) -> None:
    typer.echo(f"    {where}{diff_line(diff)}")
    if in_full:
        for line in diff.lines:
            typer.echo(f"        {line}")
