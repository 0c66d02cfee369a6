"""The mutation tests' bookkeeping: what mutmut prints is understood, and the list of survivors fits the sources."""

import ast
from pathlib import Path

import pytest

from benchmarks import mutation
from benchmarks.mutation import (
    Change,
    by_file,
    compare,
    markdown,
    numbers,
    read_change,
    read_reasons,
    read_results,
    split,
)
from benchmarks.report import REPORT, read_report

ROOT = Path(__file__).parents[2]
PRINTED = """
    segments.features.seen.xǁSeenǁinputs__mutmut_1: killed
    segments.features.seen.xǁSeenǁinputs__mutmut_2: survived
    segments.conditions.count.x_at_least__mutmut_1: timeout
    segments.conditions.x_compile_condition__mutmut_5: killed
"""
DIFF = """# segments.features.seen.xǁSeenǁinputs__mutmut_2: survived
--- segments/features/seen.py
+++ segments/features/seen.py
@@ -1,3 +1,3 @@
     def inputs(self, feature_id):
-        moved = [feature_id]
+        moved = None
         return moved
"""
MADE = Change("segments/features/seen.py", "Seen.inputs", "moved = [feature_id]", "moved = None")


def test_verdicts_are_counted_in_all_and_by_file() -> None:
    results = read_results(PRINTED)
    found = numbers(results)
    assert {name: found[name] for name in ("score", "changes", "killed", "timeout", "survived")} == {
        "score": 75.0,
        "changes": 4,
        "killed": 2,
        "timeout": 1,
        "survived": 1,
    }
    assert by_file(results) == [
        ("segments/conditions/__init__.py", 1, 0, 0),
        ("segments/conditions/count.py", 0, 1, 0),
        ("segments/features/seen.py", 1, 0, 1),
    ]


def test_a_file_with_changes_still_to_try_does_not_count() -> None:
    open_one = {"segments.features.seen.xǁSeenǁinputs__mutmut_3": "not checked"}
    finished, waiting = split({**read_results(PRINTED), **open_one})
    assert waiting == ["segments/features/seen.py"]
    assert [name for name in finished if "seen" in name] == []
    assert "Not measured yet: `a.py`." in markdown({"files": [], **numbers(finished), "waiting": ["a.py"]}, {})


def test_a_change_is_known_by_its_function_and_its_line() -> None:
    assert read_change("segments.features.seen.xǁSeenǁinputs__mutmut_2", DIFF) == MADE
    assert mutation.function_of("segments.conditions.aggregate.x__next_flip__mutmut_12") == "_next_flip"
    with pytest.raises(ValueError, match="no difference"):
        read_change("segments.features.seen.xǁSeenǁinputs__mutmut_2", "nothing")


def test_survivors_without_reason_and_reasons_without_survivor_are_told() -> None:
    other = MADE._replace(made="moved = []")
    assert compare([MADE, MADE], {MADE: "why"}) == ([], [])
    assert compare([MADE], {other: "why"}) == ([MADE], [other])


def test_the_page_shows_each_line_once_with_all_that_may_become_of_it() -> None:
    other = MADE._replace(made="moved = []")
    shown = markdown(
        {"files": [("a.py", 3, 1, 2)], "killed": 3, "timeout": 1, "survived": 2}, {MADE: "why", other: "why"}
    )
    assert "| `a.py` | 3 | 1 | 2 |\n| all | 3 | 1 | 2 |" in shown
    diff = "- moved = [feature_id]\n+ moved = None\n+ moved = []"
    assert shown.endswith(f"`segments/features/seen.py`, `Seen.inputs`: why\n\n```diff\n{diff}\n```")


def functions(file: str) -> dict[str, str]:
    """The source of each function and method of a file, by its name."""
    source = (ROOT / file).read_text(encoding="utf-8")
    found = {}
    for node in ast.parse(source).body:
        inside = [(f"{node.name}.", each) for each in node.body] if isinstance(node, ast.ClassDef) else [("", node)]
        for prefix, each in inside:
            if isinstance(each, ast.FunctionDef):
                found[prefix + each.name] = ast.get_source_segment(source, each) or ""
    return found


@pytest.mark.parametrize("change", read_reasons(), ids=lambda change: f"{change.function}: {change.made}")
def test_every_listed_survivor_still_fits_the_sources(change: Change) -> None:
    lines = [line.strip() for line in functions(change.file).get(change.function, "").splitlines()]
    assert change.was in lines, f"{change.file} has changed: run `make mutation` and mend benchmarks/survivors.yaml"


def test_every_survivor_has_a_reason() -> None:
    assert [change for change, why in read_reasons().items() if len(why.split()) < 4] == []


def test_the_page_says_what_the_report_and_the_list_say() -> None:
    measured = read_report(REPORT)["details"]["mutation"]
    assert markdown(measured, read_reasons()) in mutation.DOCS.read_text(encoding="utf-8")
    assert measured["survived"] >= len(read_reasons())
