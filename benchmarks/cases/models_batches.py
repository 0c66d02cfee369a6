"""What a score costs in the job, alone and in a batch: a model of events, from the features' values to the score."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from benchmarks.cases.case import BenchmarkError, Context, Numbers
from benchmarks.cases.models_data import ROOT, data_file, models
from benchmarks.cases.models_features import timed_events
from scoring.onnx_model import OnnxModel
from segments.definitions import load_definitions
from segments.events import EventDecoder
from segments.models.features import Vector
from training.dataset import from_rows
from training.estimators import calibrated, classifier, pipeline
from training.export import to_onnx
from training.rows import Asked, Timed, columns_of, rows_of_users

_MODEL = "likely_to_purchase"
_SIZES = (1, 256)
_ROUNDS = 5
_SCORES = {1: 1_000, 256: 4_096}  # in each round


def batches(context: Context) -> Numbers:
    """Return the seconds that a score takes in batches of each size, and the ratio of the largest to one."""
    definitions, known = load_definitions(ROOT / "conf" / "segments.yaml"), models()
    spec = known.model(_MODEL)
    if spec is None or spec.features is None or spec.classify is None:
        raise BenchmarkError(f"conf/models.yaml has no model '{_MODEL}' that reads features and classifies")
    context.say("makes rows of Taobao")
    events = timed_events(data_file("taobao_users/UserBehavior.csv.gz"), "taobao")
    users: dict[str, list[Timed]] = {}
    decode = EventDecoder().decode
    for _, timed in events:
        users.setdefault(decode(timed[0]).user_id, []).append(timed)
    features = known.feature_sets[spec.features]
    asked = Asked(definitions, features, events[0][0], events[-1][0], spec.rows, spec.classify.label)
    rows = rows_of_users(asked, users.values())
    data = from_rows(rows, columns_of(definitions, features), spec)
    widths = len(data.inputs.numbers), len(data.inputs.categories)
    context.say("trains a model")
    model = calibrated(classifier("gradient_boosting", {}, spec.seed), spec.classify.folds)
    onnx = OnnxModel(to_onnx(pipeline(model, *widths).fit(data.matrix(), data.labels), *widths))
    vectors = [row.vector for row in rows]

    def score(batch: Sequence[Vector]) -> None:
        onnx.scores(*data.inputs.matrices(batch))

    seconds = {size: _cost(score, vectors, size) for size in _SIZES}
    named = {f"seconds_at_{size}": cost for size, cost in seconds.items()}
    return {**named, "batch256_vs_1": seconds[_SIZES[-1]] / seconds[1]}


def _cost(score: Callable[[Sequence[Vector]], None], vectors: Sequence[Vector], size: int) -> float:
    """Return the seconds that a score takes in batches of this size, the best of some rounds."""
    count = min(_SCORES[size], len(vectors))
    rounds = []
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        for begin in range(0, count, size):
            score(vectors[begin : begin + size])
        rounds.append((time.perf_counter() - started) / count)
    return min(rounds)
