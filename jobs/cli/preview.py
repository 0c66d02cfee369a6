"""`segments preview`: who would enter and leave if a definitions file were released."""

# ruff: noqa: PLR0913, PLR0917 - a command's options are its parameters
# ruff: noqa: PLC0415 - what loads Kafka is imported when it is used

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import nullcontext
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from jobs.cli.bars import bars
from jobs.cli.errors import BadInput, Failed, for_people
from jobs.cli.inputs import (
    SHIPPED_DEFINITIONS,
    MappingOption,
    SettingsOption,
    checked_definitions,
    checked_settings,
)
from jobs.cli.preview_text import print_preview
from jobs.cli.release_model import VersionsOption, versions_in_registry
from jobs.cli.submit import addresses, attached
from jobs.cli.train import MODELS, REGISTRY, ModelsOption, RegistryOption
from jobs.preview import Request, run_preview
from jobs.recording import NoEvents, default_workers
from jobs.settings import KafkaSettings
from segments.control import Release
from segments.definitions import Definitions, parse_definitions
from segments.models.releasing import Versions, with_champion, withdrawn_versions
from segments.preview.page import preview_page
from segments.preview.report import Preview, encode_report
from segments.preview.versions import differences

_SAMPLE = 5


class Format(StrEnum):
    """How a report is written."""

    text = "text"
    json = "json"
    html = "html"


@for_people()
def preview(
    new: Annotated[Path, typer.Argument(help="The definitions to be released.")],
    events: Annotated[Path, typer.Option(help="Recorded events: NDJSON or CSV, .gz or not.")],
    against: Annotated[
        Path | None,
        typer.Option(
            help="The running definitions.",
            show_default=f"the newest release, else {SHIPPED_DEFINITIONS} at git's HEAD",
        ),
    ] = None,
    mapping: MappingOption = None,
    user_sample: Annotated[int, typer.Option(min=0, max=1_000, help="Users shown a segment and direction.")] = _SAMPLE,
    overlap_with: Annotated[
        list[str] | None,
        typer.Option(help="Segments to compare members with: changed, all, or names.", show_default="changed"),
    ] = None,
    format: Annotated[Format, typer.Option(help="For people, for machines, for a browser.")] = Format.text,  # noqa: A002 - the option's name
    output: Annotated[Path | None, typer.Option(help="Write to this file.", show_default="stdout")] = None,
    model: VersionsOption = None,
    models: ModelsOption = MODELS,
    registry: RegistryOption = REGISTRY,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes.", show_default="number of cores")] = None,
    settings: SettingsOption = None,
    run: Annotated[str | None, typer.Option("--run", help="Compare to what runs on this local stack.")] = None,
) -> None:
    """Replay recorded events through new and running definitions: who would enter and leave, when, and why.

    Example: segments preview new.yaml --against conf/segments.yaml --events events.ndjson --format html --output p.html

    Exit codes: 0 done, 1 no event could be read, 2 wrong input or configuration.
    """
    overrides = addresses(attached(run)) if run is not None else {}
    job, after = checked_settings(settings, new, {**os.environ, **overrides})
    released = _released(job.kafka) if against is None else None
    before, running = _running(against, released)
    request = Request(
        before,
        after,
        events,
        mapping,
        others=_compared(overlap_with or ["changed"], before, after),
        user_sample=user_sample,
        workers=workers or default_workers(),
        allowed_lateness=job.event_time.allowed_lateness,
        plausibility=job.plausibility,
        models=_scoring(released, versions_in_registry(model, models, registry)),
    )
    try:
        with bars() as shown:
            made = run_preview(request, shown.add)
    except NoEvents as error:
        raise Failed(str(error)) from None
    _write(made, format, output, f"{new} against {running}")


def _scoring(released: Release | None, given: Versions) -> Versions:
    """Return the versions that score on both sides: those given, and of other models those in force."""
    found = released.models if released is not None else ()
    for version in given:
        found = with_champion(withdrawn_versions(found), version)
    return found


def _running(against: Path | None, released: Release | None) -> tuple[Definitions, str]:
    """Return the running definitions and where they come from: a file, the newest release, what git has recorded."""
    if against is not None:
        return checked_definitions(against), str(against)
    if released is not None:
        return parse_definitions(released.definitions, f"release {released.number}"), f"release {released.number}"
    live, git = SHIPPED_DEFINITIONS, shutil.which("git")
    recorded = f"HEAD:{live}"
    if git is not None and live.parent.is_dir():
        command = [git, "-C", str(live.parent), "show", f"HEAD:./{live.name}"]
        shown = subprocess.run(command, capture_output=True, check=False)
        if shown.returncode == 0:
            return parse_definitions(shown.stdout.decode("utf-8", "replace"), recorded), recorded
    raise BadInput(f"say what is running: --against OLD.yaml (git has no {live} at HEAD of this folder)")


def _released(kafka: KafkaSettings) -> Release | None:
    """Return the newest release, None where no Kafka answers or nothing was released."""
    from jobs.control_topic import answers, releases_told
    from jobs.topics import TopicError

    try:
        return next(reversed(releases_told(kafka)), None) if answers(kafka) else None
    except TopicError as error:
        raise Failed(str(error)) from None


def _compared(asked: list[str], before: Definitions, after: Definitions) -> list[str]:
    """Return the segments of the new version that the ones that differ are compared with."""
    names = [segment.name for segment in after.segments]
    if asked == ["all"]:
        return names
    if asked == ["changed"]:
        differing = {each.segment for each in differences(before, after)}
        return [name for name in names if name in differing]
    unknown = [name for name in asked if name not in names]
    if unknown:
        raise BadInput(f"--overlap-with takes all, changed or names: no segment is named '{unknown[0]}'")
    return asked


def _write(made: Preview, form: Format, output: Path | None, title: str) -> None:
    try:
        with output.open("w", encoding="utf-8") if output else nullcontext(sys.stdout) as file:
            if form == Format.json:
                file.write(encode_report(made).decode() + "\n")
            elif form == Format.html:
                file.write(preview_page(made, title))
            else:
                print_preview(made, title, Console(file=file, markup=False, highlight=False))
    except OSError as error:
        if output is None:
            raise
        raise BadInput(f"{output} cannot be written: {error.strerror}") from None
