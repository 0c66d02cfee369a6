"""Drift: silent while nothing changes, found at once when something does; and fairness by hand."""

import numpy as np
import pytest

from scoring.onnx_model import OnnxModel
from segments.models.inputs import Inputs
from tests.scoring.onnx_made import identity
from training.dataset import Dataset
from training.drift import Drift, Limits, against_labels, drift, importance_shift
from training.fairness import Judged, fairness_by, fairness_of
from training.reference import Reference, reference_of, shares_by_bin
from training.watch import Watched

INPUTS = Inputs(["views", "age", "device"], ["device"])


def rows(seed: int, count: int = 1_000, *, shift: float = 0.0, mobile: float = 0.6, unknown: float = 0.2) -> Dataset:
    """Visitors of a steady shop, unless something is said to have changed."""
    draw = np.random.default_rng(seed)
    views, age = draw.poisson(6, count) + shift, draw.normal(40, 12, count)
    age[draw.random(count) < unknown] = np.nan
    numbers = np.column_stack([views, age]).astype(np.float32)
    categories = np.where(draw.random((count, 1)) < mobile, "mobile", "desktop").astype(object)
    nobody = np.array([], object), np.array([], np.int64)
    return Dataset(INPUTS, numbers, categories, None, *nobody, "hash")


def scores(data: Dataset) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.asarray(1 / (1 + np.exp(6 - data.numbers[:, 0])), np.float64)


def reference() -> Reference:
    data = rows(0, 5_000)
    return reference_of(INPUTS, data, scores(data), {"views": 0.5, "age": 0.1, "device": 0.0})


def found(data: Dataset, limits: Limits | None = None) -> Drift:
    return drift(reference(), INPUTS, data.numbers, data.categories, scores(data), limits or Limits())


def test_no_alarm_in_twenty_steady_runs() -> None:
    alarms = [found(rows(seed)).alarms for seed in range(1, 21)]
    assert alarms == [[]] * 20


@pytest.mark.parametrize("count", [200, 50_000])
def test_no_alarm_with_few_rows_or_many(count: int) -> None:
    assert found(rows(3, count)).alarms == []


@pytest.mark.parametrize(
    ("changed", "moved"),
    [
        ({"shift": 3.0}, {"views", "score"}),
        ({"mobile": 0.2}, {"device"}),
        ({"unknown": 0.7}, {"age"}),
    ],
)
def test_a_shift_is_found_in_one_interval(changed: dict[str, float], moved: set[str]) -> None:
    data = rows(7, **changed)  # type: ignore[arg-type]
    result = found(data)
    assert {each.name for each in result.columns if each.alarm} == moved
    assert len(result.alarms) == len(moved)


def test_too_few_rows_say_so() -> None:
    assert found(rows(1, 50)).alarms == ["50 rows are too few to tell; at least 200 are needed"]


def test_a_reference_comes_back_from_json() -> None:
    known = reference()
    assert Reference.from_json(known.to_json()) == known


def test_an_edge_belongs_to_the_bin_below() -> None:
    assert shares_by_bin(np.array([1.0, 1.0, 2.0]), np.array([1.0])).tolist() == [2 / 3, 1 / 3, 0.0]


def test_accuracy_below_its_limit_is_an_alarm() -> None:
    labels = np.array([0, 1] * 100)
    right = against_labels(labels, labels.astype(float), 0.5, Limits())
    assert (right.alarms, right.measured) == ([], {"accuracy": 1.0, "roc_auc": 1.0})
    wrong = against_labels(labels, 1.0 - labels, 0.5, Limits())
    assert wrong.alarms == ["accuracy is 0.000, below 0.85"]
    assert against_labels(labels[1:], 1.0 - labels[1:], 0.5, Limits()).alarms == []  # too few labels to tell


def test_importances_that_change_places_are_an_alarm() -> None:
    before, now = {"a": 0.9, "b": 0.1}, {"a": 0.1, "b": 0.9}
    assert importance_shift(before, before, Limits()).alarms == []
    assert importance_shift(before, now, Limits()).alarms == ["the importances have shifted by 0.80"]


def test_groups_are_compared() -> None:
    groups = np.array(["a"] * 4 + ["b"] * 2, object)
    scores = np.array([0.9, 0.8, 0.2, 0.1, 0.9, 0.1])
    judged = Judged(groups, scores, np.array([1, 0, 0, 1, 1, 0]))
    result = fairness_by(groups, scores, 0.5, judged, least=2)
    first, second = result.groups
    assert (first.group, first.rows, first.judged, first.membership.rate) == ("a", 4, 4, 0.5)
    assert first.mean_score.rate == pytest.approx(0.5)
    assert 0.0 <= first.mean_score.low < 0.5 < first.mean_score.high <= 1.0
    assert first.false_positive is not None
    assert first.false_negative is not None
    assert (first.false_positive.rate, first.false_negative.rate) == (0.5, 0.5)
    assert second.false_positive is not None
    assert second.false_positive.rate == 0.0
    assert result.disparity == {"membership": 1.0, "wrongly in": 0.0, "wrongly out": 0.0}
    assert first.membership.low < 0.5 < first.membership.high


def test_a_group_of_few_rows_is_shown_and_says_nothing_of_disparity() -> None:
    groups = np.array(["a"] * 4 + ["b"] * 4 + ["c"], object)
    result = fairness_by(groups, np.array([0.9, 0.9, 0.1, 0.1] * 2 + [0.1]), 0.5, least=4)
    assert [(each.group, each.rows) for each in result.groups] == [("a", 4), ("b", 4), ("c", 1)]
    assert result.disparity == {"membership": 1.0}
    assert fairness_by(groups, np.array([0.9, 0.9, 0.1, 0.1] * 2 + [0.1]), 0.5, least=1).disparity["membership"] == 0.0


def of_groups(labels: list[int], yes: float) -> Dataset:
    """Rows of two groups, for whom `identity` says yes with one probability."""
    numbers = np.array([[1 - yes, yes]] * len(labels), np.float32)
    groups = np.array([["a"], ["b"]] * (len(labels) // 2), object)
    nobody = np.array([], object), np.array([], np.int64)
    return Dataset(Inputs(["no", "yes", "device"], ["device"]), numbers, groups, np.array(labels, np.int8), *nobody, "")


def test_errors_are_those_of_rows_whose_label_has_come() -> None:
    newest, judged = of_groups([0, 0, 0, 0], 0.9), of_groups([1, 1], 0.8)  # of the newest none can have come true yet
    manifest = {"task": "classify", "found": {"threshold": 0.5}}
    scores = np.array([0.9] * 4)
    watched = Watched(manifest, reference(), OnnxModel(identity()), newest, scores, judged)
    result = fairness_of(watched, "device", 1)
    assert [(each.rows, each.judged, each.membership.rate) for each in result.groups] == [(2, 1, 1.0), (2, 1, 1.0)]
    assert [each.false_positive for each in result.groups] == [None, None]
    assert [each.false_negative.rate for each in result.groups if each.false_negative] == [0.0, 0.0]
    with pytest.raises(ValueError, match="--by takes a category of the model: device"):
        fairness_of(watched, "yes", 1)
    with pytest.raises(ValueError, match="foretells nothing"):
        fairness_of(Watched({"task": "cluster", "found": {}}, reference(), watched.scorer, newest, scores), "device", 1)
