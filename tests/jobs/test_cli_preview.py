import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.jobs.test_cli import T0, event, segments

OLD = """\
segments:
  - name: buyer
    when: {count: {event: Order Completed, within: 1h, gte: 2}}
  - name: looker
    when: {count: {event: Product Viewed, within: 1h, gte: 1}}
"""
NEW = OLD.replace("gte: 2", "gte: 1").replace("buyer\n", "buyer\n    version: 2\n")


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path, Path]:
    old, new, events = tmp_path / "old.yaml", tmp_path / "new.yaml", tmp_path / "events.ndjson"
    old.write_text(OLD)
    new.write_text(NEW)
    lines = [
        event("u1", "Order Completed", 0, 1), event("u2", "Product Viewed", 5, 2), event("u2", "Order Completed", 9, 3),
        event("u2", "Order Completed", 10, 4), event("u3", "Product Viewed", 20, 5), b"{",
    ]  # fmt: skip
    events.write_bytes(b"\n".join(lines) + b"\n")
    return old, new, events


def test_preview_as_text(files: tuple[Path, Path, Path]) -> None:
    old, new, events = files
    result = segments("preview", new, "--against", old, "--events", events, "--overlap-with", "all")
    assert result.exit_code == 0, result.output
    assert "5 events applied; 1 rejected of 3 users" in result.output
    assert "1 would enter, for example" in result.output
    assert "+ count of Order Completed in 1h: 1 (>= 1)" in result.output
    assert "looker" in result.output
    assert "Unchanged: looker" in result.output


def test_preview_as_json(files: tuple[Path, Path, Path]) -> None:
    old, new, events = files
    options = ("--against", old, "--events", events, "--format", "json")
    found = json.loads(segments("preview", new, *options, "--overlap-with", "looker").stdout)
    (buyer,) = found["segments"]
    assert (found["users"], found["last"]) == (3, T0 + 20 * 60_000)
    assert (buyer["status"], buyer["before"]["members"], buyer["after"]["members"]) == ("changed", 1, 2)
    assert [user["user_id"] for user in buyer["enters"]["sample"]] == ["u1"]
    assert [(each["segment"], each["shared"], each["share"]) for each in buyer["overlaps"]] == [("looker", 1, 0.5)]
    assert json.loads(segments("preview", new, *options).stdout)["segments"][0]["overlaps"] == []


def test_who_leaves_without_a_change_learns_why_from_the_new_conditions(files: tuple[Path, Path, Path]) -> None:
    old, new, events = files
    result = segments("preview", old, "--against", new, "--events", events, "--format", "json")
    (user,) = json.loads(result.stdout)["segments"][0]["leaves"]["sample"]
    assert (user["user_id"], user["at"], user["because"][0]["value"]) == ("u1", None, 1)
    assert user["because"][0]["expected"] == ">= 2"
    assert user["because"][0]["holds"] is False


def test_preview_writes_a_page(files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    old, new, events = files
    out = tmp_path / "report.html"
    result = segments("preview", new, "--against", old, "--events", events, "--format", "html", "--output", out)
    assert (result.exit_code, result.stdout) == (0, "")
    assert "<svg" in out.read_text()


def test_preview_of_nothing_new_replays_nothing(files: tuple[Path, Path, Path]) -> None:
    old, _, _ = files
    result = segments("preview", old, "--against", old, "--events", "/nowhere.ndjson")
    assert result.exit_code == 0
    assert "No segment differs" in result.output


def test_the_running_definitions_are_those_at_head(
    files: tuple[Path, Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, new, events = files
    work = tmp_path / "work"
    (work / "conf").mkdir(parents=True)
    shutil.copy(ROOT / "conf/job.yaml", work / "conf/job.yaml")
    (work / "conf/segments.yaml").write_text(OLD)
    monkeypatch.chdir(work)
    asked = ("preview", new, "--events", events)
    result = segments(*asked)
    assert result.exit_code == 2
    assert "--against OLD.yaml" in result.output
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.com"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "live"]):
        subprocess.run([*git, *command], check=True, cwd=work)
    (work / "conf/segments.yaml").write_text("not what runs")
    result = segments(*asked)
    assert result.exit_code == 0, result.output
    assert "against HEAD:conf/segments.yaml" in result.output


def test_preview_says_what_is_wrong(files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    old, new, events = files
    empty = tmp_path / "empty.ndjson"
    empty.write_bytes(b"{\n")
    cases = [
        (("--events", "/nowhere.ndjson"), 2, "there is no such file"),
        (("--events", empty), 1, "no event could be read"),
        (("--events", events, "--overlap-with", "nobody"), 2, "no segment is named 'nobody'"),
        (("--events", events, "--output", "/nowhere/p.txt"), 2, "cannot be written"),
    ]
    for options, code, text in cases:
        result = segments("preview", new, "--against", old, *options)
        assert result.exit_code == code
        assert text in result.output
        assert "Traceback" not in result.output
