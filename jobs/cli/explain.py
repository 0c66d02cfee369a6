"""`segments explain`: why a user is in a segment or not."""

# ruff: noqa: PLR0913, PLR0917 - a command's options are its parameters
# ruff: noqa: PLC0415 - what loads Kafka, Redis or Flink is imported when it is used

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from jobs.cli.errors import BadInput, Failed, for_people
from jobs.cli.inputs import (
    DefinitionsOption,
    MappingOption,
    SettingsOption,
    checked_settings,
    events_of,
    instant_text,
    parse_instant,
    reason_text,
)
from jobs.settings import Settings
from segments.explain import Explanation, Standing, UnknownUser, encode_explanation
from segments.explain import explain as explain_user
from segments.record_times import with_record_times


@for_people()
def explain(
    user: Annotated[str, typer.Argument(help="The user's id.")],
    events: Annotated[Path | None, typer.Option(help="Read the events from this file.")] = None,
    mapping: MappingOption = None,
    from_topic: Annotated[bool, typer.Option("--from-topic", help="Read the events from Kafka.")] = False,
    bootstrap_servers: Annotated[
        str | None, typer.Option(help="Kafka, host:port.", show_default="kafka.bootstrap_servers of the settings")
    ] = None,
    at: Annotated[
        str | None, typer.Option(help="The instant: ISO 8601 or ms.", show_default="that of the newest event")
    ] = None,
    definitions: DefinitionsOption = None,
    settings: SettingsOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Say for each segment whether the user is in it, by which values, since when, and when that changes by itself.

    Example: segments explain u42 --events events.ndjson --at 2026-11-22T10:00:00Z

    Exit codes: 0 done, 1 no events of this user, or Kafka does not answer, 2 wrong input or configuration.
    """
    if (events is None) == (not from_topic):
        raise BadInput("say where the events are: --events FILE, or --from-topic")
    instant = None if at is None else parse_instant(at)
    job, checked = checked_settings(settings, definitions)
    source = _from_file(events, mapping) if events is not None else _from_topic(job, bootstrap_servers)
    try:
        found = explain_user(
            checked,
            source,
            user,
            at=instant,
            allowed_lateness=job.event_time.allowed_lateness,
            plausibility=job.plausibility,
        )
    except UnknownUser as error:
        raise Failed(str(error.args[0])) from None
    if as_json:
        typer.echo(encode_explanation(found).decode())
    else:
        _print(found)


def _from_file(path: Path, mapping: str | None) -> Iterable[tuple[bytes, int | None]]:
    return with_record_times(events_of(path, mapping, by_time=True))


def _from_topic(job: Settings, bootstrap_servers: str | None) -> Iterable[tuple[bytes, int | None]]:
    from jobs.topics import TopicError, TopicReader

    try:
        with TopicReader(bootstrap_servers or job.kafka.bootstrap_servers, job.kafka.events_topics) as reader:
            for record in reader.to_the_end():
                yield record.value or b"", record.timestamp
    except TopicError as error:
        raise Failed(str(error)) from None


def _print(found: Explanation) -> None:
    console = Console()
    console.print(f"User {found.user_id} at {instant_text(found.at)} UTC, after {found.events:,} events", markup=False)
    console.print(_table(found.segments))


def _table(standings: list[Standing]) -> Table:
    table = Table(show_lines=True)
    table.add_column("Segment", no_wrap=True)
    table.add_column("")
    table.add_column("Why: + holds, - does not", ratio=1)
    for standing in sorted(standings, key=lambda each: not each.inside):
        place = Text("in", "bold green") if standing.inside else Text("out", "dim")
        name = Text(standing.segment, "bold" if standing.inside else "")
        table.add_row(name, place, Text("\n".join(_lines(standing))))
    return table


def _lines(standing: Standing) -> list[str]:
    lines = [reason_text(reason) for reason in standing.conditions]
    if standing.exit_conditions:
        lines += ["leaves when:", *(reason_text(reason) for reason in standing.exit_conditions)]
    if standing.confidence < 1:
        lines.append(f"confidence {standing.confidence:g}")
    if standing.since is not None:
        lines.append(f"since {instant_text(standing.since)}")
    if standing.next_change_at is not None:
        change = "leaves" if standing.inside else "enters"
        lines.append(f"{change} at {instant_text(standing.next_change_at)} if nothing happens")
    return lines
