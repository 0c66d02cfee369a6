"""Pipelines as ONNX, what runs them, and the proof that both say the same."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import onnxruntime
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


class Scorer:
    """Runs an ONNX model on one thread; raises ValueError when it is none, or takes other inputs."""

    def __init__(self, model: bytes) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3  # errors only
        try:
            self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # noqa: BLE001 - onnxruntime's own exceptions have no common base
            raise ValueError(f"no ONNX model that can be run: {error}") from None
        self._inputs = {each.name: each.shape[1] for each in self._session.get_inputs()}
        if not self._inputs or set(self._inputs) - {"numbers", "categories"}:
            raise ValueError(f"a model takes numbers and categories, this one {', '.join(self._inputs) or 'nothing'}")

    @property
    def width(self) -> tuple[int, int]:
        """How many numbers and categories the model takes."""
        return self._inputs.get("numbers", 0), self._inputs.get("categories", 0)

    def scores(self, numbers: Numbers, categories: Categories) -> NDArray[np.float64]:
        """Return the scores of rows: the probability of each class, or one score each."""
        given = {"numbers": numbers, "categories": categories}
        outputs = self._session.run(None, {name: given[name] for name in self._inputs})
        found = np.asarray(outputs[1], np.float64)
        return found[:, 0] if found.shape[1:] == (1,) else found


def sklearn_scores(pipeline: Any, numbers: Numbers, categories: Categories) -> NDArray[np.float64]:
    """Return what the pipeline itself says of rows, in the form of `Scorer.scores`."""
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
