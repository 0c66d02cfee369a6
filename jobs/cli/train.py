"""`segments train`: a new version of a model, from recorded events or from a table."""

# ruff: noqa: PLR0913, PLR0917 - a command's options are its parameters
# ruff: noqa: PLC0415 - scikit-learn loads when it is used

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.cli.bars import Bars, bars
from jobs.cli.errors import BadInput, Failed, for_people
from jobs.cli.inputs import DefinitionsOption, MappingOption, SettingsOption, checked_settings
from jobs.recording import NoEvents, Recording, default_workers
from jobs.settings import Settings
from segments.definitions import Definitions
from segments.durations import format_duration
from segments.models.loader import load_models
from segments.models.model import Models, ModelSpec
from training.rows import Asked, Sample, columns_of, sample_of_users

if TYPE_CHECKING:
    from training.dataset import Dataset
    from training.package import Origin

MODELS = Path("conf/models.yaml")
REGISTRY = ".local/models"
ModelsOption = Annotated[Path, typer.Option("--models", help="The models.")]
RegistryOption = Annotated[str, typer.Option("--registry", help="A folder, or a URL such as s3://bucket/models.")]


@for_people()
def train(
    name: Annotated[str, typer.Argument(help="A model of conf/models.yaml.")],
    events: Annotated[Path | None, typer.Option(help="Recorded events: NDJSON or CSV, .gz or not.")] = None,
    table: Annotated[Path | None, typer.Option(help="A CSV file, for a model that reads a table.")] = None,
    mapping: MappingOption = None,
    models: ModelsOption = MODELS,
    registry: RegistryOption = REGISTRY,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes.", show_default="number of cores")] = None,
    definitions: DefinitionsOption = None,
    settings: SettingsOption = None,
) -> None:
    """Train a model, judge it on held-out rows, export it to ONNX, and put it into the registry as a new version.

    Example: segments train churn_risk --events orders.csv.gz --mapping online_retail

    Exit codes: 0 done, 1 nothing could be learnt or no event could be read, 2 wrong input or configuration.
    """
    require_training()
    from training.dataset import BadData
    from training.package import SUMMARY, publish
    from training.registry import Registry, RegistryError
    from training.train import train as learn

    one_source(events, table)
    spec, known = model_named(name, models)
    job, checked = checked_settings(settings, definitions)
    try:
        to = Registry(registry)
        to.prepare()
        with bars() as shown:
            data, origin = data_of(spec, known, events or table, events is None, mapping, job, checked, workers, shown)
            trained = learn(data, spec, shown.add)
        version = publish(to, trained, origin)
    except (NoEvents, BadData, RegistryError) as error:
        raise Failed(str(error)) from None
    typer.echo(to.read(name, version, SUMMARY).decode(), nl=False)
    typer.echo(f"version {version}: {to.place(name, version, 'report.html')}")


def one_source(events: Path | None, table: Path | None) -> None:
    """Raise BadInput when both are given: one of them would be left out silently."""
    if events is not None and table is not None:
        raise BadInput("give either --events FILE or --table CSV, as the model asks for")


def require_training() -> None:
    """Raise BadInput where the packages that models need are not installed."""
    try:
        import onnxruntime  # noqa: F401
        import skl2onnx  # noqa: F401
    except ImportError as error:
        raise BadInput(f"{error.name} is not installed: pip install 'flink-segments[training]'") from None


def model_named(name: str, models: Path) -> tuple[ModelSpec, Models]:
    """Return a model and all of its file; raises BadInput, DefinitionErrors, OSError."""
    known = load_models(models)
    spec = known.model(name)
    if spec is None:
        raise BadInput(f"{models} has no model '{name}' (there are: {', '.join(each.name for each in known.models)})")
    return spec, known


def identity(spec: ModelSpec, models: Models, definitions: Definitions) -> str:
    """Return the hash of what a model reads: that of its features under the definitions, or of its table's columns."""
    if spec.features is not None:
        return columns_of(definitions, models.feature_sets[spec.features]).hash
    assert spec.table is not None  # noqa: S101 - a model has one of both
    return hashlib.sha256(spec.table.model_dump_json().encode()).hexdigest()[:16]


def data_of(
    spec: ModelSpec,
    models: Models,
    file: Path | None,
    is_table: bool,
    mapping: str | None,
    job: Settings,
    definitions: Definitions,
    workers: int | None,
    shown: Bars,
    choose: Callable[[Asked], Asked] = lambda asked: asked,
) -> tuple[Dataset, Origin]:
    """Return a model's rows of a file and where they come from; raises BadInput, BadData, NoEvents, OSError.

    `choose` may ask for other instants than those of the whole recording.
    """
    from training.dataset import BadData, from_rows, from_table

    if file is None or is_table != (spec.table is not None):
        option = "--events FILE" if spec.table is None else "--table CSV"
        raise BadInput(
            f"model '{spec.name}' reads {'features of events' if spec.table is None else 'a table'}: give {option}"
        )
    known = identity(spec, models, definitions)
    if spec.table is not None:
        return from_table(file, spec.table, spec, known), _origin(file, None, known)
    features = models.feature_sets[spec.features or ""]
    with Recording.open(
        file, mapping, plausibility=job.plausibility, workers=workers or default_workers(), bar=shown.add
    ) as recording:
        first, last = recording.bounds()
        label = spec.classify.label if spec.classify else None
        asked = choose(Asked(definitions, features, first, last, spec.rows, label, job.plausibility))
        if not asked.grid():
            raise BadData(too_short(asked))
        sample = Sample(spec.rows.at_most)
        for part in recording.each(sample_of_users, asked, shown.add("rows", recording.events)):
            sample.merge(part)
    data = from_rows(sample.rows(), columns_of(definitions, features), spec)
    return data, _origin(file, (first, last), known, sample.seen)


def too_short(asked: Asked) -> str:
    """Say why there is no instant at which users could be looked at."""
    label = asked.label.within if asked.label else 0
    span, needed = asked.last - asked.first, max(asked.rows.warm_up, asked.rows.every) + label
    return (
        f"the events span {format_duration(span)}, and the first row needs {format_duration(needed)}:"
        " the longer of rows.warm_up and rows.every, and the label's time after it"
    )


def _origin(file: Path, window: tuple[int, int] | None, feature_hash: str, rows_seen: int | None = None) -> Origin:
    from training.package import Origin

    first, last = window or (None, None)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Origin(str(file), first, last, _git_revision(), now, feature_hash, rows_seen)


def _git_revision() -> str | None:
    """Return the commit of this folder, with `+` where something is not committed; None where there is no git."""
    git = shutil.which("git")
    if git is None:
        return None
    command = [git, "describe", "--always", "--abbrev=40", "--dirty=+", "--exclude=*"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return found.stdout.strip() or None
