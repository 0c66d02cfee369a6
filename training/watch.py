"""A version of a model and the rows of now: what it says of them, and whether that is still as it was."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoring.onnx_model import OnnxModel
from segments.models.watching import Watch
from training.dataset import Dataset
from training.drift import Drift, Limits, against_labels, drift, importance_shift, in_one
from training.reference import Reference
from training.registry import Registry, RegistryError
from training.train import membership, shuffled_effect

_SHUFFLED_ROWS = 1_000


@dataclass(frozen=True)
class Watched:
    """Rows of now with their scores: of yes, of the likeliest group, or how usual they are."""

    manifest: dict[str, Any]
    reference: Reference
    scorer: OnnxModel
    data: Dataset
    scores: NDArray[np.float64]
    judged: Dataset | None = None  # rows whose label has come; none where nothing is foretold

    def judged_scores(self) -> tuple[Dataset, NDArray[np.int8], NDArray[np.float64]] | None:
        """Return the rows whose label has come, their labels and scores; None where nothing is foretold or none has."""
        judged = self.judged
        if self.manifest["task"] != "classify" or judged is None or judged.labels is None or not len(judged):
            return None
        return judged, judged.labels, membership(self.scorer.scores(judged.numbers, judged.categories))

    @property
    def threshold(self) -> float:
        """From which score on a user is in; 0.5 where the model names none."""
        return float(self.manifest["found"].get("threshold", 0.5))


def watched(
    registry: Registry, name: str, version: int, data: Dataset, feature_hash: str, judged: Dataset | None = None
) -> Watched:
    """Score rows with a version; raises RegistryError when it reads other features or columns than these.

    `judged` are rows whose label has come, without it all rows.
    """
    manifest = registry.manifest(name, version)
    if manifest.get("feature_hash") != feature_hash:
        raise RegistryError(
            f"version {version} of {name} reads other features than the definitions make now: train it anew"
        )
    if manifest.get("columns") != data.columns():  # what is derived does not count for the hash
        raise RegistryError(f"version {version} of {name} has other columns than models.yaml makes now: train it anew")
    try:
        reference = Reference.from_json(json.loads(registry.read(name, version, "reference.json")))
        scorer = OnnxModel(registry.read(name, version, "model.onnx"))
    except (ValueError, KeyError) as error:
        raise RegistryError(f"version {version} of {name} cannot be used: {error}") from None
    scores = membership(scorer.scores(data.numbers, data.categories))
    return Watched(manifest, reference, scorer, data, scores, data if judged is None else judged)


def parts_of(data: Dataset, last: int, window: int, label_within: int) -> tuple[Dataset, Dataset]:
    """Return the rows of the last `window` (ms) before `last`, and those as long before whose label has come."""
    end = last - label_within
    newest, judged = data.at > last - window, (data.at > end - window) & (data.at <= end)
    return data.take(np.flatnonzero(newest)), data.take(np.flatnonzero(judged))


def limits_of(spec: Watch) -> Limits:
    """Return the limits as they stand in `models.yaml`."""
    return Limits(**spec.model_dump(exclude={"every", "window"}))


def measure(now: Watched, limits: Limits = Limits()) -> Drift:  # noqa: B008 - frozen
    """Return how far columns, scores and importances have moved, and how right the scores were by labels that came."""
    data = now.data
    found = drift(now.reference, data.inputs, data.numbers, data.categories, now.scores, limits)
    if not found.columns:
        return found
    draw = np.random.default_rng(0)
    sample = data.take(draw.permutation(len(data))[:_SHUFFLED_ROWS])
    parts = [found, importance_shift(now.reference.importances, shuffled_effect(now.scorer, sample, draw), limits)]
    known = now.judged_scores()
    if known is not None:
        _, labels, scores = known
        parts.append(against_labels(labels, scores, now.threshold, limits))
    confidence = float(np.mean(np.abs(now.scores - 0.5)) * 2)
    return in_one([*parts, Drift(0, [], {"confidence": confidence} if now.manifest["task"] == "classify" else {})])
