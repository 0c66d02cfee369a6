"""Pictures of a report, as SVG inside the page."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.calibration import calibration_curve
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.metrics import precision_recall_curve, roc_curve
from sklearn.preprocessing import StandardScaler

_BINS = 10
_SHOWN = 15
_POINTS = 2_000


def svg(draw: Callable[[Any], None], title: str) -> str:
    """Return what `draw` puts on axes, as an SVG element; the same drawing gives the same bytes."""
    figure = Figure(figsize=(4.6, 3.6), layout="constrained")
    axes = figure.add_subplot()
    draw(axes)
    axes.set_title(title, fontsize=10)
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None})
    text = out.getvalue()
    return text[text.index("<svg") :]


def roc(labels: NDArray[Any], scores: NDArray[np.float64]) -> str:
    """Return the ROC curve."""
    fall_out, recall, _ = roc_curve(labels, scores)

    def draw(axes: Any) -> None:
        axes.plot(fall_out, recall)
        axes.plot([0, 1], [0, 1], ":", color="grey")
        axes.set(xlabel="false positive rate", ylabel="true positive rate")

    return svg(draw, "ROC")


def precision_recall(labels: NDArray[Any], scores: NDArray[np.float64]) -> str:
    """Return precision over recall."""
    precision, recall, _ = precision_recall_curve(labels, scores)

    def draw(axes: Any) -> None:
        axes.plot(recall, precision)
        axes.axhline(float(np.mean(labels)), ls=":", color="grey")
        axes.set(xlabel="recall", ylabel="precision", ylim=(0, 1.02))

    return svg(draw, "Precision and recall")


def calibration(labels: NDArray[Any], scores: NDArray[np.float64]) -> str:
    """Return how often it came true, by what was foretold."""
    true, foretold = calibration_curve(labels, scores, n_bins=_BINS, strategy="quantile")

    def draw(axes: Any) -> None:
        axes.plot(foretold, true, "o-")
        axes.plot([0, 1], [0, 1], ":", color="grey")
        axes.set(xlabel="foretold", ylabel="came true")

    return svg(draw, "Calibration")


def importances(found: dict[str, float]) -> str:
    """Return the columns that move the scores most."""
    top = sorted(found.items(), key=lambda each: each[1])[-_SHOWN:]

    def draw(axes: Any) -> None:
        axes.barh([name for name, _ in top], [value for _, value in top])
        axes.tick_params(labelsize=7)
        axes.set(xlabel="mean change of the score when shuffled")

    return svg(draw, "Importance")


def histogram(scores: NDArray[np.float64]) -> str:
    """Return how the scores of held-out rows are spread."""

    def draw(axes: Any) -> None:
        axes.hist(scores, bins=40)
        axes.set(xlabel="score", ylabel="rows")

    return svg(draw, "Scores of held-out rows")


def groups(numbers: NDArray[np.float32], labels: NDArray[np.float64]) -> str:
    """Return held-out rows by group on their two principal components."""
    filled = SimpleImputer(strategy="median", keep_empty_features=True).fit_transform(numbers[:_POINTS])
    shortened = np.sign(filled) * np.log1p(np.abs(filled))
    flat = PCA(2, random_state=0).fit_transform(StandardScaler().fit_transform(shortened))

    def draw(axes: Any) -> None:
        axes.scatter(flat[:, 0], flat[:, 1], c=labels[:_POINTS], cmap="tab10", s=6)
        axes.set(xlabel="first component", ylabel="second component")

    return svg(draw, "Groups")
