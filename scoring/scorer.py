"""A version of a model as the engine asks it: rows in, a score or None each; what fails is counted, never raised."""

from __future__ import annotations

import math
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoring.onnx_model import OnnxModel
from segments.definitions import parse_definitions
from segments.models.features import Features, Vector, without_segments
from segments.models.inputs import Categories, Inputs, Numbers
from segments.models.model import Derived
from segments.models.released import ModelRefused, ModelVersion
from segments.plan import Plan

_DIGITS = 6  # of a score: the last ones of a float depend on the machine
_NOTHING = "segments: [{name: nobody, when: {recency: {event: any, within: 1h}}}]"
Run = Callable[[Numbers, Categories], NDArray[np.float64]]


@dataclass
class Tally:
    """What became of a version's scores in this process; `first` tells of the first failure since it was taken."""

    scores: int = 0
    failures: int = 0
    seconds: float = 0.0
    first: str = ""

    def take(self) -> Tally:
        """Return what was counted, and begin anew."""
        taken = Tally(self.scores, self.failures, self.seconds, self.first)
        self.scores = self.failures = 0
        self.seconds, self.first = 0.0, ""
        return taken

    def plus(self, other: Tally) -> Tally:
        """Return both together; what came first is told.

        >>> Tally(5, 1, 0.5, "one").plus(Tally(5, 2, 0.25, "other"))
        Tally(scores=10, failures=3, seconds=0.75, first='one')
        """
        together = self.scores + other.scores, self.failures + other.failures, self.seconds + other.seconds
        return Tally(*together, self.first or other.first)


class ModelScorer:
    """Scores vectors of a version's features, all in one call of `run`; the rows that it fails on have no score.

    >>> from segments.models.inputs import Inputs
    >>> share = lambda numbers, _: np.hstack([1 - numbers, numbers]).astype(float)
    >>> scorer = ModelScorer("classify", Inputs(["share"], []), share)
    >>> scorer.scores([(0.25,), (None,), (0.1234567,)])
    [0.25, None, 0.123457]
    >>> scorer.tally.scores, scorer.tally.failures, scorer.tally.first
    (3, 1, 'the score is no finite number: nan')
    """

    def __init__(self, task: str, inputs: Inputs, run: Run) -> None:
        self._of = _SCORES[task]
        self.inputs = inputs
        self._run = run
        self.tally = Tally()

    def scores(self, vectors: Sequence[Vector]) -> list[float | None]:
        """Return the score of each vector, None where the model fails; raises nothing but OSError, when it is away."""
        started = time.perf_counter()
        found = self._some(vectors) if vectors else []
        self.tally.scores += len(found)
        self.tally.seconds += time.perf_counter() - started
        return found

    def _some(self, vectors: Sequence[Vector]) -> list[float | None]:
        """Score some rows; when they fail together, each half for itself, so that one takes no others with it."""
        try:
            scores = self._of(self._run(*self.inputs.matrices(vectors)))
            if scores.shape != (len(vectors),):
                raise ValueError(f"{len(vectors)} rows have scores of the shape {scores.shape}")
        except OSError:  # its file is away: nobody's failure
            raise
        except Exception:  # noqa: BLE001 - whatever the model does, its user goes on without a score
            if len(vectors) == 1:
                self._failed(traceback.format_exc(limit=-3))
                return [None]
            middle = len(vectors) // 2
            return self._some(vectors[:middle]) + self._some(vectors[middle:])
        return [self._number(score) for score in scores.tolist()]

    def _number(self, score: float) -> float | None:
        if not math.isfinite(score):
            self._failed(f"the score is no finite number: {score}")
            return None
        return round(score, _DIGITS)

    def _failed(self, why: str) -> None:
        self.tally.failures += 1
        self.tally.first = self.tally.first or why


def inputs_of(version: ModelVersion) -> Inputs:
    """Return what makes the input of a version of its features; raises ModelRefused when they make none."""
    try:
        features = _features(version)
        derive = [Derived.model_validate(each) for each in version.derive]
        return Inputs(features.names, features.categories, ordered=version.ordered, derive=derive)
    except ValueError as error:  # of pydantic and of definitions too
        raise ModelRefused(f"{version.label} cannot be used: {error}") from None


def loaded(version: ModelVersion, inputs: Inputs, onnx: bytes) -> OnnxModel:
    """Return a version's model; raises ModelRefused when it can never score anybody: tried on a row of nothing.

    The numbers and categories that it takes must be those that its features make.
    """
    try:
        model, expected = OnnxModel(onnx), (len(inputs.numbers), len(inputs.categories))
        if model.width != expected:
            raise ValueError(f"it takes {model.width} numbers and categories, its features make {expected}")
        found = np.asarray(model.scores(*inputs.matrices([(None,) * len(inputs.names)])))
        _check_shape(version.task, found)
    except Exception as error:  # noqa: BLE001 - onnxruntime's own exceptions have no common base
        raise ModelRefused(f"{version.label} cannot be used: {error}") from None
    return model


def _check_shape(task: str, found: NDArray[Any]) -> None:
    wanted = {"classify": "probabilities of two classes", "cluster": "a probability for each group"}
    fits = {"classify": found.shape == (1, 2), "cluster": found.ndim == 2 and found.shape[0] == 1}
    if not fits.get(task, found.shape == (1,)):
        raise ValueError(
            f"a model to {task} gives {wanted.get(task, 'one score')} for a row, this one {found.shape[1:]}"
        )


def _features(version: ModelVersion) -> Features:
    """Return the columns of a version's input; what segments there are does not count for them."""
    plan = Plan(without_segments(parse_definitions(_NOTHING), {}), feature_sets={version.name: version.feature_set()})
    return plan.models[version.name]


def _positive(found: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the probability of yes."""
    return found[:, 1]


def _likeliest(found: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the number of the likeliest group; unknown where a probability is."""
    return np.where(np.isfinite(found).all(axis=1), found.argmax(axis=1), np.nan)


def _itself(found: NDArray[np.float64]) -> NDArray[np.float64]:
    return found


_SCORES: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "classify": _positive,
    "cluster": _likeliest,
    "anomaly": _itself,
}
