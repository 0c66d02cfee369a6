"""A version of the registry as a release names it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from segments.models.model import ModelSpec
from segments.models.released import ModelVersion
from training.registry import Registry, RegistryError

_MODEL = "model.onnx"


def version_to_release(
    registry: Registry, name: str, number: int, spec: ModelSpec, features: dict[str, Any]
) -> ModelVersion:
    """Return a version for a release: when users are scored is that of `spec`, all else as it was trained.

    `features` is the feature set as it stands in models.yaml. Raises RegistryError when the version is not there,
    or was made by a version of this program that told less of it.
    """
    manifest = registry.manifest(name, number)
    try:
        trained: dict[str, Any] = manifest["spec"]
        ordered: dict[str, list[str]] = trained.get("ordered", {})
        return ModelVersion(
            name,
            number,
            manifest["task"],
            features,
            _reachable(registry.place(name, number, _MODEL)),
            manifest["sha256"][_MODEL],
            ordered=ordered,
            derive=trained.get("derive", []),
            calibrated=manifest["calibrated"],
            typical={column: _as_given(value, ordered.get(column)) for column, value in manifest["typical"].items()},
            delay=spec.score.delay,
            max_age=spec.score.max_age,
            tolerance=spec.score.tolerance,
        )
    except KeyError as error:
        raise RegistryError(f"version {number} of {name} does not say its {error.args[0]}: train it anew") from None


def _reachable(place: str) -> str:
    """Return where a file lies for a reader in another folder."""
    return place if "://" in place else str(Path(place).resolve())


def _as_given(value: float | str | None, order: list[str] | None) -> float | str | None:
    """Return a typical value as events have it: an ordered category is learnt from as the number of its place.

    >>> _as_given(1.0, ["Feb", "Mar"]), _as_given(1.0, None)
    ('Mar', 1.0)
    """
    return order[round(value)] if order is not None and isinstance(value, float) else value
