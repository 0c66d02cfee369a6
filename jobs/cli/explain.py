"""`segments explain`: why a user is in a segment or not, and which events count."""

# ruff: noqa: PLR0913, PLR0917 - a command's options are its parameters
# ruff: noqa: PLC0415 - what loads Kafka, Redis or Flink is imported when it is used

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from jobs.cli.bars import bars
from jobs.cli.errors import BadInput, Failed, for_people
from jobs.cli.explain_text import print_explanation
from jobs.cli.inputs import (
    ROOT,
    DefinitionsOption,
    MappingOption,
    Order,
    OrderOption,
    SettingsOption,
    checked_settings,
    events_of,
    parse_instant,
)
from jobs.cli.release_model import VersionsOption, versions_in_registry
from jobs.cli.reports import ReportFormat, print_json
from jobs.cli.submit import KAFKA, addresses
from jobs.cli.train import MODELS, REGISTRY, ModelsOption, RegistryOption
from jobs.settings import Settings
from segments.backfill_chunks import Chunk
from segments.control import ControlRecord, Release, Thresholds
from segments.definitions.model import Definitions
from segments.explain import UnknownUser
from segments.explain import explain as explain_user
from segments.explanation import Explanation
from segments.record_times import with_record_times


@for_people()
def explain(
    user: Annotated[str, typer.Argument(help="The user's id.")],
    events: Annotated[Path | None, typer.Option(help="Read this file.", show_default="the events topics")] = None,
    mapping: MappingOption = None,
    order: OrderOption = Order.time,
    segment: Annotated[list[str] | None, typer.Option(help="Only this segment; may be given again.")] = None,
    at: Annotated[
        str | None, typer.Option(help="The instant: ISO 8601 or ms.", show_default="that of the newest event")
    ] = None,
    bootstrap_servers: Annotated[
        str | None, typer.Option(help="Kafka, host:port.", show_default="that of the settings")
    ] = None,
    run: Annotated[str | None, typer.Option("--run", help="Use Kafka of this local stack.")] = None,
    model: VersionsOption = None,
    models: ModelsOption = MODELS,
    registry: RegistryOption = REGISTRY,
    definitions: DefinitionsOption = None,
    settings: SettingsOption = None,
    output: Annotated[ReportFormat, typer.Option("--format", help="For people or programs.")] = ReportFormat.text,
) -> None:
    """Say for each segment whether the user is in it, by which events, since when and why, and when that changes.

    Reads the events topics of the settings up to their end, or a file. docs/explain.md

    Example: segments explain u42 --events events.ndjson --at 2026-11-22T10:00:00Z

    Exit codes: 0 done, 1 no events of this user, or Kafka does not answer, 2 wrong input or configuration.
    """
    from scoring.source import scorers

    if events is None and (mapping is not None or order is not Order.time):
        raise BadInput("--mapping and --order say how to read a file: give --events FILE too")
    if events is not None and (bootstrap_servers is not None or run is not None):
        raise BadInput("give either --events FILE, or where Kafka is: --bootstrap-servers or --run")
    if model and events is None and definitions is None:
        raise BadInput("the job's control topic says which versions score: --model goes with --events or --definitions")
    instant = None if at is None else parse_instant(at)
    job, checked = checked_settings(settings, definitions, {**os.environ, **_overrides(bootstrap_servers, run)})
    told = _told(job) if events is None and definitions is None else []
    source = _from_file(events, mapping, order) if events is not None else _from_topics(job)
    try:
        found = explain_user(
            told or checked,
            source,
            user,
            at=instant,
            allowed_lateness=job.event_time.allowed_lateness,
            plausibility=job.plausibility,
            scorers=scorers(job.scoring.cache_dir),
            models=versions_in_registry(model, models, registry),
            handed=_handed(job, told),
            found=_bounds(job, checked, _from_file(events, mapping, order)) if events is not None else (),
        )
    except UnknownUser as error:
        raise Failed(str(error.args[0])) from None
    if segment:
        found = _only(found, segment)
    if output is ReportFormat.json:
        print_json(found)
    else:
        print_explanation(found)


def _only(found: Explanation, names: list[str]) -> Explanation:
    unknown = sorted(set(names) - {each.segment for each in found.segments})
    if unknown:
        raise BadInput(f"--segment takes names of segments that are defined at that instant: '{unknown[0]}' is none")
    return msgspec.structs.replace(found, segments=[each for each in found.segments if each.segment in names])


def _overrides(bootstrap_servers: str | None, run: str | None) -> dict[str, str]:
    overrides = {}
    if run is not None:
        from jobs.stack.stack import Stack

        overrides = addresses(Stack.attach(ROOT, run))
    return overrides if bootstrap_servers is None else overrides | {KAFKA: bootstrap_servers}


def _told(job: Settings) -> list[ControlRecord]:
    from jobs.control_topic import records_told
    from jobs.topics import TopicError

    try:
        return records_told(job.kafka)
    except TopicError as error:
        raise Failed(str(error)) from None


def _handed(job: Settings, told: list[ControlRecord]) -> list[Chunk]:
    from jobs.backfill.topic import handed_over
    from jobs.topics import TopicError

    try:
        return handed_over(job.kafka, [record for record in told if isinstance(record, Release)])
    except TopicError as error:
        raise Failed(str(error)) from None


def _bounds(job: Settings, checked: Definitions, events: Iterable[tuple[bytes, int | None]]) -> list[Thresholds]:
    from segments.replay import found_bounds

    return found_bounds(
        checked, events, allowed_lateness=job.event_time.allowed_lateness, plausibility=job.plausibility
    )


def _from_file(path: Path, mapping: str | None, order: Order) -> Iterable[tuple[bytes, int | None]]:
    return with_record_times(events_of(path, mapping, by_time=order is Order.time))


def _from_topics(job: Settings) -> Iterable[tuple[bytes, int | None]]:
    """Yield the records of the events topics, as the job reads them, under a bar."""
    from jobs.topics import TopicError, TopicReader

    kafka = job.kafka
    try:
        reading = TopicReader(kafka.bootstrap_servers, kafka.events_topics, properties=kafka.consumer_properties)
        with bars() as shown, reading as reader:
            for record in reader.to_the_end(shown.of_total(", ".join(kafka.events_topics))):
                yield record.value or b"", record.timestamp
    except TopicError as error:
        raise Failed(str(error)) from None
