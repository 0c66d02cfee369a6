"""How good the tests of conditions and features are: `python -m benchmarks.mutation [--minutes M] [--resume]`.

mutmut makes small changes to `segments/conditions` and `segments/features`, one at a time, and runs a quick selection
of tests on each (`[tool.mutmut]` in pyproject.toml). A change that fails no test has survived;
benchmarks/survivors.yaml says why it may. Writes the score into benchmarks/report.json and docs/mutation.md.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
import yaml
from rich.console import Console
from rich.markup import escape

from benchmarks.report import DOCS as FIGURES
from benchmarks.report import REPORT, merge, put_between, read_report, write_docs, write_report

ROOT = Path(__file__).resolve().parents[1]
SURVIVORS = ROOT / "benchmarks" / "survivors.yaml"
DOCS = ROOT / "docs" / "mutation.md"
WORK = ROOT / "mutants"  # where mutmut keeps the changed sources and what it found
BEGIN, END = "<!-- written by `make mutation` -->", "<!-- end -->"
MUTMUT = Path(sys.executable).with_name("mutmut")
NOTICED, SURVIVED, OPEN = ("killed", "timeout", "segfault"), ("survived", "no tests"), "not checked"

app = typer.Typer(add_completion=False)
console = Console(highlight=False)


class Change(NamedTuple):
    """One small change: a line of a function as it is, and as it was made."""

    file: str
    function: str
    was: str
    made: str


@app.command()
def mutation(
    jobs: Annotated[int, typer.Option(min=1, help="changes tried at a time")] = os.cpu_count() or 1,
    minutes: Annotated[float | None, typer.Option(min=0.1, help="stop after so long; go on with --resume")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="go on with what a stopped run left")] = False,
) -> None:
    """Try every change, show and write the score; exits with 1 when one survives without a reason, 3 when stopped."""
    if not resume:
        shutil.rmtree(WORK, ignore_errors=True)
    _try_changes(jobs, minutes)
    results = read_results(_mutmut("results", "--all", "true"))
    finished, waiting = split(results)
    survivors = [read_change(name, _mutmut("show", name)) for name, verdict in finished.items() if verdict in SURVIVED]
    reasons = {change: why for change, why in read_reasons().items() if change.file not in waiting}
    unexplained, gone = compare(survivors, reasons)
    write(finished, waiting)
    for change in unexplained:
        _show("[red]survived without a written reason:[/]", change)
    for change in gone:
        _show("[yellow]no longer survives, or no longer exists:[/]", change)
    console.print(summary(finished))
    if waiting:
        console.print(f"[yellow]There are changes to try in {', '.join(waiting)}: go on with --resume")
        raise typer.Exit(3)
    if unexplained or gone:
        console.print(f"[red]Mend the tests, or {SURVIVORS.relative_to(ROOT)}")
        raise typer.Exit(1)


def _show(what: str, change: Change) -> None:
    console.print(f"{what} {change.file}, {change.function}\n  - {escape(change.was)}\n  + {escape(change.made)}")


def _try_changes(jobs: int, minutes: float | None) -> None:
    """Run mutmut; it keeps what it has found when it is interrupted."""
    environment = {**os.environ, "HYPOTHESIS_PROFILE": "brief"}
    command = [str(MUTMUT), "run", "--max-children", str(jobs)]
    with subprocess.Popen(command, cwd=ROOT, env=environment) as running:
        try:
            running.wait(None if minutes is None else minutes * 60)
        except subprocess.TimeoutExpired:
            running.send_signal(signal.SIGINT)


def _mutmut(*arguments: str) -> str:
    return subprocess.run([str(MUTMUT), *arguments], cwd=ROOT, check=True, capture_output=True, text=True).stdout


def read_results(text: str) -> dict[str, str]:
    """Return the verdict of each change from what `mutmut results` prints.

    >>> read_results("    segments.features.base.x_to_micros__mutmut_1: survived")
    {'segments.features.base.x_to_micros__mutmut_1': 'survived'}
    """
    pairs = (line.strip().rpartition(": ") for line in text.splitlines())
    return {name: verdict for name, _, verdict in pairs if "__mutmut_" in name}


def split(results: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Return the verdicts in the files in which every change has been tried, and the other files.

    >>> split({"segments.features.seen.x_a__mutmut_1": "killed", "segments.features.base.x_b__mutmut_1": "not checked"})
    ({'segments.features.seen.x_a__mutmut_1': 'killed'}, ['segments/features/base.py'])
    """
    waiting = sorted({file_of(name) for name, verdict in results.items() if verdict == OPEN})
    return {name: verdict for name, verdict in results.items() if file_of(name) not in waiting}, waiting


def read_change(name: str, diff: str) -> Change:
    """Return the change of that name from the unified diff that `mutmut show` prints; raises ValueError for no diff."""
    lines = diff.splitlines()
    was = [line[1:].strip() for line in lines if line.startswith("-") and not line.startswith("--- ")]
    made = [line[1:].strip() for line in lines if line.startswith("+") and not line.startswith("+++ ")]
    if not was:
        raise ValueError(f"mutmut shows no difference for {name}:\n{diff}")
    return Change(file_of(name), function_of(name), " ".join(was), " ".join(made))


def read_reasons(path: Path = SURVIVORS) -> dict[Change, str]:
    """Return the changes that may survive, each with the reason."""
    listed: list[dict[str, Any]] = yaml.safe_load(path.read_text(encoding="utf-8")) or []
    return {
        Change(each["file"], each["function"], each["line"], made): each["why"]
        for each in listed
        for made in each["survives"]
    }


def compare(survivors: Iterable[Change], reasons: Mapping[Change, str]) -> tuple[list[Change], list[Change]]:
    """Return the survivors without a reason, and the changes with a reason that did not survive."""
    found = dict.fromkeys(survivors)
    return [each for each in found if each not in reasons], [each for each in reasons if each not in found]


def numbers(results: Mapping[str, str]) -> dict[str, Any]:
    """Return what the report keeps: how many changes ended how, and what percentage was noticed."""
    verdicts = Counter(results.values())
    noticed = sum(verdicts[verdict] for verdict in NOTICED)
    return {
        "score": round(100 * noticed / max(1, len(results)), 2),
        "changes": len(results),
        "killed": verdicts["killed"],
        "timeout": verdicts["timeout"],
        "survived": len(results) - noticed,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def summary(results: Mapping[str, str]) -> str:
    """Return the score in one line."""
    found = numbers(results)
    return "{score} % of {changes:,} changes noticed; {timeout} of them by running into the time limit".format(**found)


def by_file(results: Mapping[str, str]) -> list[tuple[str, int, int, int]]:
    """Return for each file how many changes were killed, ran into the time limit, and survived.

    >>> by_file({"segments.features.base.x_to_micros__mutmut_1": "killed"})
    [('segments/features/base.py', 1, 0, 0)]
    """
    verdicts: dict[str, Counter[str]] = {}
    for name, verdict in results.items():
        verdicts.setdefault(file_of(name), Counter())[verdict] += 1
    return [
        (file, counts["killed"], counts["timeout"], counts.total() - sum(counts[verdict] for verdict in NOTICED))
        for file, counts in sorted(verdicts.items())
    ]


def file_of(name: str) -> str:
    """Return the file that a change named by mutmut is in.

    >>> file_of("segments.conditions.x_compile_condition__mutmut_1")
    'segments/conditions/__init__.py'
    """
    place = name.rpartition(".")[0].replace(".", "/")
    return f"{place}.py" if (ROOT / f"{place}.py").is_file() else f"{place}/__init__.py"


def function_of(name: str) -> str:
    """Return the function or method that a change named by mutmut is in.

    >>> function_of("segments.features.seen.xǁSeenǁinputs__mutmut_7")
    'Seen.inputs'
    """
    mangled = name.rpartition(".")[2].rpartition("__mutmut_")[0]
    return mangled[2:].replace("ǁ", ".")  # x_function, or xǁClassǁmethod


def write(results: Mapping[str, str], waiting: Sequence[str] = ()) -> None:
    """Write the score into the report, and the report's figures and the survivors into the pages."""
    measured = {**numbers(results), "files": by_file(results), "waiting": [*waiting]}
    report = merge(read_report(REPORT), {"mutation": measured})
    write_report(REPORT, report)
    write_docs(report, FIGURES)
    put_between(DOCS, BEGIN, END, markdown(report["details"]["mutation"], read_reasons()))


def markdown(measured: Mapping[str, Any], reasons: Mapping[Change, str]) -> str:
    """Return the score by file and the survivors with their reasons, as docs/mutation.md shows them."""
    lines = ["| file | killed | time limit | survived |", "| --- | ---: | ---: | ---: |"]
    lines += [
        f"| `{file}` | {killed} | {timeout} | {survived} |" for file, killed, timeout, survived in measured["files"]
    ]
    lines += ["| all | {killed:,} | {timeout} | {survived} |".format(**measured), ""]
    if measured.get("waiting"):
        lines += [f"Not measured yet: {', '.join(f'`{file}`' for file in measured['waiting'])}.", ""]
    together: dict[tuple[str, ...], list[str]] = {}
    for change, why in reasons.items():
        together.setdefault((change.file, change.function, why, change.was), []).append(change.made)
    for (file, function, why, was), made in together.items():
        lines += [
            f"`{file}`, `{function}`: {why}",
            "",
            "```diff",
            f"- {was}",
            *(f"+ {each}" for each in made),
            "```",
            "",
        ]
    return "\n".join(lines).rstrip()


if __name__ == "__main__":
    app()
