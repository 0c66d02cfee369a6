"""Whether a model treats groups of users alike: membership, scores and errors by group, with intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.watch import Watched

_Z = 1.959964  # of an interval that holds the rate in 95 of 100 cases


_Texts = NDArray[np.object_]
_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Rate:
    """A share with its 95 % interval (Wilson), or a mean with its own (normal)."""

    rate: float
    low: float
    high: float


@dataclass(frozen=True)
class Group:
    """One group; the error rates are None where no label has come or none of that kind is there.

    They are of `judged` rows: those whose label has come.
    """

    group: str
    rows: int
    judged: int
    membership: Rate
    mean_score: Rate
    false_positive: Rate | None
    false_negative: Rate | None


@dataclass(frozen=True)
class Fairness:
    """All groups, the largest first, and by measure the least rate as a part of the greatest (1: all alike).

    Groups of few rows say little and are left out of the latter.
    """

    groups: list[Group]
    disparity: dict[str, float]


class Judged(NamedTuple):
    """Rows whose label has come: the group, the score and the label of each."""

    groups: _Texts
    scores: _Floats
    labels: NDArray[Any]


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


def mean(values: _Floats) -> Rate:
    """Return the mean of probabilities with its interval.

    >>> found = mean(np.array([0.4, 0.6]))
    >>> found.rate, round(found.low, 3), round(found.high, 3)
    (0.5, 0.304, 0.696)
    """
    middle = float(values.mean())
    half = _Z * float(values.std(ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else math.inf
    return Rate(middle, max(0.0, middle - half), min(1.0, middle + half))


def fairness_of(watched: Watched, by: str, least: int) -> Fairness:
    """Return how the groups of a category fare with a version; raises ValueError when the model reads none such.

    Membership and scores are those of the newest rows, errors those of the rows whose label has come.
    """
    data, known = watched.data, watched.judged_scores()
    if watched.manifest["task"] != "classify":
        raise ValueError("the model foretells nothing, so nobody is rightly or wrongly in")
    if by not in data.inputs.categories:
        raise ValueError(f"--by takes a category of the model: {', '.join(data.inputs.categories) or 'it has none'}")
    place, judged = data.inputs.categories.index(by), None
    if known is not None:
        rows, labels, scores = known
        judged = Judged(rows.categories[:, place], scores, labels)
    return fairness_by(data.categories[:, place], watched.scores, watched.threshold, judged, least)


def fairness_by(
    groups: _Texts, scores: _Floats, threshold: float, judged: Judged | None = None, least: int = 30
) -> Fairness:
    """Return how each group fares; from `threshold` on a user is in. Groups of fewer than `least` rows are only shown.

    >>> found = fairness_by(np.array(["a", "a", "b", "b"], object), np.array([0.9, 0.8, 0.7, 0.1]), 0.5, least=1)
    >>> found.disparity
    {'membership': 0.5}
    """
    names, counts = np.unique(groups.astype(str), return_counts=True)
    order = sorted(range(len(names)), key=lambda place: (-counts[place], names[place]))
    found = [_group(str(names[place]), groups, scores, threshold, judged) for place in order]
    measures: dict[str, list[Rate | None]] = {
        "membership": [each.membership for each in found if each.rows >= least],
        "wrongly in": [each.false_positive for each in found if each.judged >= least],
        "wrongly out": [each.false_negative for each in found if each.judged >= least],
    }
    ratios = {name: _disparity([rate for rate in rates if rate is not None]) for name, rates in measures.items()}
    return Fairness(found, {name: ratio for name, ratio in ratios.items() if ratio is not None})


def _group(name: str, groups: _Texts, scores: _Floats, threshold: float, judged: Judged | None) -> Group:
    own = scores[groups.astype(str) == name]
    inside = own >= threshold
    wrongly_in = wrongly_out = None
    known = 0
    if judged is not None:
        places = judged.groups.astype(str) == name
        foretold, labels = judged.scores[places] >= threshold, judged.labels[places]
        wrongly_in, wrongly_out, known = _rate(foretold[labels == 0]), _rate(~foretold[labels == 1]), len(labels)
    return Group(name, len(own), known, wilson(int(inside.sum()), len(own)), mean(own), wrongly_in, wrongly_out)


def _rate(hits: NDArray[np.bool_]) -> Rate | None:
    return wilson(int(hits.sum()), len(hits)) if len(hits) else None


def _disparity(rates: list[Rate]) -> float | None:
    greatest = max((each.rate for each in rates), default=0.0)
    return min(each.rate for each in rates) / greatest if len(rates) > 1 and greatest > 0 else None
