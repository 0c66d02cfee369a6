"""A trained model as the files of a version, and the proof that a version is what it claims to be."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np

from scoring.onnx_model import OnnxModel
from segments.models.model import Models
from training.export import largest_difference
from training.registry import Manifest, Registry, RegistryError
from training.report import page, summary
from training.train import Trained, failed_gates

PROOF, REFERENCE, REPORT, SUMMARY, MODEL = "proof.json", "reference.json", "report.html", "summary.txt", "model.onnx"
_LIBRARIES = ("scikit-learn", "skl2onnx", "onnxruntime", "numpy")


@dataclass(frozen=True)
class Origin:
    """Where a model comes from: the data and its window (ms), the code, the instant of training (ISO 8601).

    `rows_seen` is how many rows there were, of which those used may be a sample; None for a table, which is used whole.
    """

    source: str
    first: int | None
    last: int | None
    git: str | None
    trained_at: str
    feature_hash: str
    rows_seen: int | None = None


def publish(registry: Registry, trained: Trained, origin: Origin) -> int:
    """Write a new version and return its number."""
    manifest = manifest_of(trained, origin)
    files = {
        MODEL: trained.onnx,
        PROOF: json.dumps(_proof(trained)).encode(),
        REFERENCE: json.dumps(trained.reference.to_json()).encode(),
        REPORT: page(trained, manifest).encode(),
        SUMMARY: summary(manifest).encode(),
    }
    return registry.add(trained.spec.name, manifest, files)


def manifest_of(trained: Trained, origin: Origin) -> Manifest:
    """Return what a registry says of a model."""
    spec = trained.spec
    return {
        "task": spec.task,
        "model": spec.name,
        "trained_at": origin.trained_at,
        "git": origin.git,
        "data": {
            "source": origin.source,
            "first": origin.first,
            "last": origin.last,
            "rows": trained.rows,
            "rows_seen": origin.rows_seen,
        },
        "feature_hash": origin.feature_hash,
        "columns": trained.learnt.held_out.columns(),
        "spec": spec.model_dump(mode="json", exclude_none=True, by_alias=True),
        "seed": spec.seed,
        "metrics": trained.metrics,
        "parity": trained.parity,
        "failed_gates": trained.failed_gates,
        "found": trained.learnt.found,
        "importances": trained.importances,
        "typical": trained.typical,
        "calibrated": spec.classify is not None and spec.classify.calibrate != "none",
        "libraries": {name: version(name) for name in _LIBRARIES},
    }


def problems(registry: Registry, name: str, number: int, models: Models, feature_hash: str) -> list[str]:
    """Return why a version must not be released, empty when it may; `feature_hash` is that of the definitions now.

    What the manifest says is not believed: the ONNX model is run again on the rows of the proof.
    Raises RegistryError when the version is not there or was changed.
    """
    manifest, spec = registry.manifest(name, number), models.model(name)
    if spec is None:
        return [f"models.yaml has no model '{name}'"]
    found = []
    if manifest.get("feature_hash") != feature_hash:
        found.append(
            f"its features are {manifest.get('feature_hash')}, the definitions now make {feature_hash}: train it anew"
        )
    difference, rows = _difference(registry, name, number)
    if not difference <= spec.parity:
        found.append(f"ONNX and scikit-learn differ by {difference:.2g} on {rows:,} rows, more than {spec.parity:.2g}")
    return found + failed_gates(spec, {key: float(value) for key, value in manifest.get("metrics", {}).items()})


def _difference(registry: Registry, name: str, number: int) -> tuple[float, int]:
    try:
        proof = json.loads(registry.read(name, number, PROOF))
        numbers, categories = np.array(proof["numbers"], np.float32), np.array(proof["categories"], object)
        expected = np.array(proof["scores"], np.float64)
        scorer = OnnxModel(registry.read(name, number, MODEL))
        found = scorer.scores(numbers.reshape(len(expected), -1), categories.reshape(len(expected), -1))
    except (ValueError, KeyError, TypeError) as error:
        raise RegistryError(f"version {number} of {name} cannot be proved: {error}") from None
    return largest_difference(expected, found), len(expected)


def _proof(trained: Trained) -> dict[str, Any]:
    """Return the rows of the proof as JSON; an unknown number is null."""
    proof = trained.proof
    numbers = [[None if value != value else float(value) for value in row] for row in proof.numbers]  # noqa: PLR0124 - NaN
    return {"numbers": numbers, "categories": proof.categories.tolist(), "scores": proof.scores.tolist()}
