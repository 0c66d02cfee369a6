"""Pipelines as ONNX, and the proof that both say the same."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType, StringTensorType

from segments.models.inputs import Categories, Numbers
from training.dataset import joined

_OPSETS = {"": 18, "ai.onnx.ml": 3}
_EXTREMES = (np.nan, 0.0, 1e30, -1e30, 1e-30, -1.0)
_NEVER_SEEN = "a category that was never seen"


def to_onnx(pipeline: Any, numbers: int, categories: int) -> bytes:
    """Return a pipeline as ONNX with the inputs `numbers` and `categories`, one row a user."""
    inputs: list[tuple[str, Any]] = []
    if numbers:
        inputs.append(("numbers", FloatTensorType([None, numbers])))
    if categories:
        inputs.append(("categories", StringTensorType([None, categories])))
    options = {id(pipeline): {"zipmap": False}} if hasattr(pipeline, "predict_proba") else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the converter warns of its own use of onnx
        model = convert_sklearn(pipeline, initial_types=inputs, options=options, target_opset=_OPSETS)
    return bytes(model.SerializeToString())


def sklearn_scores(pipeline: Any, numbers: Numbers, categories: Categories) -> NDArray[np.float64]:
    """Return what the pipeline itself says of rows, in the form of `OnnxModel.scores`."""
    rows = joined(numbers, categories)
    scores = pipeline.predict_proba(rows) if hasattr(pipeline, "predict_proba") else pipeline.decision_function(rows)
    return np.asarray(scores, np.float64)


def edge_rows(numbers: Numbers, categories: Categories) -> tuple[Numbers, Categories]:
    """Return rows at the edges, made of a first one: unknown, zero, extreme, and a category that was never seen.

    >>> made = edge_rows(np.zeros((1, 2), np.float32), np.array([["a"]], object))
    >>> len(made[0]), made[1][-1].tolist()
    (19, ['a category that was never seen'])
    """
    first, known = numbers[:1], categories[:1]
    made, texts = [], []
    for extreme in _EXTREMES:
        for place in (*range(first.shape[1]), slice(None)):
            row = first.copy()
            row[:, place] = extreme
            made.append(row)
            texts.append(known)
    unseen = known.copy()
    unseen[:, :] = _NEVER_SEEN
    return np.concatenate([*made, first]), np.concatenate([*texts, unseen])


def largest_difference(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return the largest difference of two sets of scores; infinite where one has a number and the other none.

    >>> largest_difference(np.array([0.1, 0.2]), np.array([0.1, 0.25]))
    0.05
    >>> largest_difference(np.array([0.1]), np.array([np.nan]))
    inf
    """
    if one.shape != other.shape or (np.isnan(one) != np.isnan(other)).any():
        return float("inf")
    return float(np.round(np.nanmax(np.abs(one - other), initial=0.0), 12))
