"""The plot of the report: who is how fast, and how much of each bound is used."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl

from benchmarks.bars import BARS
from benchmarks.report import DETAILS, Report, number

if TYPE_CHECKING:
    from benchmarks.faults.memory import Sample

_CONTESTANTS = {
    "job": "the job",
    "bare_loop": "bare loop, one core",
    "bytewax": "Bytewax, same outputs",
    "bytewax_light": "Bytewax, no checkpoints",
    "textbook_pyflink": "textbook PyFlink",
}
_OURS, _OTHERS, _OVER = "#1f6feb", "#8b949e", "#cf222e"
_FULL = 1.0
_WIDEST = 2.0  # a longer bar is cut; its label says how long it is


def plot(report: Report, path: Path) -> None:
    """Draw the report into a PNG file; what was not measured or has failed is left out."""
    mpl.use("Agg")  # draws into files only, so it works without a display
    from matplotlib import pyplot  # noqa: PLC0415 - loads slowly, and must come after the choice of the backend

    figure, (rates, bounds) = pyplot.subplots(1, 2, figsize=(13, 4.2), layout="constrained")
    _draw_rates(rates, report.get(DETAILS, {}))
    _draw_bounds(bounds, report)
    figure.savefig(path, dpi=130)
    pyplot.close(figure)


def plot_memory(samples: Sequence[Sample], warm_up: float, path: Path) -> None:
    """Draw what JVMs and Python workers hold over the hours of a soak into a PNG file; `warm_up` hours are shaded."""
    mpl.use("Agg")
    from matplotlib import pyplot  # noqa: PLC0415 - as above

    figure, panels = pyplot.subplots(1, 2, figsize=(13, 3.6), layout="constrained")
    hours = [sample.hours for sample in samples]
    resident = {"JVMs": [sample.jvm for sample in samples], "Python workers": [sample.python for sample in samples]}
    for axes, (text, values) in zip(panels, resident.items(), strict=True):
        axes.plot(hours, values, color=_OURS, linewidth=1)
        axes.axvspan(0, warm_up, color=_OTHERS, alpha=0.2, linewidth=0)
        axes.set_title(f"{text}: resident memory, MiB (shaded: warm-up)")
        axes.set_xlabel("hours")
        axes.set_ylim(0, max(values) * 1.2)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=130)
    pyplot.close(figure)


def _draw_rates(axes: Any, details: dict[str, Any]) -> None:
    found = [
        (text, details[case]["events_per_s"], case) for case, text in _CONTESTANTS.items() if _measured(details, case)
    ]
    values = [value for _, value, _ in found]
    colours = [_OURS if case == "job" else _OTHERS for _, _, case in found]
    _bars(axes, [text for text, _, _ in found], values, [f"{value:,.0f}" for value in values], colours)
    axes.set_title("events per second, same engine")
    axes.xaxis.set_major_formatter("{x:,.0f}")


def _measured(details: dict[str, Any], case: str) -> bool:
    return "events_per_s" in details.get(case, {})


def _draw_bounds(axes: Any, report: Report) -> None:
    found = [(bar, float(report[bar.key])) for bar in BARS if bar.bound() and report.get(bar.key) is not None]
    shares = [
        bar.at_least / value if bar.at_least is not None else value / (bar.at_most or _FULL) for bar, value in found
    ]
    labels = [f"{number(value)} ({bar.bound()})" for bar, value in found]
    colours = [_OURS if bar.holds(value) else _OVER for bar, value in found]
    _bars(axes, [bar.text for bar, _ in found], [min(share, _WIDEST) for share in shares], labels, colours)
    axes.axvline(_FULL, color="black", linewidth=1, linestyle="--", zorder=0)
    axes.set_title("share of the bound used (left of the line: met)")


def _bars(
    axes: Any, texts: Sequence[str], values: Sequence[float], labels: Sequence[str], colours: Sequence[str]
) -> None:
    drawn = axes.barh(texts, values, color=colours)
    axes.bar_label(drawn, labels, padding=4, bbox={"facecolor": "white", "edgecolor": "none", "pad": 1})
    axes.invert_yaxis()
    axes.set_xlim(0, max([_FULL, *values]) * 1.3)
    axes.spines[["top", "right"]].set_visible(False)
