"""How good a model is on rows it has not seen."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    brier_score_loss,
    confusion_matrix,
    f1_score,
    precision_score,
    recall_score,
    roc_auc_score,
)

Metrics = dict[str, float]
Floats = NDArray[np.float64]


def of_scores(labels: NDArray[Any], scores: Floats, threshold: float) -> Metrics:
    """Return the metrics of probabilities against what came true; from `threshold` on counts as foretold.

    >>> found = of_scores(np.array([0, 0, 1, 1]), np.array([0.1, 0.6, 0.7, 0.9]), 0.5)
    >>> found["roc_auc"], found["recall"], round(found["precision"], 3)
    (1.0, 1.0, 0.667)
    """
    foretold = scores >= threshold
    found = {
        "roc_auc": roc_auc_score(labels, scores),
        "average_precision": average_precision_score(labels, scores),
        "brier": brier_score_loss(labels, scores),
        "accuracy": accuracy_score(labels, foretold),
        "precision": precision_score(labels, foretold, zero_division=0),
        "recall": recall_score(labels, foretold, zero_division=0),
        "f1": f1_score(labels, foretold, zero_division=0),
    }
    return {name: float(value) for name, value in found.items()}


def confusion(labels: NDArray[Any], scores: Floats, threshold: float) -> list[list[int]]:
    """Return how many were (rows: no, yes) and were foretold to be (columns: no, yes).

    >>> confusion(np.array([0, 0, 1]), np.array([0.1, 0.6, 0.7]), 0.5)
    [[1, 1], [0, 1]]
    """
    return [[int(n) for n in row] for row in confusion_matrix(labels, scores >= threshold, labels=[0, 1])]
