"""`segments models`: what is in the registry, and whether a version may be released."""

# ruff: noqa: PLC0415 - onnxruntime loads when it is used

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from jobs.cli.errors import Failed, for_people
from jobs.cli.inputs import DefinitionsOption, SettingsOption, checked_settings, settings_only
from jobs.cli.reports import TABLE_WIDTH
from jobs.cli.train import MODELS, REGISTRY, ModelsOption, RegistryOption, identity, model_named, require_training

if TYPE_CHECKING:
    from training.registry import Registry

models = typer.Typer(help="Versions of models in the registry.", no_args_is_help=True)


@models.command("list")
@for_people()
def list_(registry: RegistryOption = REGISTRY, settings: SettingsOption = None) -> None:
    """List all versions of all models with their metrics, and which of them score in the job.

    Example: segments models list --registry s3://bucket/models
    """
    from jobs.models_in_force import models_in_force
    from training.registry import Registry, RegistryError

    shown = Table("model", "version", "in the job", "trained at", "metrics", "gates", box=None)
    job = models_in_force(settings_only(settings).kafka)
    try:
        known = Registry(registry)
        for name in known.names():
            for version in known.versions(name):
                shown.add_row(name, str(version), job.role(name, version), *_said_of(known, name, version))
    except RegistryError as error:
        raise Failed(str(error)) from None
    Console(file=sys.stdout, markup=False, highlight=False, width=TABLE_WIDTH).print(shown)


def _said_of(registry: Registry, name: str, version: int) -> tuple[str, str, str]:
    """Return when a version was trained, its metrics and gates; tell why one cannot be read."""
    from training.registry import RegistryError

    try:
        manifest = registry.manifest(name, version)
        metrics = ", ".join(f"{metric} {value:.4g}" for metric, value in manifest["metrics"].items())
        gates = f"{len(manifest['failed_gates'])} failed" if manifest["failed_gates"] else "passed"
        return manifest["trained_at"], metrics, gates
    except (RegistryError, KeyError) as error:
        why = f"its manifest does not say its {error.args[0]}" if isinstance(error, KeyError) else str(error)
        typer.echo(f"{name} {version} cannot be read: {why}", err=True)
        return "", "cannot be read", ""


@models.command()
@for_people()
def check(
    name: Annotated[str, typer.Argument(help="A model of conf/models.yaml.")],
    version: Annotated[int, typer.Argument(min=1, help="Its version in the registry.")],
    models: ModelsOption = MODELS,
    registry: RegistryOption = REGISTRY,
    definitions: DefinitionsOption = None,
    settings: SettingsOption = None,
) -> None:
    """Say whether a version may be released: its files, ONNX against scikit-learn, its features, its gates.

    Example: segments models check churn_risk 3

    Exit codes: 0 it may, 1 it must not, 2 wrong input or configuration.
    """
    require_training()
    from training.package import problems
    from training.registry import Registry, RegistryError

    spec, known = model_named(name, models)
    _, checked = checked_settings(settings, definitions)
    try:
        found = problems(Registry(registry), name, version, known, identity(spec, known, checked))
    except RegistryError as error:
        raise Failed(str(error)) from None
    if found:
        raise Failed("\n".join(f"{name} {version} must not be released: {each}" for each in found))
    typer.echo(f"{name} {version} may be released")
