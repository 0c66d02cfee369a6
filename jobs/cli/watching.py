"""What `segments drift` and `segments schedule` share: rows of now scored by a version, churn, the text of a check."""

# ruff: noqa: PLC0415 - scikit-learn loads when it is used

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.table import Table

from jobs.cli.bars import bars
from jobs.cli.errors import BadInput, Failed
from jobs.cli.inputs import instant_text
from jobs.cli.train import data_of
from jobs.settings import KafkaSettings, Settings
from segments.definitions import Definitions
from segments.durations import parse_duration
from segments.models.health import TakenOut
from segments.models.model import Models, ModelSpec

if TYPE_CHECKING:
    from training.churn import Interval, Move
    from training.drift import Drift
    from training.registry import Registry
    from training.watch import Watched


@dataclass(frozen=True)
class Read:
    """Where rows come from: a file in a mapping, and what the events mean."""

    file: Path | None
    mapping: str | None
    job: Settings
    definitions: Definitions


def watched_of(
    registry: Registry, spec: ModelSpec, models: Models, version: int, read: Read, window: int, *, is_table: bool
) -> Watched:
    """Return a version's scores of the newest rows (`window` in ms), and the rows before whose label has come.

    Raises BadInput, BadData, NoEvents, RegistryError, OSError.
    """
    from training.dataset import BadData
    from training.watch import parts_of, watched

    with bars() as shown:
        data, origin = data_of(
            spec, models, read.file, is_table, read.mapping, read.job, read.definitions, None, shown,
            lambda asked: asked.watched(window),
        )  # fmt: skip
    if origin.last is None:
        return watched(registry, spec.name, version, data, origin.feature_hash)
    label = spec.classify.label if spec.classify else None
    newest, judged = parts_of(data, origin.last, window, label.within if label else 0)
    if not len(newest):
        raise BadData(f"no user was active in the newest part of the events: see drift.window of '{spec.name}'")
    return watched(registry, spec.name, version, newest, origin.feature_hash, judged)


def duration(text: str | None, option: str) -> int | None:
    """Return an option's duration (ms); raises BadInput."""
    try:
        return None if text is None else parse_duration(text)
    except ValueError as error:
        raise BadInput(f"{option}: {error}") from None


def read_churn(changes: Path | None, every: int) -> dict[str, list[Interval]]:
    """Return the churn of segments in a file of changes, nothing without one; raises Failed, OSError."""
    from jobs.segment_moves import moves_of_file

    return {} if changes is None else churn_in(moves_of_file(changes), every)


def churn_in(moves: Iterable[Move], every: int) -> dict[str, list[Interval]]:
    """Return the churn of segments per interval (ms); raises Failed when a record is no change."""
    from jobs.segment_moves import BadChanges
    from training.churn import churn_of

    try:
        return churn_of(moves, every)
    except BadChanges as error:
        raise Failed(str(error)) from None


def taken_out_text(event: TakenOut) -> str:
    """Return as people read it that the job took a version out of force by itself."""
    release = event.release
    when = f"at {instant_text(release.released_at)} (release {release.number})"
    return f"{event.name} {event.version}: the job took it out of force by itself {when}: {event.why}"


def taken_out_of(kafka: KafkaSettings, name: str) -> list[TakenOut]:
    """Return the versions of a model that the job took out of force; what keeps that from being known is told."""
    from jobs.models_in_force import NoJob, taken_out_by_the_job
    from jobs.topics import TopicError

    try:
        return [each for each in taken_out_by_the_job(kafka) if each.name == name]
    except (NoJob, TopicError) as error:
        typer.echo(f"whether the job took a version of {name} out of force is not known: {error}", err=True)
        return []


def print_drift(found: Drift, churn: dict[str, list[Interval]], failed: Iterable[TakenOut] = ()) -> None:
    """Print what a check found, and which versions the job took out of force."""
    shown = Table("column", "PSI", "KS", "p", "", box=None)
    for each in found.columns:
        tested = ("", "") if each.ks is None or each.p is None else (f"{each.ks:.3f}", f"{each.p:.2g}")
        shown.add_row(each.name, f"{each.psi:.3f}", *tested, "moved" if each.alarm else "")
    console = Console(file=sys.stdout, markup=False, highlight=False)
    console.print(shown)
    console.print(", ".join([f"{found.rows:,} rows", *(f"{k} {v:.3f}" for k, v in found.measured.items())]))
    for event in failed:
        console.print(taken_out_text(event), soft_wrap=True)
    moved = Table("segment", "members", "entered", "left", "churn", box=None)
    for segment, intervals in churn.items():
        if intervals:
            last = intervals[-1]
            moved.add_row(segment, f"{last.members:,}", f"{last.entered:,}", f"{last.left:,}", f"{last.rate:.1%}")
    if moved.row_count:
        console.print(moved)
