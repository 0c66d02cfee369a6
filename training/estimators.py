"""Pipelines by name and the settings that are tried for them. All can be exported to ONNX."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

Grid = Mapping[str, list[Any]]
GRIDS: dict[str, Grid] = {
    "gradient_boosting": {"max_leaf_nodes": [6, 10, 16]},
    "random_forest": {"min_samples_leaf": [4, 16]},
    "voting": {},  # one candidate
}
_VOTING_KINDS = (
    {"learning_rate": 0.03, "max_iter": 220, "max_leaf_nodes": 12, "max_features": 0.25},
    {"learning_rate": 0.015, "max_iter": 420, "max_leaf_nodes": 12, "max_features": 0.25},
    {"learning_rate": 0.02, "max_iter": 240, "max_leaf_nodes": 24, "max_features": 0.2, "min_samples_leaf": 50},
)


def columns(numbers: int, categories: int, *, impute: bool = False, scale: bool = False) -> ColumnTransformer:
    """Return what makes one matrix of numbers: those as they are, filled in or scaled, and categories one-hot.

    A category that was not seen in training is none of the known ones.
    """
    steps: list[tuple[str, Any]] = []
    if impute:
        steps.append(("impute", SimpleImputer(strategy="median", keep_empty_features=True)))
    if scale:
        steps.append(("scale", StandardScaler()))
    parts: list[tuple[str, Any, list[int]]] = []
    if numbers:
        parts.append(("numbers", Pipeline(steps) if steps else "passthrough", list(range(numbers))))
    if categories:
        encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
        parts.append(("categories", encoder, list(range(numbers, numbers + categories))))
    return ColumnTransformer(parts)


def classifier(name: str, settings: Mapping[str, Any], seed: int) -> Any:
    """Return an estimator by its name, without what makes its columns."""
    return _CLASSIFIERS[name](dict(settings), seed)


def calibrated(estimator: Any, folds: int) -> Any:
    """Return an estimator whose scores are probabilities: a sigmoid over scores that cross-validation held out."""
    return CalibratedClassifierCV(estimator, method="sigmoid", cv=folds, ensemble=False)


def pipeline(model: Any, numbers: int, categories: int, *, impute: bool = False, scale: bool = False) -> Pipeline:
    """Return the whole pipeline of a model."""
    return Pipeline([("columns", columns(numbers, categories, impute=impute, scale=scale)), ("model", model)])


def _boosting(settings: dict[str, Any], seed: int) -> Any:
    given = {"learning_rate": 0.04, "max_iter": 160, "max_leaf_nodes": 10, "min_samples_leaf": 30}
    common = {"l2_regularization": 5.0, "max_features": 0.3, "early_stopping": False}
    return HistGradientBoostingClassifier(**{**given, **common, **settings}, random_state=seed)


def _forest(settings: dict[str, Any], seed: int) -> Any:
    given = {"n_estimators": 100, "min_samples_leaf": 4, "max_features": 0.35, **settings}
    return _filled(RandomForestClassifier(**given, random_state=seed, n_jobs=1))


def _voting(settings: dict[str, Any], seed: int) -> Any:
    """Boosting of three kinds with two seeds each and extremely random trees, which err in different ways."""
    kinds = [{**kind, **settings} for kind in _VOTING_KINDS]
    boosting = [
        (f"boosting_{number}_{again}", _boosting(kind, seed + 10 * again + number))
        for again in range(2)
        for number, kind in enumerate(kinds)
    ]
    trees = ExtraTreesClassifier(200, min_samples_leaf=6, max_features=0.6, n_jobs=1, random_state=seed)
    weights = np.array([1.0] * len(boosting) + [len(boosting) / 2])  # the exporter takes no list
    return VotingClassifier(
        [*boosting, ("trees", _filled(trees))], voting="soft", weights=weights, flatten_transform=False
    )


def _filled(estimator: Any) -> Pipeline:
    return Pipeline([("impute", SimpleImputer(strategy="median", keep_empty_features=True)), ("trees", estimator)])


_CLASSIFIERS: dict[str, Callable[[dict[str, Any], int], Any]] = {
    "gradient_boosting": _boosting,
    "random_forest": _forest,
    "voting": _voting,
}
