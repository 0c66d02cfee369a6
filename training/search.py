"""Which estimator with which settings is best: every candidate is judged on rows that cross-validation holds out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import ParameterGrid, StratifiedGroupKFold, StratifiedKFold

from segments.models.model import Classify
from training.dataset import BadData, Dataset, Places
from training.estimators import GRIDS, classifier, pipeline


@dataclass(frozen=True)
class Candidate:
    """An estimator with settings, and its ROC-AUC in each fold."""

    estimator: str
    settings: dict[str, Any]
    scores: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The mean over the folds."""
        return float(np.mean(self.scores))


def size(spec: Classify) -> int:
    """Return how many fits a search takes."""
    return len(_grid(spec)) * spec.folds


def search(data: Dataset, spec: Classify, seed: int, fitted: Callable[[int], None]) -> list[Candidate]:
    """Return all candidates, the best first; `fitted` is told of each fit. One user's rows are never on both sides."""
    if data.labels is None:
        raise BadData("a model that classifies needs labels")
    matrix, labels, found = data.matrix(), data.labels, []
    widths = len(data.inputs.numbers), len(data.inputs.categories)
    parts = list(folds(data, labels, spec.folds, seed))
    if not parts:
        raise BadData(
            f"a label is too rare for {spec.folds} folds: {int(labels.sum()):,} of {len(labels):,} rows are yes"
        )
    for estimator, settings in _grid(spec):
        scores = []
        for learnt, judged in parts:
            model = pipeline(classifier(estimator, settings, seed), *widths).fit(matrix[learnt], labels[learnt])
            scores.append(float(roc_auc_score(labels[judged], model.predict_proba(matrix[judged])[:, 1])))
            fitted(1)
        found.append(Candidate(estimator, settings, tuple(scores)))
    return sorted(found, key=lambda each: -each.mean)


def folds(data: Dataset, labels: NDArray[Any], count: int, seed: int) -> Iterator[tuple[Places, Places]]:
    """Yield the rows that are learnt from and judged in each fold, with equal shares of the labels."""
    if min(np.bincount(labels, minlength=2)) < count:
        return
    if not len(data.users):
        yield from StratifiedKFold(count, shuffle=True, random_state=seed).split(data.numbers, labels)
        return
    parts = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    for learnt, judged in parts.split(data.numbers, labels, groups=data.users):
        if all(len(np.unique(labels[part])) == 2 for part in (learnt, judged)):
            yield learnt, judged


def _grid(spec: Classify) -> list[tuple[str, dict[str, Any]]]:
    found: list[tuple[str, dict[str, Any]]] = []
    for estimator in spec.estimators:
        grid = spec.grid.get(estimator) or GRIDS[estimator]
        found += [(estimator, dict(settings)) for settings in ParameterGrid(dict(grid))]
    return found
