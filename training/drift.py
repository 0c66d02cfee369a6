"""Whether what a model sees and says now is still what it was trained on, by tests whose false alarms are bounded."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ks_2samp
from sklearn.metrics import accuracy_score, roc_auc_score

from segments.models.inputs import Inputs
from training.reference import SCORE, Reference, shares, shares_by_bin

_LEAST_SHARE = 1e-4  # of a bin, so that an empty one does not make PSI infinite


@dataclass(frozen=True)
class Limits:
    """From when on something is an alarm: PSI, the level of the KS test over all columns together, accuracy, shift.

    `ks_effect` is the least KS distance that matters, however many rows prove it.
    """

    psi: float = 0.2
    ks_level: float = 0.001
    ks_effect: float = 0.1
    accuracy: float = 0.85
    importance: float = 0.5
    least_rows: int = 200


@dataclass(frozen=True)
class ColumnDrift:
    """How far one column, or the score, has moved; `ks` and `p` are those of a number."""

    name: str
    psi: float
    ks: float | None
    p: float | None
    alarm: bool


@dataclass(frozen=True)
class Drift:
    """All columns, the worst first, what else was measured, the alarms as sentences, the importances of now."""

    rows: int
    columns: list[ColumnDrift]
    measured: dict[str, float] = field(default_factory=dict)
    alarms: list[str] = field(default_factory=list)
    importances: dict[str, float] = field(default_factory=dict)


def psi(expected: NDArray[np.float64], found: NDArray[np.float64]) -> float:
    """Return the population stability index of two lists of shares.

    >>> psi(np.array([0.5, 0.5]), np.array([0.5, 0.5])), round(psi(np.array([0.5, 0.5]), np.array([0.9, 0.1])), 3)
    (0.0, 0.879)
    """
    before, after = np.maximum(expected, _LEAST_SHARE), np.maximum(found, _LEAST_SHARE)
    return float(np.sum((after - before) * np.log(after / before)))


def drift(
    reference: Reference,
    inputs: Inputs,
    numbers: NDArray[np.float32],
    categories: NDArray[np.object_],
    scores: NDArray[np.float64],
    limits: Limits = Limits(),
) -> Drift:
    """Compare rows of now and their scores with what training saw; too few rows are an alarm of their own."""
    rows = len(scores)
    if rows < limits.least_rows:
        return Drift(rows, [], alarms=[f"{rows:,} rows are too few to tell; at least {limits.least_rows:,} are needed"])
    level = limits.ks_level / (len(reference.numbers) or 1)
    found = [
        _number(name, reference.numbers[name], numbers[:, place], limits, level)
        for place, name in enumerate(inputs.numbers)
    ]
    found.append(_number(SCORE, reference.numbers[SCORE], scores, limits, level))
    found += [
        _category(name, reference.categories[name], categories[:, place], limits, rows)
        for place, name in enumerate(inputs.categories)
    ]
    worst = sorted(found, key=lambda each: -each.psi)
    return Drift(rows, worst, alarms=[_sentence(each) for each in worst if each.alarm])


def _number(
    name: str, known: dict[str, list[float]], values: NDArray[Any], limits: Limits, level: float
) -> ColumnDrift:
    moved = psi(np.array(known["shares"]), shares_by_bin(values, np.array(known["edges"])))
    present = np.asarray(values[~np.isnan(values)], np.float64)
    if not len(present) or not known["quantiles"]:
        return ColumnDrift(name, moved, None, None, moved > limits.psi)
    test = ks_2samp(known["quantiles"], present, method="asymp")
    distance, p = float(test.statistic), float(test.pvalue)
    return ColumnDrift(name, moved, distance, p, moved > limits.psi or (p < level and distance > limits.ks_effect))


def _category(
    name: str, known: dict[str, float], values: NDArray[np.object_], limits: Limits, rows: int
) -> ColumnDrift:
    now = shares(values)
    names = sorted(set(known) | set(now))
    common = [each for each in names if known.get(each, 0.0) * rows >= 5 or now.get(each, 0.0) * rows >= 5]
    before, after = (np.array([given.get(each, 0.0) for each in common]) for given in (known, now))
    moved = psi(np.append(before, max(0.0, 1 - before.sum())), np.append(after, max(0.0, 1 - after.sum())))
    return ColumnDrift(name, moved, None, None, moved > limits.psi)


def _sentence(each: ColumnDrift) -> str:
    tested = "" if each.ks is None else f", KS {each.ks:.3f}"
    return f"{each.name} has moved: PSI {each.psi:.3f}{tested}"


def against_labels(labels: NDArray[Any], scores: NDArray[np.float64], threshold: float, limits: Limits) -> Drift:
    """Judge scores by labels that came later: accuracy below its limit is an alarm."""
    if len(labels) < limits.least_rows:
        return Drift(len(labels), [])  # too few labels have come
    accuracy = float(accuracy_score(labels, scores >= threshold))
    measured = {"accuracy": accuracy}
    if len(np.unique(labels)) == 2:
        measured["roc_auc"] = float(roc_auc_score(labels, scores))
    alarms = [f"accuracy is {accuracy:.3f}, below {limits.accuracy:g}"] if accuracy < limits.accuracy else []
    return Drift(len(labels), [], measured, alarms)


def importance_shift(before: dict[str, float], now: dict[str, float], limits: Limits) -> Drift:
    """Compare how much each column moves the scores: half the sum of the differences of their shares, 0 to 1.

    >>> importance_shift({"a": 1.0, "b": 1.0}, {"a": 1.0, "b": 3.0}, Limits()).measured
    {'importance_shift': 0.25}
    """
    names = sorted(set(before) | set(now))
    ours, theirs = (np.array([given.get(name, 0.0) for name in names]) for given in (before, now))
    shift = float(np.abs(ours / (ours.sum() or 1) - theirs / (theirs.sum() or 1)).sum() / 2)
    alarms = [f"the importances have shifted by {shift:.2f}"] if shift > limits.importance else []
    return Drift(0, [], {"importance_shift": shift}, alarms, now)


def in_one(parts: list[Drift]) -> Drift:
    """Return several measurements as one."""
    columns = [column for part in parts for column in part.columns]
    measured = {name: value for part in parts for name, value in part.measured.items()}
    alarms = [alarm for part in parts for alarm in part.alarms]
    importances = {name: value for part in parts for name, value in part.importances.items()}
    return Drift(max((part.rows for part in parts), default=0), columns, measured, alarms, importances)
