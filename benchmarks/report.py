"""The report: figures from raw numbers, `report.json`, the table on the screen, the plot, and docs/benchmarks.md.

python -m benchmarks.report --write-docs
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.table import Table

from benchmarks.bars import BARS, Bar, Cases

FOLDER = Path(__file__).resolve().parent
REPORT = FOLDER / "report.json"
DOCS = FOLDER.parent / "docs" / "benchmarks.md"
BEGIN, END = "<!-- figures: written by `python -m benchmarks.report --write-docs` -->", "<!-- end of figures -->"
DETAILS = "details"

Report = dict[str, Any]


def figures(cases: Cases) -> dict[str, float | None]:
    """Return the figures that follow from these cases; None where one of those it needs has failed."""
    found: dict[str, float | None] = {}
    for bar in BARS:
        if all(case in cases for case in bar.cases):
            failed = any("error" in cases[case] for case in bar.cases)
            found[bar.key] = None if failed else _rounded(bar.figure(cases))
    return found


def _rounded(value: float) -> float:
    """Return a figure with four digits after the point, more where it is very small."""
    return round(value, 4 if abs(value) >= 0.001 else 12)


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
        found.append((bar.text, "" if value is None else _value(bar, value), bar.bound(), verdict))
    return found


def _value(bar: Bar, value: float) -> str:
    """Return a figure as people read it: all digits where fewer would say that a bound is kept, or missed."""
    shown = number(value)
    return shown if bar.holds(value) == bar.holds(float(shown.replace(",", ""))) else str(value)


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
