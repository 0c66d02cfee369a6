"""What a training run found: a page with plots, and a summary in plain text."""

from __future__ import annotations

from html import escape
from typing import Any

from segments.html_page import html_page
from training import plots
from training.train import Trained

STYLE = "svg { width: 30rem; max-width: 100%; height: auto; background: #fff; }"  # the plots are drawn on white


def page(trained: Trained, manifest: dict[str, Any]) -> str:
    """Return the page as HTML."""
    gates = "".join(f'<p class="bad">{escape(text)}</p>' for text in trained.failed_gates) or "<p>All gates passed.</p>"
    body = f"""<p>{escape(str(manifest["task"]))}: {escape(str(trained.learnt.found.get("estimator", "")))},
{trained.rows["learnt_from"]:,} rows learnt from, {trained.rows["held_out"]:,} held out{escape(_drawn(manifest))}.
Trained {escape(str(manifest["trained_at"]))} from {escape(str(manifest["data"]["source"]))}.</p>
{gates}
<h2>On held-out rows</h2>
{_table({**trained.metrics, "largest difference of ONNX": trained.parity["max_difference"]})}
{_confusion(trained)}
<h2>Pictures</h2>
{"".join(_pictures(trained))}
<h2>What was tried</h2>
{_candidates(trained.learnt.found)}
{_centres(trained.learnt.found)}"""
    return html_page(str(manifest["model"]), body, STYLE)


def summary(manifest: dict[str, Any]) -> str:
    """Return the summary for a terminal."""
    found, rows = manifest["found"], manifest["data"]["rows"]
    lines = [
        f"{manifest['model']}: {manifest['task']}, {found.get('estimator', '')} {_settings(found)}",
        f"rows: {rows['learnt_from']:,} learnt from, {rows['held_out']:,} held out{_drawn(manifest)}",
        *(f"{name:<18} {value:.4f}" for name, value in manifest["metrics"].items()),
        f"{'onnx difference':<18} {manifest['parity']['max_difference']:.2g} over {manifest['parity']['rows']:,} rows",
        *(f"gate failed: {text}" for text in manifest["failed_gates"]),
    ]
    top = sorted(manifest["importances"].items(), key=lambda each: -each[1])[:5]
    lines.append("most important: " + ", ".join(name for name, _ in top))
    return "\n".join(lines) + "\n"


def _drawn(manifest: dict[str, Any]) -> str:
    """Say that the rows are a sample, where there were more."""
    seen, most = manifest["data"]["rows_seen"], manifest["spec"]["rows"]["at_most"]
    return f" (drawn from {seen:,}: rows.at_most)" if seen is not None and seen > most else ""


def _pictures(trained: Trained) -> list[str]:
    learnt, labels = trained.learnt, trained.learnt.held_out.labels
    if trained.spec.task == "classify" and labels is not None:
        drawn = [each(labels, learnt.scores) for each in (plots.roc, plots.precision_recall, plots.calibration)]
        return [*drawn, plots.importances(trained.importances)]
    if trained.spec.task == "cluster" and learnt.held_out.numbers.shape[1] > 1:
        return [plots.groups(learnt.held_out.numbers, learnt.scores), plots.importances(trained.importances)]
    return [plots.histogram(learnt.scores), plots.importances(trained.importances)]


def _table(values: dict[str, Any]) -> str:
    rows = "".join(f"<tr><td>{escape(name)}</td><td>{value:.4g}</td></tr>" for name, value in values.items())
    return f"<table>{rows}</table>"


def _confusion(trained: Trained) -> str:
    counts = trained.learnt.found.get("confusion")
    if counts is None:
        return ""
    rows = "".join(
        f"<tr><td>{name}</td><td>{no:,}</td><td>{yes:,}</td></tr>"
        for name, (no, yes) in zip(("was no", "was yes"), counts, strict=True)
    )
    return f"<table><tr><th>confusion</th><th>foretold no</th><th>foretold yes</th></tr>{rows}</table>"


def _candidates(found: dict[str, Any]) -> str:
    rows = []
    for each in found.get("candidates", ()):
        judged = {name: value for name, value in each.items() if isinstance(value, float)}
        what = f"{each.get('estimator', '')} {_settings(each)}" if "estimator" in each else f"{each['groups']} groups"
        figures = ", ".join(f"{name} {value:.4f}" for name, value in judged.items())
        rows.append(f"<tr><td>{escape(what)}</td><td>{escape(figures)}</td></tr>")
    return f"<table>{''.join(rows)}</table>" if rows else f"<p>{escape(_settings(found))}</p>"


def _centres(found: dict[str, Any]) -> str:
    centres = found.get("centres")
    if not centres:
        return ""
    heads = "".join(f"<th>{escape(name)}</th>" for name in centres[0])
    rows = "".join(
        f"<tr><td>{group} ({size:,})</td>{''.join(_cell(value) for value in centre.values())}</tr>"
        for group, (centre, size) in enumerate(zip(centres, found["sizes"], strict=True))
    )
    dbscan = found["dbscan"]
    beside = f"DBSCAN beside it: {dbscan['groups']} groups, {dbscan['in_none']:.1%} of the rows in none."
    return f"<h2>Groups</h2><table><tr><th>group (rows), medians</th>{heads}</tr>{rows}</table><p>{beside}</p>"


def _cell(value: float | None) -> str:
    return "<td></td>" if value is None else f"<td>{value:.4g}</td>"


def _settings(found: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in found.get("settings", {}).items())
