"""What `segments schedule` does when it is due: a drift check, training anew, and telling people."""

# ruff: noqa: PLC0415 - scikit-learn and Kafka load when they are used

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import typer

from jobs.cli.bars import bars
from jobs.cli.errors import Failed
from jobs.cli.train import data_of
from jobs.cli.watching import Read, churn_in, taken_out_of, taken_out_text, watched_of
from jobs.scheduling import Outcome
from segments.models.model import Models, ModelSpec
from training.registry import Registry
from training.schedule import Kind

if TYPE_CHECKING:
    from jobs.models_in_force import Watched
    from jobs.scheduling import Work as Doing
    from training.contest import Contest
    from training.train import Trained

_ALERT_S = 60
_RELEASE_S = 900
_NEVER = 2**62  # an instant after all events


class Alerts:
    """Tells people: a line on stderr, and a program of theirs if there is one. A program that fails is told too."""

    def __init__(self, program: Path | None) -> None:
        self._program = program

    def __call__(self, text: str) -> bool:
        """Tell one alert; returns whether the program took it, if there is one."""
        typer.echo(f"ALERT {text}", err=True)
        if self._program is None:
            return True
        try:
            subprocess.run([str(self._program), text], check=True, timeout=_ALERT_S)
        except (OSError, subprocess.SubprocessError) as error:
            typer.echo(f"ALERT could not be passed on: {error}", err=True)
            return False
        return True


class Work:
    """Drift checks and training on the events of a file, or on those that the events topics hold."""

    def __init__(
        self,
        models: Models,
        registry: Registry,
        read: Read,
        reports: Path | None,
        options: tuple[str, ...],
        changes: Path | None = None,
    ) -> None:
        self._models = models
        self._registry = registry
        self._read = read
        self._reports = reports
        self._options = options
        self._changes = changes
        self._unread: Read | None = None  # topics that nothing in this round has asked for yet
        self._trouble: str | None = None

    def by_kind(self) -> Mapping[Kind, Doing]:
        """Return what is done for each kind of task."""
        return {"churn": self.churn, "drift": self.drift, "failures": self.failures, "retrain": self.retrain}

    @contextmanager
    def reading(self, source: Read) -> Iterator[None]:
        """Have the events topics read into a file in this round, once something asks for them."""
        if source.file is not None:
            yield
            return
        with TemporaryDirectory(prefix="segments-schedule-") as folder:
            self._read, self._unread = replace(source, file=Path(folder) / "events.ndjson", mapping=None), source
            yield

    def churn(self, _: str) -> Outcome:
        """Count who leaves which segment, in a file of changes or in the segment topic."""
        from jobs.segment_moves import moves_of_file, moves_of_topic
        from training.churn import churn_alarms
        from training.exposition import of_churn

        asked = self._models.churn
        assert asked is not None  # noqa: S101 - only then there is this task
        moves = moves_of_topic(self._read.job.kafka) if self._changes is None else moves_of_file(self._changes)
        found = churn_in(moves, asked.every)
        alarms = tuple(churn_alarms(found, asked.limit, asked.least_members))
        return Outcome(f"{len(found):,} segments, {len(alarms)} alarms", alarms, figures=tuple(of_churn(found)))

    def drift(self, model: str) -> Outcome:
        """Measure the versions of a model that score in the job, or else its newest, against what they see now."""
        from jobs.models_in_force import models_in_force

        spec = self._ready(model)
        registered = self._registry.versions(spec.name)
        found = models_in_force(self._read.job.kafka).watched(spec.name, registered)
        if not found:
            return Outcome(
                "every version failed in the job: there is none to watch" if registered else "no version yet"
            )
        return together([self._drift_of(spec, each) for each in found])

    def _drift_of(self, spec: ModelSpec, watched: Watched) -> Outcome:
        from training.exposition import of_drift, write_whole
        from training.watch import limits_of, measure
        from training.watch_page import page

        version = watched.version
        now = watched_of(self._registry, spec, self._models, version, self._read, spec.drift.window, is_table=False)
        found = measure(now, limits_of(spec.drift))
        name = f"{spec.name} {version}"
        if self._reports is not None:
            notes = [taken_out_text(each) for each in taken_out_of(self._read.job.kafka, spec.name)]
            drawn = page(f"{name}: drift", found, now.reference, now.scores, {}, notes)
            write_whole(self._reports / f"{spec.name}-{version}.html", drawn)
        alarms = tuple(f"{name}: {alarm}" for alarm in found.alarms)
        said = f"version {version}, {watched.why}: {found.rows:,} rows, {len(alarms)} alarms"
        return Outcome(said, alarms, bool(found.columns and alarms), tuple(of_drift(found, spec.name, version)))

    def failures(self, _: str) -> Outcome:
        """Find the versions that the job took out of force by itself; people are told of each once."""
        from jobs.models_in_force import NoJob, taken_out_by_the_job
        from training.exposition import labels

        try:
            found = taken_out_by_the_job(self._read.job.kafka)
        except NoJob as error:
            return Outcome(str(error))
        events = tuple((each.key, taken_out_text(each)) for each in found)
        name = "segments_model_taken_out_timestamp_seconds"
        newest = {labels(model=each.name, version=each.version): each.release.released_at / 1_000 for each in found}
        figures = tuple((name, named, at) for named, at in newest.items())
        return Outcome(
            f"{len(found):,} versions were ever taken out of force by the job", figures=figures, events=events
        )

    def retrain(self, model: str) -> Outcome:
        """Train a model on its newest window; one that passes its gates and loses to nobody is registered."""
        from training.package import publish
        from training.train import train

        spec = self._ready(model)
        assert spec.retrain is not None  # noqa: S101 - only such models have this task
        window = spec.retrain.window
        self._registry.prepare()
        with bars() as shown:
            data, origin = data_of(
                spec, self._models, self._read.file, False, self._read.mapping, self._read.job,
                self._read.definitions, None, shown, lambda asked: asked.newest(window),
            )  # fmt: skip
            trained = train(data, spec, shown.add)
        failed = trained.failed_gates
        if not trained.parity["max_difference"] <= spec.parity:
            failed = [*failed, f"ONNX and scikit-learn differ by {trained.parity['max_difference']:.2g}"]
        if failed:
            why = "; ".join(failed)
            return Outcome(f"not registered: {why}", (f"{spec.name} trained anew is not good enough: {why}",))
        result = self._contest(spec, trained, origin.feature_hash)
        if not result.won:
            return Outcome(f"not registered: {result.text()}")
        version = publish(self._registry, trained, origin)
        said = f"version {version} registered ({result.text()})"
        return self.released(spec, version, said)

    def _contest(self, spec: ModelSpec, trained: Trained, feature_hash: str) -> Contest:
        """Compare a model with the version in force in the job, or else with the newest that never failed there."""
        from jobs.models_in_force import models_in_force
        from training.contest import Contest, contest

        registered = self._registry.versions(spec.name)
        known = models_in_force(self._read.job.kafka)
        champion = known.champion(spec.name, registered)
        if champion is None:
            failed = "every version in the registry failed in the job: there is no champion to compare it with"
            return Contest(None, None, failed) if registered else Contest(None, None)
        return contest(self._registry, champion.version, trained, feature_hash, champion.why)

    def released(self, spec: ModelSpec, version: int, said: str) -> Outcome:
        """Hand a new version to the job, where `retrain.release` asks for it."""
        how = spec.retrain.release if spec.retrain else "no"
        if how == "no":
            return Outcome(said)
        command = ["release", "model", spec.name, str(version), *(["--shadow"] if how == "shadow" else [])]
        note = f"trained anew by segments schedule: {said}"
        program = [sys.executable, "-c", "from jobs.cli import app; app()"]
        done = subprocess.run(
            [*program, *command, "--note", note, *self._options],
            capture_output=True, text=True, check=False, timeout=_RELEASE_S,
        )  # fmt: skip
        if done.returncode:
            why = (done.stderr or done.stdout).strip()
            return Outcome(f"{said}; not released", (f"{spec.name} {version} could not be released: {why}",))
        return Outcome(f"{said}; released ({how})")

    def _ready(self, model: str) -> ModelSpec:
        """Return a model, once the events are there; raises Failed."""
        if self._unread is not None and self._read.file is not None:
            self._trouble = _write_events(self._unread, self._read.file)
            self._unread = None
        if self._trouble is not None:
            raise Failed(self._trouble)
        spec = self._models.model(model)
        assert spec is not None  # noqa: S101 - tasks are those of the models
        return spec


def together(found: Sequence[Outcome]) -> Outcome:
    """Return what a check of several versions found, the newest last: only that one's alarms ask for training.

    >>> together([Outcome("old", ("moved",), train=True), Outcome("new")])
    Outcome(said='old; new', alarms=('moved',), train=False, figures=(), events=())
    """
    alarms = tuple(alarm for each in found for alarm in each.alarms)
    figures = tuple(figure for each in found for figure in each.figures)
    return Outcome("; ".join(each.said for each in found), alarms, found[-1].train, figures)


def _write_events(source: Read, file: Path) -> str | None:
    """Write what the events topics hold to a file; return why it could not be done."""
    from jobs.backfill.events import EventFilter
    from jobs.topics import TopicError, TopicReader

    kafka, lateness = source.job.kafka, source.job.event_time.allowed_lateness
    try:
        with (
            file.open("wb") as out,
            TopicReader(kafka.bootstrap_servers, kafka.events_topics, properties=kafka.consumer_properties) as reader,
        ):
            EventFilter(_NEVER, None, lateness, source.job.plausibility).write(reader.to_the_end(), out)
    except (TopicError, OSError) as error:  # of the disk too
        return f"the events could not be read: {error}"
    return None
