import json
import os
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from segments.lint import lint_schema
from tests.conftest import ROOT
from tests.jobs.test_cli import SHIPPED, event, segments

DATA = Path(os.environ.get("SEGMENTS_DATA", ROOT.parent / "shared" / "data"))
UNKEMPT = "segments:\n  - name: a\n    owner: me\n    when: {count: {event: Buy, within: 1d, gte: 1}}\n"
WRONG = "segments:\n  - {name: a, owner: me, description: '100% wrong', when: {count: {event: X, within: 1d, lt: 0}}}\n"


@pytest.fixture
def unkempt(tmp_path: Path) -> Path:
    path = tmp_path / "unkempt.yaml"
    path.write_text(UNKEMPT)
    return path


@pytest.fixture
def wrong(tmp_path: Path) -> Path:
    path = tmp_path / "wrong.yaml"
    path.write_text(WRONG)
    return path


def test_the_shipped_definitions_are_clean() -> None:
    result = segments("lint", SHIPPED)
    assert (result.exit_code, result.stdout) == (0, "")
    assert "nothing found" in result.stderr


def test_a_warning_fails_unless_only_errors_do(unkempt: Path, wrong: Path) -> None:
    result = segments("lint", unkempt)
    assert result.exit_code == 1
    assert result.stdout.startswith(f"{unkempt}:2: warning S302: a: it has no description (")
    assert "0 errors, 1 warnings" in result.stderr
    assert segments("lint", unkempt, "--fail-on", "error").exit_code == 0
    assert segments("lint", wrong, "--fail-on", "error").exit_code == 1


def test_json_fits_the_published_schema(wrong: Path) -> None:
    result = segments("lint", wrong, "--format", "json")
    content = json.loads(result.stdout)
    assert result.exit_code == 1
    assert [error.message for error in Draft202012Validator(lint_schema()).iter_errors(content)] == []
    assert [(each["code"], each["line"]) for each in content["findings"]] == [("S101", 2)]


def test_github_gets_annotations(wrong: Path) -> None:
    result = segments("lint", wrong, "--format", "github")
    assert result.stdout == f"::error file={wrong},line=2,title=S101::a: it can never hold (mend its bounds)\n"


def test_several_files_of_events(unkempt: Path, tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / f"{number}.ndjson").write_bytes(event(f"u{number}", "View", number, number) + b"\n")
    events = [part for number in (1, 2) for part in ("--events", tmp_path / f"{number}.ndjson")]
    result = segments("lint", unkempt, *events)
    assert "no recorded event is named 'Buy'" in result.stdout
    assert "none of 2 users ever entered it" in result.stdout
    assert "2 events of 2 users" in result.stderr


@pytest.mark.parametrize("content", [b"", b"what\n{}\n", b'{"type": "track", "userId": "u"}\n'])
def test_a_file_without_a_readable_event_fails(unkempt: Path, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "broken.ndjson").write_bytes(content)
    for command in ("lint", "cost"):
        result = segments(command, unkempt, "--events", tmp_path / "broken.ndjson")
        assert result.exit_code == 1
        assert "no event could be read" in result.output
        assert "nothing found" not in result.output


def test_events_that_the_definitions_cannot_read_fail(tmp_path: Path) -> None:
    definitions, events = tmp_path / "segments.yaml", tmp_path / "events.ndjson"
    definitions.write_text(UNKEMPT.replace("count: {", "sum: {property: price, "))
    events.write_bytes(event("u1", "Buy", 0, 1, price="dear") + b"\n")
    result = segments("lint", definitions, "--events", events, "--fail-on", "error")
    assert result.exit_code == 1
    assert "these definitions can read no event" in result.output


def test_tiers_of_the_shipped_definitions_are_exclusive_on_real_traffic() -> None:
    file = DATA / "rees46_2019oct_slice" / "2019-Oct_first17k.csv.gz"
    if not file.exists():
        pytest.skip(f"{file} is not here; set SEGMENTS_DATA to the folder that holds it")
    result = segments(
        "lint", SHIPPED, "--events", file, "--mapping", "rees46", "--format", "json", "--fail-on", "error"
    )
    report = json.loads(result.stdout)
    assert result.exit_code == 0
    assert report["events"] > 17_000
    assert report["errors"] == 0
    assert ("S507", "cart_abandoner") in {(each["code"], each["segment"]) for each in report["findings"]}
