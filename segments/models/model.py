"""Models as they stand in `conf/models.yaml`: what they read, what they learn, what they must reach."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from segments.definitions.basis import Duration, Model, Name, OneKind, Text
from segments.models.spec import FeatureSet, OwnCondition
from segments.models.watching import Churn, Retrain, Watch

Estimator = Literal["gradient_boosting", "random_forest", "voting"]
METRICS = ("roc_auc", "average_precision", "f1", "precision", "recall", "accuracy", "brier")
METRICS_OF_CLUSTERS = ("silhouette", "davies_bouldin", "stability", "fidelity")
METRICS_OF_ANOMALIES = ("anomalous_share", "stability")
_METRICS = frozenset((*METRICS, *METRICS_OF_CLUSTERS, *METRICS_OF_ANOMALIES))


class Label(Model):
    """What is to be foretold: a condition on nothing but the events within a time after the instant, at its end."""

    within: Duration
    when: OwnCondition


class Rows(Model):
    """At which instants users are looked at: every so often, those with an event in the time before.

    Of more than `at_most` rows as many are drawn, so that memory and time stay within bounds.
    """

    every: Duration = 86_400_000
    active_within: Duration | None = None
    warm_up: Duration = 0
    at_most: int = Field(100_000, ge=100)


class Table(Model):
    """Columns of a CSV file that is the training data itself; `positive` are the label's values that count as yes."""

    label: Text | None = None
    positive: list[str] = Field(default_factory=lambda: ["1", "true", "TRUE", "yes"], min_length=1)
    numbers: list[Text] = Field(default_factory=list)
    categories: list[Text] = Field(default_factory=list)

    @model_validator(mode="after")
    def _columns(self) -> Self:
        if not self.numbers and not self.categories:
            raise ValueError("needs numbers, categories or both: the columns that the model reads")
        return self


Two = Annotated[list[Text], Field(min_length=2, max_length=2)]


class Place(Model):
    """Where a category stands in an order; unknown where it does not. Unlike `ordered`, the category stays."""

    of: Text
    order: list[Text] = Field(min_length=2)


class Derived(OneKind):
    """A number made of other columns; a ratio is unknown where the second column is 0."""

    beside = frozenset({"name"})

    name: Name
    sum: list[Text] | None = Field(None, min_length=2)
    product: list[Text] | None = Field(None, min_length=2)
    ratio: Two | None = None
    difference: Two | None = None
    place: Place | None = None


class Classify(Model):
    """Foretell a label; the best of the estimators and their settings is found by cross-validation."""

    label: Label | None = None
    estimators: list[Estimator] = Field(["gradient_boosting", "random_forest"], min_length=1)
    grid: dict[Estimator, dict[Text, list[Any]]] = Field(default_factory=dict)
    folds: int = Field(3, ge=2, le=20)
    calibrate: Literal["sigmoid", "none"] = "sigmoid"
    threshold: float = Field(0.5, gt=0, lt=1)


class Cluster(Model):
    """Find groups of users with k-means, the number of them by silhouette and Davies-Bouldin."""

    least: int = Field(2, ge=2)
    most: int = Field(8, le=50)
    eps: float | None = Field(None, gt=0)
    min_samples: int = Field(10, ge=2)

    @model_validator(mode="after")
    def _range(self) -> Self:
        if self.most < self.least:
            raise ValueError(f"most ({self.most}) is less than least ({self.least})")
        return self


class Anomaly(Model):
    """Tell users apart who are like few others, with an isolation forest."""

    share: float = Field(0.01, gt=0, lt=0.5)
    trees: int = Field(100, ge=10, le=2_000)


class Gate(Model):
    """The least or the most that a metric on held-out rows may be."""

    gte: float | None = None
    lte: float | None = None

    @model_validator(mode="after")
    def _one_bound(self) -> Self:
        if (self.gte is None) == (self.lte is None):
            raise ValueError("needs exactly one of gte, lte")
        return self

    def passes(self, value: float) -> bool:
        """Say whether a metric's value passes; one that is no number does not.

        >>> Gate(gte=0.7).passes(0.8), Gate(gte=0.7).passes(float("nan")), Gate(lte=1).passes(2)
        (True, False, False)
        """
        return value >= self.gte if self.gte is not None else self.lte is not None and value <= self.lte

    def text(self) -> str:
        """Return the bound as people read it."""
        return f">= {self.gte:g}" if self.gte is not None else f"<= {self.lte:g}"


def _known_metrics(value: object) -> object:
    unknown = sorted(set(value) - _METRICS) if isinstance(value, dict) else []
    if unknown:
        raise ValueError(f"there is no metric '{unknown[0]}'; there are {', '.join(sorted(_METRICS))}")
    return value


class Scoring(Model):
    """When the job scores a user anew: so long after a change, at the latest at this age, once a column moved enough.

    `tolerance` is the relative share by which a column may move first; 0 takes every move for one.

    >>> Scoring(), Scoring(delay="5s", tolerance=0.1).delay
    (Scoring(delay=30000, max_age=86400000, tolerance=0.0), 5000)
    """

    delay: Duration = 30_000
    max_age: Duration = 86_400_000
    tolerance: float = Field(0.0, ge=0, lt=1)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.max_age <= self.delay:
            raise ValueError("max_age must be longer than delay, or every score is too old before it is made")
        return self


class ModelSpec(Model):
    """One model: exactly one of `features` and `table`, and exactly one of `classify`, `cluster` and `anomaly`."""

    name: Name
    owner: str | None = None
    description: str | None = None
    features: Name | None = None
    table: Table | None = None
    rows: Rows = Field(default_factory=Rows)
    ordered: dict[Text, list[str]] = Field(default_factory=dict)
    derive: list[Derived] = Field(default_factory=list)
    classify: Classify | None = None
    cluster: Cluster | None = None
    anomaly: Anomaly | None = None
    score: Scoring = Field(default_factory=Scoring)
    drift: Watch = Field(default_factory=Watch)
    retrain: Retrain | None = None
    seed: int = 7
    held_out: float = Field(0.2, gt=0, lt=0.9)
    parity: float = Field(1e-5, gt=0)
    gates: Annotated[dict[str, Gate], BeforeValidator(_known_metrics)] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_each(self) -> Self:
        if (self.features is None) == (self.table is None):
            raise ValueError("needs exactly one of features, table")
        given = [name for name in ("classify", "cluster", "anomaly") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"needs exactly one of classify, cluster, anomaly; has {', '.join(given) or 'none'}")
        if self.classify is not None:
            labelled = self.classify.label if self.features is not None else self.table and self.table.label
            if labelled is None:
                where = "classify.label" if self.features is not None else "table.label"
                raise ValueError(f"a model that classifies needs {where}")
        return self

    @property
    def task(self) -> Literal["classify", "cluster", "anomaly"]:
        """Return what the model does."""
        return "classify" if self.classify else "cluster" if self.cluster else "anomaly"


class Models(Model):
    """A whole `models.yaml`."""

    version: Literal[1] = 1
    feature_sets: dict[Name, FeatureSet] = Field(default_factory=dict)
    models: list[ModelSpec] = Field(min_length=1)
    churn: Churn | None = None

    def model(self, name: str) -> ModelSpec | None:
        """Return a model by its name, None when there is none."""
        return next((each for each in self.models if each.name == name), None)
