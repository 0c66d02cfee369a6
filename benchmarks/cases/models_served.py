"""Two models as a job has them, for measurements: trained on what the benchmarks' own load makes of users."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import yaml

from benchmarks.cases.worker import ROOT, SEED, load
from segments.definitions import load_definitions
from segments.engine import Engine
from segments.models.features import Features, Vector
from segments.models.inputs import Inputs
from segments.models.loader import load_models
from segments.models.released import ModelVersion
from segments.plan import Plan
from segments.processor import Processor
from training.dataset import joined
from training.estimators import calibrated, classifier, pipeline
from training.export import to_onnx

_ESTIMATORS = {"shopper": "gradient_boosting", "customer": "random_forest"}
_USERS, _EVENTS = 4_000, 60_000
_FOLDS = 3
_SEGMENTS = """
  - {name: scored_by_shopper, when: {model: {name: bench_shopper, gte: 0.7}}}
  - {name: scored_by_customer, when: {model: {name: bench_customer, gte: 0.7}}}
"""


def definitions_text() -> str:
    """Return the shipped definitions with one segment more for each of the two models."""
    return (ROOT / "conf" / "segments.yaml").read_text(encoding="utf-8").rstrip() + "\n" + _SEGMENTS


def versions(folder: Path) -> tuple[ModelVersion, ...]:
    """Return boosted trees on the shopper's features and a forest on the customer's, each calibrated, as ONNX files."""
    path = ROOT / "conf" / "models.yaml"
    models, written = load_models(path), yaml.safe_load(path.read_text(encoding="utf-8"))
    plan = Plan(
        load_definitions(ROOT / "conf" / "segments.yaml"),
        feature_sets={name: models.feature_sets[name] for name in _ESTIMATORS},
    )
    processor = Processor(Engine(plan))
    at = 0
    for batch in load(_USERS, _EVENTS):
        processor.process(batch.payloads, batch.written_at)
        at = batch.written_at[-1]
    processor.advance(at)
    profiles = [processor.profiles.open(user_id) for user_id in processor.profiles.users()]
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for name, estimator in _ESTIMATORS.items():
        features = plan.models[name]
        vectors = [features.vector(profile, at) for profile in profiles]
        onnx = _trained(features, vectors, estimator)
        file = folder / f"{name}.onnx"
        file.write_bytes(onnx)
        found.append(
            ModelVersion(
                f"bench_{name}",
                1,
                "classify",
                written["feature_sets"][name],
                str(file),
                hashlib.sha256(onnx).hexdigest(),
                calibrated=True,
                typical=dict(zip(features.names, vectors[0], strict=True)),
            )
        )
    return tuple(found)


def _trained(features: Features, vectors: list[Vector], estimator: str) -> bytes:
    """Return a model that foretells, with noise, who does more than most: trees grow as deep as on real labels."""
    inputs = Inputs(features.names, features.categories)
    numbers, categories = inputs.matrices(vectors)
    activity = np.nansum(numbers[:, :4], axis=1) + np.random.default_rng(SEED).normal(0, 2, len(vectors))
    model = calibrated(classifier(estimator, {}, SEED), _FOLDS)
    widths = len(inputs.numbers), len(inputs.categories)
    rows = joined(numbers, categories)
    return to_onnx(pipeline(model, *widths).fit(rows, activity > np.median(activity)), *widths)
