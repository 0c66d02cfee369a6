"""`segments diff`: the live segments against those in the shadow."""

# ruff: noqa: PLC0415 - what loads Kafka is imported when it is used

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from jobs.cli.errors import BadInput, for_people
from jobs.cli.inputs import SettingsOption, instant_text, reason_text
from jobs.cli.release import ServersOption, StackOption, connected, explained
from jobs.cli.reports import TABLE_WIDTH, ReportFormat, print_json
from jobs.settings import KafkaSettings
from segments.changes import decode_change
from segments.definitions import parse_definitions
from segments.history import History
from segments.shadow_diff import Members, SegmentComparison, ShadowComparison, compare, compared_names
from segments.shadow_names import in_shadow, plain_name


@for_people()
def diff(
    name: Annotated[str | None, typer.Argument(help="Only this segment.")] = None,
    sample: Annotated[int, typer.Option(min=0, max=1_000, help="Users shown for each segment.")] = 5,
    form: Annotated[ReportFormat, typer.Option("--format", help="For people or for programs.")] = ReportFormat.text,
    settings: SettingsOption = None,
    bootstrap_servers: ServersOption = None,
    run: StackOption = None,
) -> None:
    """Compare the live segments with those in the shadow: members of each, of both, of one only, and changes a day.

    Example: segments diff cart_abandoner

    Exit codes: 0 done, 1 Kafka gave no answer, 2 nothing is in the shadow, or no such segment.
    """
    from jobs.control_topic import read_history

    job = connected(settings, bootstrap_servers, run)
    with explained():
        report = _compared(job.kafka, read_history(job.kafka), name, sample)
    if form is ReportFormat.json:
        print_json(report)
    else:
        _print(report)


def _compared(kafka: KafkaSettings, history: History, name: str | None, sample: int) -> ShadowComparison:
    from jobs.backfill.job import pending

    current = history.current
    if current is None or current.shadow is None:
        raise BadInput("nothing is in the shadow: segments release FILE --shadow puts it there")
    names = compared_names(parse_definitions(current.definitions), parse_definitions(current.shadow), name)
    if not names:
        missing = "no segment differs" if name is None else f"no segment named '{name}' differs"
        raise BadInput(f"{missing} between the live definitions and the shadow")
    since = shadow_since(history)
    live, shadow = Members(names, since), Members(names, since)
    for topic, members in ((kafka.changes_topic, live), (kafka.shadow_changes_topic, shadow)):
        _read(kafka, topic, members.add)
    lacking = pending(history)
    warming = [plain_name(each) for each in lacking.backfill.warming if in_shadow(each)] if lacking is not None else []
    return compare(current.number, since, live, shadow, sample, warming)


def shadow_since(history: History) -> int:
    """Return from when on (ms) what is in the shadow is evaluated beside what is live now, models included."""
    releases = [release for release in history.releases if release.number not in history.refused]
    newest = releases[-1]
    since = newest.effective_at
    for release in reversed(releases):
        alike = (release.definitions, release.shadow, release.models)
        if alike != (newest.definitions, newest.shadow, newest.models):
            break
        since = release.effective_at
    return since


def _read(kafka: KafkaSettings, topic: str, take: Callable[..., None]) -> None:
    from jobs.topics import TopicReader

    with (
        TopicReader(
            kafka.bootstrap_servers, [topic], committed_only=True, properties=kafka.consumer_properties
        ) as reader,
        Console(stderr=True).status(f"reading {topic}"),
    ):
        for record in reader.to_the_end():
            if record.value is not None:
                take(decode_change(record.value))


def _print(report: ShadowComparison) -> None:
    typer.echo(f"release {report.release}, {instant_text(report.since)} to {instant_text(report.until)} UTC")
    table = Table("segment", "live", "shadow", "both", "only live", "only shadow", "Jaccard", "changes a day")
    for each in report.segments:
        table.add_row(*_row(each))
    console = Console(markup=False, highlight=False, width=TABLE_WIDTH)
    console.print(table)
    if warming := [each.segment for each in report.segments if each.warming]:
        typer.echo(f"warming in the shadow: {', '.join(warming)}; nobody enters or leaves until it is filled in")
    for each in report.segments:
        for moved in each.sample:
            typer.echo(f"{each.segment}: only {moved.only}: {moved.user_id}, since {instant_text(moved.at)}")
            for reason in moved.because:
                typer.echo(f"    {reason_text(reason)}")


def _row(each: SegmentComparison) -> list[str]:
    counts = (each.live, each.shadow, each.both, each.only_live, each.only_shadow)
    jaccard = "-" if each.jaccard is None else f"{each.jaccard:.3f}"
    rates = f"{each.live_changes_a_day:,.1f} live, {each.shadow_changes_a_day:,.1f} shadow"
    return [each.segment, *(f"{count:,}" for count in counts), jaccard, rates]
