"""What training saw, kept with a model so that drift is measured against it: shares by bin, and sorted samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segments.models.inputs import Inputs
from training.dataset import Dataset

BINS = 10
SAMPLE = 500
SCORE = "score"


@dataclass(frozen=True)
class Reference:
    """By column: inner edges of the bins, the share in each, of which one is for unknown, and quantiles of the values.

    `rows` is how many were seen; `importances` are those of the columns.
    """

    numbers: dict[str, dict[str, list[float]]]
    categories: dict[str, dict[str, float]]
    rows: int
    importances: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "numbers": self.numbers,
            "categories": self.categories,
            "rows": self.rows,
            "importances": self.importances,
        }

    @staticmethod
    def from_json(given: dict[str, Any]) -> Reference:
        """Return what `to_json` made; raises KeyError when something is missing."""
        return Reference(given["numbers"], given["categories"], given["rows"], given["importances"])


def reference_of(
    inputs: Inputs, data: Dataset, scores: NDArray[np.float64], importances: dict[str, float]
) -> Reference:
    """Return what is kept of the columns of the rows learnt from, and of the scores of held-out rows."""
    numbers = {name: _of_numbers(data.numbers[:, place]) for place, name in enumerate(inputs.numbers)}
    numbers[SCORE] = _of_numbers(scores)
    categories = {name: shares(data.categories[:, place]) for place, name in enumerate(inputs.categories)}
    return Reference(numbers, categories, len(data), importances)


def typical_of(data: Dataset) -> dict[str, float | str | None]:
    """Return by column what is usual: the median of a number, the most frequent category; None where none is known."""
    found: dict[str, float | str | None] = {}
    for place, name in enumerate(data.inputs.numbers):
        known = data.numbers[:, place][~np.isnan(data.numbers[:, place])]
        found[name] = float(np.median(known)) if len(known) else None
    for place, name in enumerate(data.inputs.categories):
        counted = shares(data.categories[:, place])
        found[name] = max(counted, key=lambda each: (counted[each], each)) or None
    return found


def _of_numbers(values: NDArray[Any]) -> dict[str, list[float]]:
    known = np.sort(np.asarray(values[~np.isnan(values)], np.float64))
    if not len(known):
        return {"edges": [], "shares": [0.0, 1.0], "quantiles": []}
    edges = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)[1:-1], method="lower"))
    picked = np.quantile(known, np.linspace(0, 1, min(SAMPLE, len(known))), method="lower")
    return {"edges": edges.tolist(), "shares": shares_by_bin(values, edges).tolist(), "quantiles": picked.tolist()}


def shares_by_bin(values: NDArray[Any], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of values in each bin (an edge belongs to the bin below it); the last is that of the unknown.

    >>> shares_by_bin(np.array([1.0, 2.0, 3.0, np.nan]), np.array([2.0])).tolist()
    [0.5, 0.25, 0.25]
    """
    unknown = np.isnan(values)
    counts = np.bincount(np.searchsorted(edges, values[~unknown], side="left"), minlength=len(edges) + 1)
    return np.append(counts, unknown.sum()) / max(1, len(values))


def shares(values: NDArray[np.object_]) -> dict[str, float]:
    """Return the share of each category."""
    found, counts = np.unique(values.astype(str), return_counts=True)
    return {str(name): float(count / len(values)) for name, count in zip(found, counts, strict=True)}
