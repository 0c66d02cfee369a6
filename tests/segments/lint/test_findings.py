from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from jsonschema import Draft202012Validator

from segments.definitions import DefinitionErrors
from segments.lint import CODES, lint, lint_schema
from tests.conftest import ROOT

CASES: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "cases.yaml").read_text(encoding="utf-8"))
UNKEMPT = {"S301", "S302"}


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_finds_these_and_no_others(case: dict[str, Any]) -> None:
    report = lint(case["file"], "f.yaml")
    found = {finding.code: finding.line for finding in report.findings}
    shown = {code: line for code, line in found.items() if code not in UNKEMPT - set(case["finds"])}
    assert shown == case["finds"]
    assert all(finding.message and finding.advice for finding in report.findings)


def test_every_code_has_a_case() -> None:
    found = {code for case in CASES for code in case["finds"]}
    assert found == {code for code, about in CODES.items() if not about.recorded}


def test_the_shipped_definitions_are_clean() -> None:
    file = ROOT / "conf" / "segments.yaml"
    assert [str(each) for each in lint(file.read_text(encoding="utf-8"), str(file)).findings] == []


def test_the_report_fits_its_schema() -> None:
    report = lint("segments: [{name: a, when: {count: {event: X, within: 1d, lt: 0}}}]", "f.yaml")
    content = msgspec.json.decode(msgspec.json.encode(report))
    assert [error.message for error in Draft202012Validator(lint_schema()).iter_errors(content)] == []
    assert (report.errors, report.warnings, report.accepted, report.segments) == (1, 2, 0, 1)


def test_a_finding_reads_as_one_line() -> None:
    (finding, *_) = lint("segments: [{name: a, when: {count: {event: X, within: 1d, lt: 0}}}]", "f.yaml").findings
    assert str(finding) == "f.yaml:1: error S101: a: it can never hold (mend its bounds)"


@pytest.mark.parametrize("ignore", ["[S101]", "{S1: why}", "{S101: ''}"])
def test_an_acceptance_has_a_code_and_a_reason(ignore: str) -> None:
    text = f"segments: [{{name: a, when: {{trait: {{name: x, eq: 1}}}}, lint: {{ignore: {ignore}}}}}]"
    with pytest.raises(DefinitionErrors):
        lint(text)


def test_every_pair_is_compared() -> None:
    made = [
        {"name": f"s{n}", "when": {"count": {"event": "X", "within": f"{n + 1}d", "gte": 300 - n}}} for n in range(40)
    ]
    subsumed = [each for each in lint(yaml.safe_dump({"segments": made})).findings if each.code == "S202"]
    assert len(subsumed) == 40 * 39 // 2
