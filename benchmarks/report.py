"""The report: figures from raw numbers, `report.json`, the table on the screen, the plot, and docs/benchmarks.md.

python -m benchmarks.report --write-docs
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from rich.table import Table

from segments.population.summary import RANK_ERROR

FOLDER = Path(__file__).resolve().parent
REPORT = FOLDER / "report.json"
DOCS = FOLDER.parent / "docs" / "benchmarks.md"
BEGIN, END = "<!-- figures: written by `python -m benchmarks.report --write-docs` -->", "<!-- end of figures -->"
DETAILS = "details"

Report = dict[str, Any]
Cases = Mapping[str, Mapping[str, Any]]


class Bar(NamedTuple):
    """A figure of the report: what it says, how it follows from the cases' numbers, and the bound it has to keep."""

    key: str
    text: str
    cases: tuple[str, ...]
    figure: Callable[[Cases], float]
    at_least: float | None = None
    at_most: float | None = None

    def holds(self, value: float) -> bool:
        """Say whether the figure keeps its bound."""
        return (self.at_least is None or value >= self.at_least) and (self.at_most is None or value <= self.at_most)

    def bound(self) -> str:
        """Return the bound as people read it."""
        if self.at_least is not None:
            return f"≥ {self.at_least:g}"
        return "" if self.at_most is None else f"≤ {self.at_most:g}"


def _ratio(case: str, other: str) -> Callable[[Cases], float]:
    return lambda cases: float(cases[case]["events_per_s"] / cases[other]["events_per_s"])


def _number(case: str, name: str) -> Callable[[Cases], float]:
    return lambda cases: float(cases[case][name])


BARS = (
    Bar("job_events_per_s", "the job, events/s", ("job",), _number("job", "events_per_s")),
    Bar(
        "job_vs_bare_loop", "the job / one-core bare loop", ("job", "bare_loop"), _ratio("job", "bare_loop"), at_least=1
    ),
    Bar(
        "job_vs_textbook_pyflink",
        "the job / textbook PyFlink",
        ("job", "textbook_pyflink"),
        _ratio("job", "textbook_pyflink"),
        at_least=10,
    ),
    Bar("job_vs_bytewax", "the job / Bytewax", ("job", "bytewax"), _ratio("job", "bytewax"), at_least=2),
    Bar(
        "engine_step_vs_orjson",
        "one engine step / orjson.loads",
        ("engine_step",),
        _number("engine_step", "step_vs_orjson"),
        at_most=12,
    ),
    Bar("latency_p50_ms", "latency p50, ms", ("latency",), _number("latency", "p50_ms"), at_most=150),
    Bar("latency_p99_ms", "latency p99, ms", ("latency",), _number("latency", "p99_ms"), at_most=600),
    Bar(
        "users_1m_vs_10k",
        "cost of an event, many users / 10 k",
        ("users_growth",),
        _number("users_growth", "ratio"),
        at_most=1.3,
    ),
    Bar(
        "segments_1000_vs_10",
        "cost of an event, 1,000 segments / 10",
        ("segments_growth",),
        _number("segments_growth", "ratio"),
        at_most=1.5,
    ),
    Bar(
        "bytes_per_profile",
        "memory of a profile, bytes",
        ("memory",),
        _number("memory", "bytes_per_profile"),
        at_most=1024,
    ),
    Bar(
        "rules_swap_pause_s",
        "a release: the longest an event waits, s",
        ("rules_swap",),
        _number("rules_swap", "pause_s"),
        at_most=2,
    ),
    Bar(
        "rules_swap_all_users_s",
        "a release: until all users follow it, s",
        ("rules_swap",),
        _number("rules_swap", "all_users_s"),
        at_most=60,
    ),
    Bar(
        "rules_preview_s",
        "a preview over recorded events, s",
        ("rules_preview",),
        _number("rules_preview", "seconds"),
        at_most=90,
    ),
    Bar(
        "rules_lateness_ratio",
        "throughput out of order / in order",
        ("rules_lateness",),
        _number("rules_lateness", "usual_ratio"),
        at_least=0.85,
    ),
    Bar(
        "rules_threshold_rank_error",
        "thresholds: rank error on all users, share of them",
        ("rules_thresholds",),
        _number("rules_thresholds", "rank_error"),
        at_most=RANK_ERROR,
    ),
    Bar(
        "rules_mutation_score",
        "mutants of the rules noticed, %",
        ("mutation",),
        _number("mutation", "score"),
        at_least=90,
    ),
    Bar("faults_kills", "kill -9 under load, times", ("faults_kills",), _number("faults_kills", "kills")),
    Bar(
        "faults_lost",
        "changes lost over these kills",
        ("faults_kills",),
        _number("faults_kills", "lost"),
        at_most=0,
    ),
    Bar(
        "faults_doubled",
        "changes doubled over these kills, for a read_committed consumer",
        ("faults_kills",),
        _number("faults_kills", "doubled"),
        at_most=0,
    ),
    Bar(
        "faults_recovery_s",
        "from a kill to the next event handled, s",
        ("faults_recovery",),
        _number("faults_recovery", "recovery_s"),
        at_most=30,
    ),
    Bar("faults_fuzzed", "mutated events, number", ("faults_fuzz",), _number("faults_fuzz", "fuzzed")),
    Bar(
        "faults_unaccounted",
        "of these: neither processed nor a dead letter, or another fate than in a replay",
        ("faults_fuzz",),
        _number("faults_fuzz", "unaccounted"),
        at_most=0,
    ),
    Bar(
        "faults_redis_catch_up_s",
        "Redis away under load and back with nothing: until it equals the topic, s",
        ("faults_redis",),
        _number("faults_redis", "catch_up_s"),
        at_most=120,
    ),
    Bar(
        "faults_soak_slope_mib_per_h",
        "growth of memory under a steady load, MiB an hour",
        ("faults_soak",),
        _number("faults_soak", "slope_mib_per_h"),
        at_most=5,
    ),
)


def figures(cases: Cases) -> dict[str, float | None]:
    """Return the figures that follow from these cases; None where one of those it needs has failed."""
    found: dict[str, float | None] = {}
    for bar in BARS:
        if all(case in cases for case in bar.cases):
            failed = any("error" in cases[case] for case in bar.cases)
            found[bar.key] = None if failed else round(bar.figure(cases), 4)
    return found


def read_report(path: Path) -> Report:
    """Return the report at `path`, an empty one when there is none; raises ValueError when it is no report."""
    if not path.is_file():
        return {}
    report = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(report, dict):
        raise ValueError(f"{path} holds no JSON object: remove it")
    return report


def merge(report: Report, cases: Cases) -> Report:
    """Return the report with these cases' numbers and figures; what others have put into it stays.

    A figure that compares two cases is taken from one run only, so it is dropped when just one of them ran again.
    """
    new = figures(cases)
    torn = {bar.key for bar in BARS if bar.key not in new and any(case in cases for case in bar.cases)}
    kept = {key: value for key, value in report.items() if key not in torn}
    return {**kept, **new, DETAILS: {**kept.get(DETAILS, {}), **cases}}


def write_report(path: Path, report: Report) -> None:
    """Write the report so that a reader never sees half of it."""
    draft = path.with_suffix(".tmp")
    draft.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    draft.replace(path)


def table(report: Report) -> Table:
    """Return the figures as they are shown in the terminal."""
    shown = Table("figure", "value", "bar", "", title="Benchmarks")
    for column in (1, 2):
        shown.columns[column].justify = "right"
    for text, value, bound, verdict in rows(report):
        shown.add_row(text, value, bound, f"[{_COLOURS[verdict]}]{verdict}")
    return shown


def rows(report: Report) -> list[tuple[str, str, str, str]]:
    """Return each figure as text, value, bound and verdict: met, missed, failed or not measured."""
    found = []
    for bar in BARS:
        value = report.get(bar.key)
        if bar.key not in report:
            verdict = "not measured"
        elif value is None:
            verdict = "failed"
        elif not bar.bound():
            verdict = ""
        else:
            verdict = "met" if bar.holds(value) else "missed"
        found.append((bar.text, "" if value is None else number(value), bar.bound(), verdict))
    return found


def number(value: float) -> str:
    """Return a number with three digits that matter, and commas.

    >>> number(81234.5), number(12.345), number(0.0123)
    ('81,234', '12.3', '0.0123')
    """
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def markdown(report: Report) -> str:
    """Return the figures and the numbers behind them, as docs/benchmarks.md shows them."""
    lines = ["| figure | key in report.json | value | bar | |", "| --- | --- | ---: | ---: | --- |"]
    lines += [
        f"| {text} | `{bar.key}` | {value} | {bound} | {verdict} |"
        for bar, (text, value, bound, verdict) in zip(BARS, rows(report), strict=True)
    ]
    details = report.get(DETAILS, {})
    for name in dict.fromkeys(case for bar in BARS for case in bar.cases if case in details):
        numbers = details[name]
        where = ", ".join(str(numbers[key]) for key in ("scale", "at", "machine") if key in numbers)
        lines += ["", f"**{name}** ({where})", "", _sentence(numbers)]
    return "\n".join(lines)


def _sentence(numbers: Mapping[str, Any]) -> str:
    if "error" in numbers:
        return f"Failed: {str(numbers['error']).splitlines()[0]}"
    skipped = ("scale", "at", "machine", "versions", "load_before", "files", "waiting")
    listed = (f"{name} {_shown(value)}" for name, value in numbers.items() if name not in skipped)
    return ", ".join(listed) + "."


def _shown(value: object) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return number(value) if isinstance(value, float) else str(value)


def write_docs(report: Report, path: Path = DOCS) -> None:
    """Put the figures between their two marks; raises ValueError when the marks are missing."""
    put_between(path, BEGIN, END, markdown(report))


def put_between(path: Path, begin: str, end: str, text: str) -> None:
    """Replace what a page has between two marks; raises ValueError when the marks are missing."""
    before, mark, rest = path.read_text(encoding="utf-8").partition(begin)
    _, end_mark, after = rest.partition(end)
    if not mark or not end_mark:
        raise ValueError(f"{path} needs the lines '{begin}' and '{end}'")
    path.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}", encoding="utf-8")


_COLOURS = {"met": "green", "missed": "red", "failed": "bold red", "not measured": "dim", "": "default"}


def main(arguments: list[str]) -> int:
    """Write the docs from the report, or show the report; returns the exit status."""
    if arguments not in ([], ["--write-docs"]):
        sys.stderr.write(f"{__doc__}\n")
        return 2
    report = read_report(REPORT)
    if arguments:
        write_docs(report)
    else:
        sys.stdout.write(f"{markdown(report)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
