import json
import os
from pathlib import Path

import msgspec
import pytest

from jobs.cli.cost import _over
from segments.cost import CostReport, SegmentCost
from segments.definitions import parse_definitions
from tests.conftest import ROOT
from tests.jobs.test_cli import SHIPPED, event, segments

DATA = Path(os.environ.get("SEGMENTS_DATA", ROOT.parent / "shared" / "data"))
BUYERS = """\
budget: {%s}
segments:
  - name: buyer
    when: {count: {event: Buy, within: 1d, gte: 50}}
"""


def file_with(tmp_path: Path, budget: str) -> Path:
    path = tmp_path / "segments.yaml"
    path.write_text(BUYERS % budget)
    return path


@pytest.fixture
def events(tmp_path: Path) -> Path:
    path = tmp_path / "events.ndjson"
    path.write_bytes(b"\n".join(event(f"u{n % 3}", "Buy", n, n) for n in range(30)) + b"\n")
    return path


def test_bounds_need_no_events() -> None:
    result = segments("cost", SHIPPED)
    assert result.exit_code == 0
    assert "cart_abandoner" in result.output


@pytest.mark.parametrize("command", ["validate", "cost", "submit", "release"])
def test_a_definition_over_its_bound_is_refused(tmp_path: Path, command: str) -> None:
    path = file_with(tmp_path, "bytes_per_user: 300")
    named = ("--definitions", path, "--flink-home", "/nowhere") if command == "submit" else (path,)
    result = segments(command, *named)
    assert result.exit_code == 2
    assert f"{path}:3: buyer: its state may take" in result.output
    assert "the largest part is 50 times of Buy" in result.output
    assert "Traceback" not in result.output


def test_a_definition_within_its_bound_is_fine(tmp_path: Path) -> None:
    assert segments("validate", file_with(tmp_path, "bytes_per_user: 600")).exit_code == 0


def test_more_work_than_the_budget_is_named() -> None:
    definitions = parse_definitions(BUYERS % "us_per_event: 5")
    measured = {"bytes_mean": 0, "bytes_p99": 0, "bytes_alone_mean": 0, "bytes_alone_max": 0, "bytes_bound": 0}
    work = {"updates_per_event": 1, "asks_per_event": 1, "us_per_event": 5.5, "us_alone": 9}
    part = msgspec.convert({"segment": "buyer", "shared_with": [], **measured, **work}, SegmentCost)
    report = CostReport("f.yaml", 1, 1, 1, 0, 0, 0, 0, [part])
    assert _over(report, definitions) == ["buyer: takes 5.50 us an event, its budget.us_per_event is 5"]
    assert _over(report, parse_definitions(BUYERS % "us_per_event: 6")) == []
    assert _over(report, parse_definitions(BUYERS % "")) == []


def test_json_has_what_was_measured(tmp_path: Path, events: Path) -> None:
    free = segments("cost", file_with(tmp_path, "us_per_event: 1000000"), "--events", events)
    assert free.exit_code == 0
    report = json.loads(segments("cost", tmp_path / "segments.yaml", "--events", events, "--format", "json").stdout)
    assert (report["events"], report["users"], report["segments"][0]["segment"]) == (30, 3, "buyer")


def test_the_table_adds_up_on_real_traffic() -> None:
    file = DATA / "rees46_2019oct_slice" / "2019-Oct_first17k.csv.gz"
    if not file.exists():
        pytest.skip(f"{file} is not here; set SEGMENTS_DATA to the folder that holds it")
    result = segments("cost", SHIPPED, "--events", file, "--mapping", "rees46", "--sample", 300, "--format", "json")
    report = json.loads(result.stdout)
    parts = sum(each["bytes_mean"] for each in report["segments"])
    assert report["profile_bytes_mean"] == pytest.approx(parts + report["base_bytes_mean"])
    assert all(each["bytes_p99"] <= each["bytes_bound"] for each in report["segments"])
