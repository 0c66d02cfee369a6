"""What a drift check found, as a page with plots."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segments.html_page import html_page
from training import plots
from training.churn import Interval
from training.drift import Drift
from training.reference import SCORE, Reference
from training.report import STYLE

_SHOWN = 20
_SEGMENTS = 10


def page(
    title: str,
    found: Drift,
    reference: Reference,
    scores: NDArray[np.float64],
    churn: dict[str, list[Interval]],
    notes: Iterable[str] = (),
) -> str:
    """Return the page as HTML; `churn` may be empty, `notes` are sentences that stand below the alarms."""
    drawn = (
        [_psi(found), _scores(reference, scores), _importances(reference.importances, found.importances)]
        if found.columns
        else []
    )
    drawn += [_churn(churn)] if churn else []
    alarms = "".join(f'<p class="bad">{escape(text)}</p>' for text in found.alarms) or "<p>Nothing has moved.</p>"
    alarms += "".join(f'<p class="bad">{escape(text)}</p>' for text in notes)
    measured = "".join(f"<tr><td>{escape(k)}</td><td>{value:.4g}</td></tr>" for k, value in found.measured.items())
    rows = "".join(
        f"<tr><td>{escape(each.name)}</td><td>{each.psi:.3f}</td><td>{'' if each.ks is None else f'{each.ks:.3f}'}</td>"
        f"<td>{'' if each.p is None else f'{each.p:.2g}'}</td><td>{'moved' if each.alarm else ''}</td></tr>"
        for each in found.columns
    )
    body = f"""<p>{found.rows:,} rows of now against {reference.rows:,} of training.</p>
{alarms}
<h2>Measured</h2><table>{measured}</table>
<h2>Pictures</h2>{"".join(drawn)}
<h2>Columns</h2>
<table><tr><th>column</th><th>PSI</th><th>KS</th><th>p</th><th></th></tr>{rows}</table>
{_churn_table(churn)}"""
    return html_page(title, body, STYLE)


def _psi(found: Drift) -> str:
    top = found.columns[:_SHOWN][::-1]

    def draw(axes: Any) -> None:
        axes.barh([each.name for each in top], [each.psi for each in top], color=[_colour(e.alarm) for e in top])
        axes.tick_params(labelsize=7)
        axes.set(xlabel="PSI")

    return plots.svg(draw, "How far columns have moved")


def _colour(alarm: bool) -> str:
    return "#b3261e" if alarm else "#3b6ea5"


def _scores(reference: Reference, scores: NDArray[np.float64]) -> str:
    def draw(axes: Any) -> None:
        known = np.array(reference.numbers[SCORE]["quantiles"])
        edges = np.histogram_bin_edges(np.concatenate([known, scores]), bins=30)
        axes.hist([known, scores], bins=edges, density=True, label=["training", "now"])
        axes.legend(fontsize=8)
        axes.set(xlabel="score")

    return plots.svg(draw, "Scores")


def _importances(before: dict[str, float], now: dict[str, float]) -> str:
    top = sorted(before, key=lambda name: before[name] + now.get(name, 0.0))[-_SHOWN:]
    places = np.arange(len(top))

    def draw(axes: Any) -> None:
        axes.barh(places + 0.2, [before[name] for name in top], 0.4, label="training")
        axes.barh(places - 0.2, [now.get(name, 0.0) for name in top], 0.4, label="now")
        axes.set_yticks(places, top, fontsize=7)
        axes.legend(fontsize=8)
        axes.set(xlabel="mean change of the score when shuffled")

    return plots.svg(draw, "Importance")


def _churn(churn: dict[str, list[Interval]]) -> str:
    largest = sorted(churn, key=lambda name: -max((each.members for each in churn[name]), default=0))[:_SEGMENTS]

    def draw(axes: Any) -> None:
        for name in largest:
            axes.plot([each.rate for each in churn[name]], label=name)
        axes.legend(fontsize=6)
        axes.set(xlabel="interval", ylabel="exits per member")

    return plots.svg(draw, "Segment churn")


def _churn_table(churn: dict[str, list[Interval]]) -> str:
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{each[-1].members:,}</td><td>{each[-1].entered:,}</td>"
        f"<td>{each[-1].left:,}</td><td>{each[-1].rate:.1%}</td></tr>"
        for name, each in churn.items()
        if each
    )
    head = "<tr><th>segment</th><th>members</th><th>entered</th><th>left</th><th>churn</th></tr>"
    return f"<h2>Segments in the newest interval</h2><table>{head}{rows}</table>" if rows else ""
