"""A version of a model as it is handed to the running job, refused unless all is proved that can be."""

# ruff: noqa: PLC0415 - what loads Kafka and onnxruntime is imported when it is used

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from jobs.cli.errors import BadInput, Failed
from jobs.cli.train import identity, model_named, require_training
from jobs.settings import Settings
from segments.definitions import parse_definitions
from segments.models.model import Models
from segments.models.released import ModelRefused, ModelVersion

VersionsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--model", help="A version of a model to score with, such as churn_risk:3; may be given again for another."
    ),
]


def version_named(what: list[str]) -> tuple[str, int]:
    """Return name and version of `model NAME VERSION`; raises BadInput.

    >>> version_named(["model", "churn_risk", "3"])
    ('churn_risk', 3)
    """
    if len(what) != 3 or not what[2].isdecimal() or int(what[2]) < 1:
        raise BadInput(
            "segments release model NAME VERSION, such as: segments release model churn_risk 3 "
            "(segments models list shows what there is); a file named 'model' is ./model"
        )
    return what[1], int(what[2])


def versions_in_registry(labels: list[str] | None, models: Path, registry: str) -> tuple[ModelVersion, ...]:
    """Return versions by `NAME:VERSION`, proved or not, none without labels; raises BadInput, OSError.

    Each would be in force, so there is one of each model.
    """
    found = tuple(_version_in_registry(label, models, registry) for label in labels or ())
    twice = [name for name, count in Counter(each.name for each in found).items() if count > 1]
    if twice:
        raise BadInput(f"--model names two versions of {twice[0]}, of which one can be in force")
    return found


def _version_in_registry(label: str, models: Path, registry: str) -> ModelVersion:
    require_training()
    from training.registry import Registry, RegistryError
    from training.releasing import version_to_release

    name, _, number = label.rpartition(":")
    if not name or not number.isdecimal():
        raise BadInput(f"a version of a model is NAME:VERSION, such as churn_risk:3, not '{label}'")
    spec, known = model_named(name, models)
    if spec.features is None:
        raise BadInput(f"model '{name}' reads a table; the job scores models that read features of events")
    features = _as_written(models, known, spec.features)
    try:
        return version_to_release(Registry(registry), name, int(number), spec, features)
    except RegistryError as error:
        raise BadInput(str(error)) from None


def proved(name: str, number: int, models: Path, registry: str, job: Settings) -> ModelVersion:
    """Return a version that may be released under the definitions in force; raises Failed with all that is wrong.

    It was run against its proof, and loaded as a worker does. Raises BadInput, DefinitionErrors, OSError.
    """
    require_training()
    from jobs.release import in_force
    from scoring.source import scorers
    from training.package import problems
    from training.registry import Registry, RegistryError
    from training.releasing import version_to_release

    spec, known = model_named(name, models)
    if spec.features is None:
        raise BadInput(f"model '{name}' reads a table; the job scores models that read features of events")
    definitions = parse_definitions(in_force(job.kafka).definitions, "the definitions in force")
    try:
        at = Registry(registry)
        found = problems(at, name, number, known, identity(spec, known, definitions))
        version = version_to_release(at, name, number, spec, _as_written(models, known, spec.features))
        scorers()(version)
    except RegistryError as error:
        raise Failed(str(error)) from None
    except ModelRefused as error:
        found = [*found, str(error)]
    if found:
        raise Failed("\n".join(f"{name} {number} must not be released: {each}" for each in found))
    return version


def _as_written(path: Path, known: Models, name: str) -> dict[str, Any]:
    """Return a feature set as it stands in its file."""
    assert name in known.feature_sets  # noqa: S101 - the file was checked
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))["feature_sets"][name]
    return found
