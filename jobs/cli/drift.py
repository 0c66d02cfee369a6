"""`segments drift` and `segments fairness`: a released model against what it sees now, and against groups of users."""

# ruff: noqa: PLR0913, PLR0917 - a command's options are its parameters
# ruff: noqa: PLC0415 - scikit-learn loads when it is used

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from jobs.cli.errors import BadInput, Failed, for_people
from jobs.cli.inputs import DefinitionsOption, MappingOption, SettingsOption, checked_settings, settings_only
from jobs.cli.reports import TABLE_WIDTH, ReportFormat
from jobs.cli.train import MODELS, REGISTRY, ModelsOption, RegistryOption, model_named, one_source, require_training
from jobs.cli.watching import Read, duration, print_drift, read_churn, taken_out_of, taken_out_text, watched_of
from jobs.recording import NoEvents
from segments.models.model import ModelSpec

if TYPE_CHECKING:
    from training.fairness import Fairness
    from training.watch import Watched

Name = Annotated[str, typer.Argument(help="A model of conf/models.yaml.")]
Version = Annotated[int, typer.Argument(min=1, help="Its version in the registry.")]
EventsOption = Annotated[Path | None, typer.Option(help="Recorded events of now: NDJSON or CSV, .gz or not.")]
TableOption = Annotated[Path | None, typer.Option(help="A CSV file, for a model that reads a table.")]
FormatOption = Annotated[ReportFormat, typer.Option("--format", help="For people or for machines.")]


@for_people()
def drift(
    name: Name,
    version: Version,
    events: EventsOption = None,
    table: TableOption = None,
    mapping: MappingOption = None,
    window: Annotated[
        str | None, typer.Option(help="The newest part of the events that is looked at.", show_default="drift.window")
    ] = None,
    changes: Annotated[Path | None, typer.Option(help="Changes of segments, one JSON a line.")] = None,
    interval: Annotated[str, typer.Option(help="Over which churn of segments is counted.")] = "1d",
    churn_limit: Annotated[float, typer.Option(min=0, help="Exits per member that are an alarm.")] = 0.5,
    report: Annotated[Path | None, typer.Option(help="Write a page with plots.")] = None,
    metrics: Annotated[Path | None, typer.Option(help="Write a text file for Prometheus.")] = None,
    models: ModelsOption = MODELS,
    registry: RegistryOption = REGISTRY,
    format: FormatOption = ReportFormat.text,  # noqa: A002 - the option's name
    definitions: DefinitionsOption = None,
    settings: SettingsOption = None,
) -> None:
    """Compare what a version sees and says now with its training, and with labels where they have come.

    Example: segments drift churn_risk 3 --events last_quarter.ndjson --report drift.html

    Exit codes: 0 nothing has moved, 1 an alarm (or no event could be read), 2 wrong input or configuration.
    """
    over, every = duration(window, "--window"), duration(interval, "--interval")
    left = read_churn(changes, every or 0)
    watched, spec = _watched(name, version, events, table, mapping, models, registry, definitions, settings, over)
    failed = [] if events is None else taken_out_of(settings_only(settings).kafka, name)  # no table scores in a job
    from training.churn import churn_alarms
    from training.exposition import exposition, of_churn, of_drift, write_whole
    from training.watch import limits_of, measure
    from training.watch_page import page

    limits = limits_of(spec.drift)
    found = measure(watched, limits)
    found.alarms.extend(churn_alarms(left, churn_limit, limits.least_rows))
    if report is not None:
        notes = [taken_out_text(each) for each in failed]
        write_whole(report, page(f"{name} {version}: drift", found, watched.reference, watched.scores, left, notes))
    if metrics is not None:
        write_whole(metrics, exposition([*of_drift(found, name, version), *of_churn(left)]))
    if format == ReportFormat.json:
        newest = {segment: asdict(each[-1]) | {"rate": each[-1].rate} for segment, each in left.items() if each}
        out = [
            {"version": e.version, "at": e.release.released_at, "release": e.release.number, "why": e.why}
            for e in failed
        ]
        typer.echo(json.dumps({**asdict(found), "churn": newest, "taken_out": out}, indent=2))
    else:
        print_drift(found, left, failed)
    if found.alarms:
        raise Failed("\n".join(f"{name} {version}: {alarm}" for alarm in found.alarms))


@for_people()
def fairness(
    name: Name,
    version: Version,
    by: Annotated[str, typer.Option(help="The category whose groups are compared, one of the model's columns.")],
    events: EventsOption = None,
    table: TableOption = None,
    mapping: MappingOption = None,
    least_rows: Annotated[
        int, typer.Option(min=1, help="Groups of fewer rows are shown, and left out of the disparity ratios.")
    ] = 30,
    models: ModelsOption = MODELS,
    registry: RegistryOption = REGISTRY,
    format: FormatOption = ReportFormat.text,  # noqa: A002 - the option's name
    definitions: DefinitionsOption = None,
    settings: SettingsOption = None,
) -> None:
    """Compare membership, scores and errors between groups of users, with intervals and disparity ratios.

    Example: segments fairness churn_risk 3 --by country --events last_month.ndjson

    Exit codes: 0 done, 1 no event could be read, 2 wrong input or configuration.
    """
    watched, _ = _watched(name, version, events, table, mapping, models, registry, definitions, settings)
    from training.fairness import fairness_of

    try:
        found = fairness_of(watched, by, least_rows)
    except ValueError as error:
        raise BadInput(f"{name} {version}: {error}") from None
    if format == ReportFormat.json:
        typer.echo(json.dumps(asdict(found), indent=2))
    else:
        _print_fairness(found, by)


def _print_fairness(found: Fairness, by: str) -> None:
    shown = Table(by, "rows", "members", "mean score", "judged", "wrongly in", "wrongly out", box=None)
    for group in found.groups:
        rates = (group.membership, group.false_positive, group.false_negative)
        texts = ["" if rate is None else f"{rate.rate:.1%} ({rate.low:.1%} to {rate.high:.1%})" for rate in rates]
        score = f"{group.mean_score.rate:.3f} ({group.mean_score.low:.3f} to {group.mean_score.high:.3f})"
        counts = f"{group.rows:,}", f"{group.judged:,}"
        shown.add_row(group.group or "(unknown)", counts[0], texts[0], score, counts[1], *texts[1:])
    console = Console(file=sys.stdout, markup=False, highlight=False, width=TABLE_WIDTH)
    console.print(shown)
    for what, ratio in found.disparity.items():
        console.print(f"{what}: the least is {ratio:.2f} of the most")


def _watched(
    name: str,
    version: int,
    events: Path | None,
    table: Path | None,
    mapping: str | None,
    models: Path,
    registry: str,
    definitions: Path | None,
    settings: Path | None,
    window: int | None = None,
) -> tuple[Watched, ModelSpec]:
    """Return a version with the rows of now and its scores of them; raises Failed, BadInput."""
    require_training()
    from training.dataset import BadData
    from training.registry import Registry, RegistryError

    one_source(events, table)
    spec, known = model_named(name, models)
    job, checked = checked_settings(settings, definitions)
    over = spec.drift.window if window is None else window
    read = Read(events or table, mapping, job, checked)
    try:
        found = watched_of(Registry(registry), spec, known, version, read, over, is_table=events is None)
    except (NoEvents, BadData, RegistryError) as error:
        raise Failed(str(error)) from None
    return found, spec
