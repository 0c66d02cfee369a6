from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from scoring.fetching import Models
from scoring.onnx_model import OnnxModel
from scoring.scorer import ModelScorer, inputs_of, loaded
from scoring.source import ScorerStore, scorers
from segments.models.inputs import Inputs
from segments.models.released import ModelRefused, ModelVersion
from tests.scoring.onnx_made import identity, model_of, square_root, version_of


def fails_on(bad: float) -> Any:
    """Return what runs rows, all of which fail together with one that has this number."""

    def run(numbers: Any, _: Any) -> Any:
        asked.append(len(numbers))
        if (numbers == bad).any():
            raise RuntimeError(f"cannot score {bad}")
        return np.hstack([1 - numbers, numbers]).astype(float)

    asked: list[int] = []
    run.asked = asked  # type: ignore[attr-defined]
    return run


def scorer_of(version: ModelVersion, onnx: bytes) -> ModelScorer:
    inputs = inputs_of(version)
    return ModelScorer(version.task, inputs, loaded(version, inputs, onnx).scores)


def test_a_row_that_fails_takes_no_other_with_it_and_the_first_failure_is_told() -> None:
    run = fails_on(0.5)
    scorer = ModelScorer("classify", Inputs(["share"], []), run)
    rows = [(0.1 * place,) for place in range(10)]
    assert scorer.scores(rows) == [None if place == 5 else round(0.1 * place, 6) for place in range(10)]
    taken = scorer.tally.take()
    assert (taken.scores, taken.failures) == (10, 1)
    assert "RuntimeError: cannot score 0.5" in taken.first
    assert len(run.asked) < 2 * len(rows)
    assert scorer.tally.take().scores == 0


def test_all_rows_are_scored_in_one_call() -> None:
    run = fails_on(9.0)
    ModelScorer("classify", Inputs(["share"], []), run).scores([(0.1,)] * 1_000)
    assert run.asked == [1_000]


def test_scores_of_the_wrong_number_are_failures() -> None:
    scorer = ModelScorer("anomaly", Inputs(["share"], []), lambda _, __: np.zeros(3))
    assert scorer.scores([(0.1,), (0.2,)]) == [None, None]
    assert "1 rows have scores of the shape (3,)" in scorer.tally.first


def test_a_score_that_is_no_number_is_that_row_s_alone(tmp_path: Path) -> None:
    version = version_of(square_root(), tmp_path)
    scorer = scorer_of(version, Path(version.url).read_bytes())
    assert scorer.scores([(1, 0.25), (1, -1.0), (1, 4)]) == [0.5, None, 2.0]
    assert scorer.tally.failures == 1


@pytest.mark.parametrize(
    ("task", "given", "score"),
    [("classify", (0.2, 0.8), 0.8), ("cluster", (0.7, 0.3), 0.0), ("cluster", (0.2, 0.3), 1.0)],
)
def test_outputs_become_a_score(task: Any, given: tuple[float, ...], score: float, tmp_path: Path) -> None:
    version = version_of(identity(), tmp_path, task=task)
    assert scorer_of(version, Path(version.url).read_bytes()).scores([given]) == [score]


def test_an_anomaly_is_its_score(tmp_path: Path) -> None:
    axes = helper.make_node("Constant", [], ["axes"], value=helper.make_tensor("axes", TensorProto.INT64, [1], [1]))
    summed = model_of(axes, helper.make_node("ReduceSum", ["numbers", "axes"], ["scores"], keepdims=1), scores=1)
    assert scorer_of(version_of(summed, tmp_path, task="anomaly"), summed).scores([(1, -3)]) == [-2.0]


@pytest.mark.parametrize(
    ("onnx", "task", "why"),
    [
        (b"no model", "classify", "no ONNX model that can be run"),
        (model_of(helper.make_node("Identity", ["numbers"], ["scores"]), width=3, scores=3), "classify", "it takes"),
        (identity(), "anomaly", "gives one score for a row"),
        (
            model_of(helper.make_node("Concat", ["numbers", "numbers"], ["scores"], axis=1), scores=4),
            "classify",
            "probabilities of two classes",
        ),
    ],
)
def test_what_can_never_score_is_refused(onnx: bytes, task: Any, why: str, tmp_path: Path) -> None:
    version = version_of(onnx, tmp_path, 3, task=task)
    with pytest.raises(ModelRefused, match=f"churn_risk:3 cannot be used: .*{why}"):
        scorer_of(version, onnx)


def test_a_version_is_loaded_once_a_process_and_counted_once(tmp_path: Path) -> None:
    store, version = scorers(tmp_path / "kept"), version_of(identity(), tmp_path)
    scorer = store(version)
    assert store(version_of(identity(), tmp_path, challenger=True)) is scorer
    scorer.scores([(0.5, 0.5)])
    assert [(key, tally.scores) for key, tally in store.tallies().items()] == [(("churn_risk", 1), 1)]


def test_it_runs_on_one_thread() -> None:
    model = OnnxModel(identity())
    options = model._session.get_session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (1, 1)


def test_what_was_in_force_is_fetched_when_it_is_asked_for(tmp_path: Path) -> None:
    version = version_of(identity(), tmp_path)
    onnx = Path(version.url)
    content = onnx.read_bytes()
    onnx.unlink()
    scorer = scorers(tmp_path / "kept").of_history(version)
    onnx.write_bytes(content)
    assert scorer.scores([(0.25, 0.75)]) == [0.75]


def test_one_that_is_away_fails_nobody(tmp_path: Path) -> None:
    version = version_of(identity(), tmp_path)
    Path(version.url).unlink()
    scorer = ScorerStore(Models(tmp_path / "kept", wait=lambda _: None)).of_history(version)
    with pytest.raises(OSError, match="churn_risk:1"):
        scorer.scores([(0.25, 0.75)])
    assert scorer.tally.failures == 0


def test_a_long_history_keeps_few_models_loaded(tmp_path: Path) -> None:
    store = scorers(tmp_path / "kept")
    loaded_ones = [store(version_of(identity(), tmp_path, number)) for number in range(1, 12)]
    assert len(store._loaded) == 8
    assert loaded_ones[0].scores([(0.5, 0.5)]) == [0.5]
