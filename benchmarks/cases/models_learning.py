"""Models on real and on made data: how good, equal to scikit-learn, and how soon drift is found."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from threadpoolctl import threadpool_limits

from benchmarks.cases.case import BenchmarkError, Context, Numbers
from benchmarks.cases.models_cdnow import computed, published
from benchmarks.cases.models_data import ROOT, data_file, models
from benchmarks.cases.models_features import compare, instants_of, timed_events
from scoring.onnx_model import OnnxModel
from segments.definitions import load_definitions
from segments.models.inputs import Inputs
from training.dataset import Dataset, from_table
from training.drift import drift
from training.estimators import classifier, pipeline
from training.export import edge_rows, largest_difference, sklearn_scores, to_onnx
from training.reference import Reference, reference_of

_SPLITS = 5
_STEADY_RUNS = 20
_STREAMS = (
    ("taobao", "taobao_users/UserBehavior.csv.gz", "shopper"),
    ("online_retail", "online_retail/online_retail.csv.gz", "customer"),
)


def shoppers(context: Context) -> Numbers:
    """Return the ROC-AUC of Online Shoppers over five splits, and the largest difference of ONNX."""
    data = _shoppers()
    aucs, differences = [], []
    for seed in range(_SPLITS):
        context.say(f"split {seed + 1} of {_SPLITS}")
        assert data.labels is not None  # noqa: S101 - the table has a label
        first, second = train_test_split(np.arange(len(data)), test_size=0.2, stratify=data.labels, random_state=seed)
        learnt, held = data.take(first), data.take(second)
        widths = len(data.inputs.numbers), len(data.inputs.categories)
        with threadpool_limits(1):  # threads of OpenMP that wait for each other take the cores of all others
            model = pipeline(classifier("voting", {}, seed), *widths).fit(learnt.matrix(), learnt.labels)
        edges = edge_rows(held.numbers, held.categories)
        numbers, categories = np.concatenate([held.numbers, edges[0]]), np.concatenate([held.categories, edges[1]])
        scorer, expected = OnnxModel(to_onnx(model, *widths)), sklearn_scores(model, numbers, categories)
        differences.append(largest_difference(expected, scorer.scores(numbers, categories)))
        aucs.append(float(roc_auc_score(held.labels, expected[: len(held), 1])))
    figures = {f"auc_{place}": auc for place, auc in enumerate(aucs)}
    return {"auc": float(np.mean(aucs)), **figures, "max_diff": max(differences)}


def cdnow(_: Context) -> Numbers:
    """Return how many of CDNOW's customers have the published frequency, recency, T and mean value."""
    folder = data_file("cdnow")
    summary = "cdnow_customers_summary.csv", "cdnow_customers_summary_with_transactions.csv"
    found, known = computed(folder / "CDNOW_sample.txt"), published(*(folder / name for name in summary))
    return {"customers": len(known), "equal": sum(found.get(customer) == each for customer, each in known.items())}


def train_serve(context: Context) -> Numbers:
    """Return how many (user, instant) pairs have the same features in training and in the job's step."""
    definitions, known = load_definitions(ROOT / "conf" / "segments.yaml"), models()
    pairs = differing = 0
    for mapping, file, features in _STREAMS:
        context.say(f"reads {file}")
        events = timed_events(data_file(file), mapping)
        instants = instants_of(events, context.sizes.model_instants, 1)
        context.say(f"compares {file} at {len(instants)} instants")
        share = context.sizes.model_pairs // len(_STREAMS)
        count, wrong = compare(definitions, known.feature_sets[features], events, instants, 1, share)
        pairs += count
        differing += len(wrong)
    return {"pairs": pairs, "differing": differing, "equal_share": (pairs - differing) / pairs}


def drift_found(_: Context) -> Numbers:
    """Return the alarms in steady runs, and after how many intervals a shift of one standard deviation is found."""
    known = reference_of(_INPUTS, _visitors(0, 5_000, 0.0), _scores(_visitors(0, 5_000, 0.0)), {})
    false_alarms = sum(bool(_alarms(known, seed, 0.0)) for seed in range(1, _STEADY_RUNS + 1))
    intervals = next((n for n in range(1, _STEADY_RUNS) if _alarms(known, 100 + n, 1.0)), _STEADY_RUNS)
    return {"false_alarms": false_alarms, "steady_runs": _STEADY_RUNS, "found_intervals": intervals}


_INPUTS = Inputs(["views", "age"], [])


def _visitors(seed: int, count: int, shift: float) -> Dataset:
    draw = np.random.default_rng(seed)
    numbers = np.column_stack([draw.normal(6 + 2 * shift, 2, count), draw.normal(40, 12, count)]).astype(np.float32)
    nobody = np.array([], object), np.array([], np.int64)
    return Dataset(_INPUTS, numbers, np.empty((count, 0), object), None, *nobody, "")


def _scores(data: Dataset) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.asarray(1 / (1 + np.exp(6 - data.numbers[:, 0])), np.float64)


def _alarms(known: Reference, seed: int, shift: float) -> list[str]:
    data = _visitors(seed, 1_000, shift)
    return drift(known, _INPUTS, data.numbers, data.categories, _scores(data)).alarms


def _shoppers() -> Dataset:
    spec = models().model("online_shoppers")
    if spec is None or spec.table is None:
        raise BenchmarkError("conf/models.yaml has no model 'online_shoppers' that reads a table")
    return from_table(data_file("online_shoppers_intention/online_shoppers_intention.csv"), spec.table, spec, "")
