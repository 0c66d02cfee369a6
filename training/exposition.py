"""Measurements as a Prometheus text file, for node_exporter's textfile collector."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from tempfile import NamedTemporaryFile

from training.churn import Interval
from training.drift import Drift

Figure = tuple[str, str, float]  # name, labels as they stand in the braces, value
MEANINGS = {
    "segments_model_drift_psi": "PSI of a column or the score against training",
    "segments_model_drift_ks": "Kolmogorov-Smirnov distance of a number or the score against training",
    "segments_model_measured": "accuracy, roc_auc, confidence and importance_shift of a version now",
    "segments_model_rows": "rows that drift was measured on",
    "segments_model_alarms": "alarms of the last drift check",
    "segments_churn_rate": "exits in the newest whole interval as a share of the members at its beginning",
    "segments_churn_members": "members of a segment at the beginning of the newest whole interval",
    "segments_model_taken_out_timestamp_seconds": "when the job took a version of a model out of force by itself",
    "segments_schedule_last_run_timestamp_seconds": "when a scheduled task ended last",
    "segments_schedule_success": "1 if its last run could be done, else 0",
}


def labels(**given: object) -> str:
    r"""Return labels as they stand in the braces.

    >>> labels(model="a", column='say "x"')
    'model="a",column="say \\"x\\""'
    """
    return ",".join(f'{name}="{_escaped(str(value))}"' for name, value in given.items())


def of_drift(found: Drift, model: str, version: int) -> list[Figure]:
    """Return the figures of a drift check."""
    named = {"model": model, "version": version}
    figures = [("segments_model_drift_psi", labels(**named, column=each.name), each.psi) for each in found.columns]
    figures += [
        ("segments_model_drift_ks", labels(**named, column=each.name), each.ks)
        for each in found.columns
        if each.ks is not None
    ]
    figures += [("segments_model_measured", labels(**named, what=name), v) for name, v in found.measured.items()]
    figures.append(("segments_model_rows", labels(**named), float(found.rows)))
    return [*figures, ("segments_model_alarms", labels(**named), float(len(found.alarms)))]


def of_churn(found: dict[str, list[Interval]]) -> list[Figure]:
    """Return the figures of the newest interval of each segment."""
    newest = {segment: intervals[-1] for segment, intervals in found.items() if intervals}
    rates = [("segments_churn_rate", labels(segment=name), each.rate) for name, each in newest.items()]
    return rates + [("segments_churn_members", labels(segment=name), float(i.members)) for name, i in newest.items()]


def exposition(figures: Iterable[Figure]) -> str:
    """Return figures in Prometheus' text format.

    >>> print(exposition([("segments_model_rows", 'model="a"', 3.0)]), end="")
    # HELP segments_model_rows rows that drift was measured on
    # TYPE segments_model_rows gauge
    segments_model_rows{model="a"} 3.0
    """
    by_name: defaultdict[str, list[str]] = defaultdict(list)
    for name, named, value in figures:
        by_name[name].append(f"{name}{{{named}}} {value!r}")
    lines = []
    for name in sorted(by_name):
        lines += [f"# HELP {name} {MEANINGS[name]}", f"# TYPE {name} gauge", *by_name[name]]
    return "".join(f"{line}\n" for line in lines)


def write_whole(path: Path, text: str) -> None:
    """Replace a file at once, so that nobody reads half of it and a crash leaves the old one; raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.", delete=False, encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part = Path(file.name)
    part.chmod(0o644)  # the collector is somebody else
    part.replace(path)


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
