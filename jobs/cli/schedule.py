"""`segments schedule`: drift checks and training when they are due, once or for as long as it runs."""

# ruff: noqa: PLR0913, PLR0917 - a command's options are its parameters
# ruff: noqa: PLC0415 - scikit-learn and Kafka load when they are used

from __future__ import annotations

import signal
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.cli.errors import BadInput, Failed, for_people
from jobs.cli.inputs import DefinitionsOption, MappingOption, SettingsOption, checked_settings
from jobs.cli.train import MODELS, REGISTRY, ModelsOption, RegistryOption, require_training
from jobs.cli.watching import Read
from segments.models.loader import load_models

if TYPE_CHECKING:
    from jobs.cli.schedule_work import Work
    from jobs.scheduling import Schedule

STATE = Path(".local/schedule.json")
_LONGEST_WAIT_S = 3_600.0


@for_people()
def schedule(
    events: Annotated[
        Path | None,
        typer.Option(help="Recorded events, read anew each time.", show_default="the events topics"),
    ] = None,
    mapping: MappingOption = None,
    changes: Annotated[
        Path | None,
        typer.Option(
            help="Changes of segments, one JSON a line, read anew each time.", show_default="the segment topic"
        ),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Do what is due now, and end.")] = False,
    state: Annotated[Path, typer.Option(help="The file that remembers what was done when.")] = STATE,
    metrics: Annotated[Path | None, typer.Option(help="Keep a text file for Prometheus.")] = None,
    reports: Annotated[Path | None, typer.Option(help="A folder for the page of each drift check.")] = None,
    on_alert: Annotated[
        Path | None, typer.Option(help="A program that is run for each alert, with its text as the only argument.")
    ] = None,
    models: ModelsOption = MODELS,
    registry: RegistryOption = REGISTRY,
    definitions: DefinitionsOption = None,
    settings: SettingsOption = None,
) -> None:
    """Check drift and train anew as conf/models.yaml says (`drift: {every: 1d}`, `retrain: {every: 7d, window: 30d}`).

    Example: segments schedule --once --events last_quarter.ndjson --metrics /var/lib/node_exporter/segments.prom

    Exit codes: 0 done or ended by a signal, 1 an alert (--once) or another schedule works here, 2 wrong input.
    """
    require_training()
    from jobs.cli.schedule_work import Alerts, Work
    from jobs.scheduling import AlreadyRunning, LedgerFile, Schedule, UnreadableState
    from training.registry import Registry, RegistryError

    known = load_models(models)
    if not any(spec.features is not None for spec in known.models):
        raise BadInput(f"{models} has no model that reads features of events: nothing is ever due")
    job, checked = checked_settings(settings, definitions)
    source = Read(events, mapping, job, checked)
    options = ["--models", str(models), "--registry", registry]
    options += [] if settings is None else ["--settings", str(settings)]
    try:
        work = Work(known, Registry(registry), source, reports, tuple(options), changes)
        file = LedgerFile(state)
        with file.held():
            planned = Schedule(known, file, work.by_kind(), Alerts(on_alert), _now, metrics)
            if once:
                if not _round(planned, work, source):
                    raise Failed("there were alerts")
                return
            _run(planned, work, source)
    except (AlreadyRunning, RegistryError) as error:
        raise Failed(str(error)) from None
    except UnreadableState as error:
        raise BadInput(str(error)) from None


def _run(planned: Schedule, work: Work, source: Read) -> None:
    """Do what is due until a signal comes; what is being done is ended first."""
    ended = threading.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: ended.set())
    while not ended.is_set():
        _round(planned, work, source)
        at = planned.next_due()
        left = _LONGEST_WAIT_S if at is None else (at - _now()) / 1_000
        ended.wait(min(max(left, 1.0), _LONGEST_WAIT_S))


def _round(planned: Schedule, work: Work, source: Read) -> bool:
    """Do what is due now; the events topics are read once for all of it, and only if something asks for them."""
    at = planned.next_due()
    if at is None or at > _now():
        return True
    with work.reading(source):
        return planned.run_due(_now(), _tell)


def _tell(line: str) -> None:
    typer.echo(f"{datetime.now(UTC).isoformat(timespec='seconds')} {line}")


def _now() -> int:
    return int(time.time() * 1_000)
