"""Whether a model treats groups of users alike: membership, scores and errors by group, with intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_Z = 1.959964  # of an interval that holds the rate in 95 of 100 cases


@dataclass(frozen=True)
class Rate:
    """A share with its 95 % interval (Wilson)."""

    rate: float
    low: float
    high: float


@dataclass(frozen=True)
class Group:
    """One group; the error rates are None where no label has come or none of that kind is there."""

    group: str
    rows: int
    membership: Rate
    mean_score: float
    false_positive: Rate | None
    false_negative: Rate | None


@dataclass(frozen=True)
class Fairness:
    """All groups, the largest first, and by measure the least rate as a part of the greatest (1: all alike)."""

    groups: list[Group]
    disparity: dict[str, float]


def wilson(hits: int, count: int) -> Rate:
    """Return a share with its interval.

    >>> found = wilson(8, 10)
    >>> found.rate, round(found.low, 3), round(found.high, 3)
    (0.8, 0.49, 0.943)
    """
    rate, square = hits / count, _Z * _Z
    centre = (rate + square / (2 * count)) / (1 + square / count)
    half = _Z * math.sqrt(rate * (1 - rate) / count + square / (4 * count * count)) / (1 + square / count)
    return Rate(rate, max(0.0, centre - half), min(1.0, centre + half))


def fairness_by(
    groups: NDArray[np.object_], scores: NDArray[np.float64], threshold: float, labels: NDArray[Any] | None
) -> Fairness:
    """Return how each group fares; from `threshold` on a user is in.

    >>> found = fairness_by(np.array(["a", "a", "b", "b"], object), np.array([0.9, 0.8, 0.7, 0.1]), 0.5, None)
    >>> found.disparity
    {'membership': 0.5}
    """
    names, counts = np.unique(groups.astype(str), return_counts=True)
    order = sorted(range(len(names)), key=lambda place: (-counts[place], names[place]))
    found = []
    for place in order:
        inside = groups.astype(str) == names[place]
        known = None if labels is None else labels[inside]
        found.append(_group(str(names[place]), scores[inside], threshold, known))
    measures: dict[str, list[Rate | None]] = {
        "membership": [each.membership for each in found],
        "wrongly in": [each.false_positive for each in found],
        "wrongly out": [each.false_negative for each in found],
    }
    ratios = {name: _disparity([rate for rate in rates if rate is not None]) for name, rates in measures.items()}
    return Fairness(found, {name: ratio for name, ratio in ratios.items() if ratio is not None})


def _group(name: str, scores: NDArray[np.float64], threshold: float, labels: NDArray[Any] | None) -> Group:
    inside = scores >= threshold
    wrongly_in = wrongly_out = None
    if labels is not None:
        wrongly_in = _rate(inside[labels == 0])
        wrongly_out = _rate(~inside[labels == 1])
    return Group(
        name, len(scores), wilson(int(inside.sum()), len(scores)), float(scores.mean()), wrongly_in, wrongly_out
    )


def _rate(hits: NDArray[np.bool_]) -> Rate | None:
    return wilson(int(hits.sum()), len(hits)) if len(hits) else None


def _disparity(rates: list[Rate]) -> float | None:
    greatest = max((each.rate for each in rates), default=0.0)
    return min(each.rate for each in rates) / greatest if len(rates) > 1 and greatest > 0 else None
