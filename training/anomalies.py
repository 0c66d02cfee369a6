"""Users who are like few others: an isolation forest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import IsolationForest
from sklearn.metrics import adjusted_rand_score

from segments.models.model import Anomaly, ModelSpec
from training.dataset import BadData, Dataset
from training.estimators import pipeline
from training.learnt import Learnt


def learn_anomalies(
    learnt_from: Dataset, held_out: Dataset, spec: ModelSpec, bar: Callable[[str, int], Callable[[int], None]]
) -> Learnt:
    """Learn what is usual; a score below 0 is unusual. `stability` is the agreement of two seeds on who is."""
    settings = spec.anomaly
    if settings is None:
        raise BadData(f"model '{spec.name}' looks for no anomalies")
    fitted = bar("fit", 2)
    first, second = (_fit(learnt_from, settings, seed, fitted) for seed in (spec.seed, spec.seed + 1))
    scores = _scores(first, held_out)
    unusual = scores < 0
    metrics = {
        "anomalous_share": float(np.mean(unusual)),
        "stability": float(adjusted_rand_score(_scores(first, learnt_from) < 0, _scores(second, learnt_from) < 0)),
    }
    found = {
        "estimator": "isolation forest",
        "settings": {"trees": settings.trees, "share": settings.share},
        "threshold": 0.0,
    }
    return Learnt(first, metrics, found, held_out, scores)


def _fit(data: Dataset, settings: Anomaly, seed: int, fitted: Callable[[int], None]) -> Any:
    forest = IsolationForest(n_estimators=settings.trees, contamination=settings.share, random_state=seed)
    whole = pipeline(forest, len(data.inputs.numbers), len(data.inputs.categories), impute=True)
    whole.fit(data.matrix())
    fitted(1)
    return whole


def _scores(whole: Any, data: Dataset) -> NDArray[np.float64]:
    return np.asarray(whole.decision_function(data.matrix()), np.float64)
