"""`segments replay`: the engine without Flink, over a file."""

# ruff: noqa: PLR0913, PLR0917 - a command's options are its parameters
# ruff: noqa: PLC0415 - what loads numpy is imported when it is used

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, BinaryIO

import msgspec
import typer
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from jobs.cli.errors import BadInput, for_people
from jobs.cli.inputs import (
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
from jobs.cli.train import MODELS, REGISTRY, ModelsOption, RegistryOption
from jobs.settings import Settings
from segments.changes import Change, encode_change
from segments.control import ControlRecord, decode_control
from segments.history import History, first_release
from segments.replay import Replay

_PROGRESS_EVERY = 10_000


@for_people()
def replay(
    events: Annotated[Path, typer.Argument(help="NDJSON or CSV, .gz or not.")],
    mapping: MappingOption = None,
    definitions: DefinitionsOption = None,
    settings: SettingsOption = None,
    order: OrderOption = Order.time,
    control: Annotated[
        Path | None,
        typer.Option(
            help="What a job was told: NDJSON with the records of its control topic, instead of definitions.",
            show_default="the definitions always hold, bounds of the population are found",
        ),
    ] = None,
    model: VersionsOption = None,
    models: ModelsOption = MODELS,
    registry: RegistryOption = REGISTRY,
    until: Annotated[
        str | None, typer.Option(help="Let time go on to this instant: ISO 8601 or ms.", show_default="newest event")
    ] = None,
    user: Annotated[str | None, typer.Option(help="Print this user's changes only.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write changes to this file.", show_default="stdout")] = None,
) -> None:
    """Print the changes that the job would make of recorded events: NDJSON, byte for byte as in the segment topic.

    Example: segments replay events.csv.gz --mapping rees46 > changes.ndjson

    Exit codes: 0 done, 2 wrong input or configuration.
    """
    from scoring.source import scorers

    if model and control is not None:
        raise BadInput("--control says which versions score: leave out --model")
    until_ms = None if until is None else parse_instant(until)
    job, checked = checked_settings(settings, definitions)
    times = job.event_time
    told = _told(control) if control is not None else _with_models(job, model, models, registry) if model else checked
    run = Replay(
        told,
        allowed_lateness=times.allowed_lateness,
        out_of_orderness=times.out_of_orderness,
        plausibility=job.plausibility,
        scorers=scorers(job.scoring.cache_dir),
    )
    skipped = Counter[str]()
    source = events_of(events, mapping, by_time=order == Order.time, skipped=skipped)
    with ExitStack() as open_files:
        output: BinaryIO = open_files.enter_context(_create(out)) if out else sys.stdout.buffer
        written = _write(run.run(_with_progress(source), until_ms), output, user)
        output.flush()
    typer.echo(_summary(run.counts, skipped, written), err=True)


def _with_models(job: Settings, labels: list[str], models: Path, registry: str) -> list[ControlRecord]:
    """Return what a job would be told that has these versions in force from the start."""
    versions = versions_in_registry(labels, models, registry)
    text = job.definitions.path.read_text(encoding="utf-8")
    return [msgspec.structs.replace(first_release(text), models=versions)]


def _told(path: Path) -> list[ControlRecord]:
    """Return the control records in a file, each number once."""
    history = History()
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}") from None
    for number, line in enumerate(lines, 1):
        try:
            history.add(decode_control(line))
        except msgspec.DecodeError as error:
            raise BadInput(f"{path}:{number}: this is no record of a control topic: {error}") from None
    if history.current is None:
        raise BadInput(f"{path} holds no release: a control topic begins with one")
    return history.records


def _create(path: Path) -> BinaryIO:
    try:
        return path.open("wb")
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror}") from None


def _write(changes: Iterable[Change], output: BinaryIO, user: str | None) -> int:
    written = 0
    for change in changes:
        if user is None or change.user_id == user:
            output.write(encode_change(change) + b"\n")
            written += 1
    return written


def _with_progress(events: Iterable[bytes]) -> Iterator[bytes]:
    """Pass events on, showing how many on stderr where that is a terminal."""
    if not sys.stderr.isatty():
        yield from events
        return
    columns = (SpinnerColumn(), TextColumn("events"), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("events", total=None)
        for count, event in enumerate(events, 1):
            if count % _PROGRESS_EVERY == 0:
                progress.update(task, completed=count)
            yield event


def _summary(counts: Counter[str], skipped: Counter[str], written: int) -> str:
    parts = [f"{counts['applied']:,} applied"]
    parts += [f"{counts[name]:,} {name}" for name in ("duplicates", "late") if counts[name]]
    reasons = ", ".join(
        f"{name.removeprefix('rejected.')} {count:,}" for name, count in sorted(counts.items()) if "." in name
    )
    if counts["rejected"]:
        parts.append(f"{counts['rejected']:,} rejected ({reasons})")
    if skipped:
        parts.append("rows skipped: " + ", ".join(f"{reason} {count:,}" for reason, count in skipped.items()))
    shown = "" if written == counts["changes"] else f", {written:,} of them printed"
    return f"events: {'; '.join(parts)}\nchanges: {counts['changes']:,}{shown}"
