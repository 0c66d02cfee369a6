"""From training data to a version of a model: search, fit, judge on held-out rows, export, prove the export."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoring.onnx_model import OnnxModel
from segments.models.model import ModelSpec
from training.anomalies import learn_anomalies
from training.clusters import learn_clusters
from training.dataset import BadData, Dataset, parted
from training.estimators import calibrated, classifier, pipeline
from training.export import edge_rows, largest_difference, sklearn_scores, to_onnx
from training.learnt import Learnt
from training.metrics import Metrics, confusion, of_scores
from training.reference import Reference, reference_of, typical_of
from training.search import search, size

Bar = Callable[[str, int], Callable[[int], None]]
_SHUFFLED_ROWS = 2_000


@dataclass(frozen=True)
class Trained:
    """A model that was trained: what it is as ONNX, how good it is, and what proves both."""

    spec: ModelSpec
    onnx: bytes
    metrics: Metrics
    parity: dict[str, float | int]
    failed_gates: list[str]
    reference: Reference
    proof: Proof
    learnt: Learnt
    rows: dict[str, int]
    importances: dict[str, float]
    typical: dict[str, float | str | None]


@dataclass(frozen=True)
class Proof:
    """Held-out and edge rows with what scikit-learn said of them; the labels of the first ones."""

    numbers: NDArray[np.float32]
    categories: NDArray[np.object_]
    scores: NDArray[np.float64]
    labels: NDArray[np.int8] | None
    held_out: int


def train(data: Dataset, spec: ModelSpec, bar: Bar) -> Trained:
    """Train a model; the same data and seed give the same model. `bar` begins a progress bar.

    Raises BadData when there is nothing to learn from, or ONNX has no score where scikit-learn has one.
    """
    gap = spec.classify.label.within if spec.classify and spec.classify.label else 0
    learnt_from, held_out = parted(data, spec, gap)
    learn = {"classify": _classify, "cluster": learn_clusters, "anomaly": learn_anomalies}[spec.task]
    learnt = learn(learnt_from, held_out, spec, bar)
    onnx = to_onnx(learnt.pipeline, len(data.inputs.numbers), len(data.inputs.categories))
    proof = _proof(learnt.pipeline, held_out)
    difference = largest_difference(proof.scores, OnnxModel(onnx).scores(proof.numbers, proof.categories))
    if not math.isfinite(difference):
        raise BadData(f"model '{spec.name}' cannot be served: on some rows one of scikit-learn and ONNX has no number")
    parity = {"max_difference": difference, "tolerance": spec.parity, "rows": len(proof.numbers)}
    importances = _importances(onnx, held_out, spec)
    held_scores = membership(proof.scores[: proof.held_out])
    return Trained(
        spec=spec,
        onnx=onnx,
        metrics=learnt.metrics,
        parity=parity,
        failed_gates=failed_gates(spec, learnt.metrics),
        reference=reference_of(data.inputs, learnt_from, held_scores, importances),
        proof=proof,
        learnt=learnt,
        rows={"learnt_from": len(learnt_from), "held_out": len(held_out)},
        importances=importances,
        typical=typical_of(learnt_from),
    )


def failed_gates(spec: ModelSpec, metrics: Metrics) -> list[str]:
    """Return what a model does not reach of what `models.yaml` asks for."""
    failed = []
    for name, gate in spec.gates.items():
        value = metrics.get(name, float("nan"))
        if not gate.passes(value):
            failed.append(f"{name} is {value:.4g}, the gate is {gate.text()}")
    return failed


def membership(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return one number a row: the probability of yes, that of the likeliest group, or the score itself."""
    if scores.ndim == 1:
        return scores
    return scores[:, 1] if scores.shape[1] == 2 else np.asarray(scores.max(axis=1))


def _classify(learnt_from: Dataset, held_out: Dataset, spec: ModelSpec, bar: Bar) -> Learnt:
    settings = spec.classify
    if settings is None or learnt_from.labels is None or held_out.labels is None:
        raise BadData(f"model '{spec.name}' classifies and has no label")
    candidates = search(learnt_from, settings, spec.seed, bar("search", size(settings)))
    best = candidates[0]
    fitted = bar("fit", 1)
    model = classifier(best.estimator, best.settings, spec.seed)
    if settings.calibrate != "none":
        model = calibrated(model, settings.folds)
    whole = pipeline(model, len(learnt_from.inputs.numbers), len(learnt_from.inputs.categories))
    whole.fit(learnt_from.matrix(), learnt_from.labels)
    fitted(1)
    scores = sklearn_scores(whole, held_out.numbers, held_out.categories)[:, 1]
    found: dict[str, Any] = {
        "estimator": best.estimator,
        "settings": best.settings,
        "threshold": settings.threshold,
        "calibrated": settings.calibrate,
        "confusion": confusion(held_out.labels, scores, settings.threshold),
        "candidates": [
            {"estimator": each.estimator, "settings": each.settings, "roc_auc": each.mean, "folds": list(each.scores)}
            for each in candidates
        ],
        "positive_share": float(learnt_from.labels.mean()),
    }
    metrics = of_scores(held_out.labels, scores, settings.threshold)
    return Learnt(whole, metrics, found, held_out, scores)


def _proof(whole: Any, held_out: Dataset) -> Proof:
    edge_numbers, edge_categories = edge_rows(held_out.numbers, held_out.categories)
    numbers = np.concatenate([held_out.numbers, edge_numbers])
    categories = np.concatenate([held_out.categories, edge_categories])
    return Proof(numbers, categories, sklearn_scores(whole, numbers, categories), held_out.labels, len(held_out))


def _importances(onnx: bytes, held_out: Dataset, spec: ModelSpec) -> dict[str, float]:
    """Return by column how far the scores move, on average, when its values are shuffled among held-out rows."""
    draw = np.random.default_rng(spec.seed)
    places = draw.permutation(len(held_out))[:_SHUFFLED_ROWS]
    return shuffled_effect(OnnxModel(onnx), held_out.take(places), draw)


def shuffled_effect(scorer: OnnxModel, data: Dataset, draw: np.random.Generator) -> dict[str, float]:
    """Return by column the mean absolute change of the scores when its values are shuffled."""
    known = scorer.scores(data.numbers, data.categories)
    found: dict[str, float] = {}
    for place, name in enumerate(data.inputs.numbers):
        numbers = data.numbers.copy()
        numbers[:, place] = numbers[draw.permutation(len(numbers)), place]
        found[name] = float(np.mean(np.abs(scorer.scores(numbers, data.categories) - known)))
    for place, name in enumerate(data.inputs.categories):
        categories = data.categories.copy()
        categories[:, place] = categories[draw.permutation(len(categories)), place]
        found[name] = float(np.mean(np.abs(scorer.scores(data.numbers, categories) - known)))
    return found
