"""Groups of users: k-means, the number of groups by two measures, a classifier that serves them, DBSCAN beside it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import DBSCAN, KMeans
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.metrics import adjusted_rand_score, davies_bouldin_score, silhouette_score
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from segments.models.model import Cluster, ModelSpec
from training.dataset import BadData, Dataset
from training.estimators import columns, pipeline
from training.learnt import Learnt

_JUDGED_ROWS = 3_000
_REPEATS = 5
Matrix = NDArray[np.float64]


def learn_clusters(
    learnt_from: Dataset, held_out: Dataset, spec: ModelSpec, bar: Callable[[str, int], Callable[[int], None]]
) -> Learnt:
    """Find groups and learn to tell them apart; raises BadData when there are fewer rows than groups."""
    settings = spec.cluster
    if settings is None or len(learnt_from) <= settings.most:
        raise BadData(f"model '{spec.name}': {len(learnt_from)} rows are too few to find groups in")
    space = _space(learnt_from)
    rows = space.fit_transform(learnt_from.matrix())
    tried = bar("groups", settings.most - settings.least + 1)
    candidates = [_candidate(rows, k, spec.seed, tried) for k in range(settings.least, settings.most + 1)]
    best = _best(candidates)
    groups = KMeans(best["groups"], n_init=10, random_state=spec.seed).fit(rows)
    forest = RandomForestClassifier(n_estimators=100, min_samples_leaf=2, random_state=spec.seed, n_jobs=1)
    whole = pipeline(forest, len(learnt_from.inputs.numbers), len(learnt_from.inputs.categories), impute=True)
    whole.fit(learnt_from.matrix(), groups.labels_)
    foretold, held = whole.predict(held_out.matrix()), space.transform(held_out.matrix())
    metrics = {
        "silhouette": best["silhouette"],
        "davies_bouldin": best["davies_bouldin"],
        "stability": _stability(rows, best["groups"], spec.seed),
        "fidelity": float(np.mean(foretold == groups.predict(held))),
    }
    found = {
        "estimator": "k-means, served by a random forest",
        "settings": {"groups": best["groups"]},
        "candidates": candidates,
        "sizes": [int(n) for n in np.bincount(groups.labels_, minlength=best["groups"])],
        "centres": _centres(learnt_from, groups.labels_, best["groups"]),
        "dbscan": _dbscan(rows, groups.labels_, settings, spec.seed),
    }
    return Learnt(whole, metrics, found, held_out, np.asarray(foretold, np.float64))


def _space(data: Dataset) -> Any:
    """Return what makes distances mean something: unknown values filled in, long tails shortened, one scale."""
    space = columns(len(data.inputs.numbers), len(data.inputs.categories), impute=True, scale=True)
    name, numbers, places = space.transformers[0]
    if name == "numbers":
        steps = [("impute", SimpleImputer(strategy="median", keep_empty_features=True))]
        shorten = ("shorten", FunctionTransformer(_shortened))
        numbers.steps = [*steps, shorten, ("scale", StandardScaler())]
        space.transformers[0] = (name, numbers, places)
    return space


def _shortened(values: Any) -> Matrix:
    numbers = np.asarray(values, np.float64)
    return np.asarray(np.sign(numbers) * np.log1p(np.abs(numbers)))


def _candidate(rows: Matrix, count: int, seed: int, tried: Callable[[int], None]) -> dict[str, Any]:
    labels = KMeans(count, n_init=10, random_state=seed).fit_predict(rows)
    sample = min(_JUDGED_ROWS, len(rows))
    tried(1)
    return {
        "groups": count,
        "silhouette": float(silhouette_score(rows, labels, sample_size=sample, random_state=seed)),
        "davies_bouldin": float(davies_bouldin_score(rows, labels)),
    }


def _best(candidates: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the candidate with the best sum of ranks by both measures; on a tie the one with the fewest groups."""
    by_silhouette = sorted(candidates, key=lambda each: -each["silhouette"])
    by_davies_bouldin = sorted(candidates, key=lambda each: each["davies_bouldin"])
    return min(candidates, key=lambda each: (by_silhouette.index(each) + by_davies_bouldin.index(each), each["groups"]))


def _stability(rows: Matrix, count: int, seed: int) -> float:
    """Return the mean adjusted Rand index between groups found in halves of the rows, over all rows."""
    found = []
    for repeat in range(_REPEATS):
        half = np.random.default_rng(seed + repeat).permutation(len(rows))[: max(count, len(rows) // 2)]
        found.append(KMeans(count, n_init=5, random_state=seed + repeat).fit(rows[half]).predict(rows))
    pairs = [(one, other) for place, one in enumerate(found) for other in found[place + 1 :]]
    return float(np.mean([adjusted_rand_score(one, other) for one, other in pairs]))


def _centres(data: Dataset, labels: NDArray[np.int32], count: int) -> list[dict[str, float | None]]:
    """Return the median of each number in each group; None where nothing is known."""
    centres = []
    for group in range(count):
        inside = data.numbers[labels == group]
        known = [column[~np.isnan(column)] for column in inside.T]
        medians = [float(np.median(values)) if len(values) else None for values in known]
        centres.append(dict(zip(data.inputs.numbers, medians, strict=True)))
    return centres


def _dbscan(rows: Matrix, labels: NDArray[np.int32], settings: Cluster, seed: int) -> dict[str, float | int]:
    """Return what DBSCAN, which cannot be served, finds in a sample: groups, share in none, agreement with k-means."""
    places = np.random.default_rng(seed).permutation(len(rows))[:_JUDGED_ROWS]
    sample = rows[places]
    eps = settings.eps
    if eps is None:  # nine in ten rows have as many neighbours within it as a group needs
        near = NearestNeighbors(n_neighbors=min(settings.min_samples, len(sample))).fit(sample)
        eps = max(float(np.quantile(near.kneighbors(sample)[0][:, -1], 0.9)), 1e-9)
    found = DBSCAN(eps=eps, min_samples=settings.min_samples).fit_predict(sample)
    return {
        "eps": eps,
        "groups": len(set(found.tolist()) - {-1}),
        "in_none": float(np.mean(found == -1)),
        "agreement": float(adjusted_rand_score(labels[places], found)),
    }
