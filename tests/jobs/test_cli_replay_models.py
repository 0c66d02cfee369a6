"""`segments replay --model` and `explain --model`: what a version would have said of recorded events."""

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from jobs.cli import app
from segments.changes import decode_change
from tests.scoring.onnx_made import FEATURES, identity, publish
from training.registry import Registry

T = 1_764_000_000_000
DEFINITIONS = "segments: [{name: leaving, when: {model: {name: churn_risk, gte: 0.5, calibrated: true}}}]\n"
CHURN = {
    "name": "churn_risk",
    "features": "customer",
    "classify": {"label": {"within": "1h", "when": {"recency": {"event": "any", "within": "1h"}}}},
    "score": {"delay": "2s"},
}
TABLE = {"name": "rows", "table": {"label": "l", "numbers": ["a"]}, "classify": {}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "segments.yaml").write_text(DEFINITIONS)
    known = {"feature_sets": {"customer": FEATURES}, "models": [CHURN, TABLE]}
    (tmp_path / "models.yaml").write_text(yaml.safe_dump(known))
    publish(Registry(str(tmp_path / "registry")), "churn_risk", identity(), "")
    order = {"type": "track", "event": "Order Completed", "userId": "u", "timestamp": T, "properties": {"total": 0.75}}
    (tmp_path / "events.ndjson").write_text(json.dumps(order | {"messageId": "m"}) + "\n")
    return tmp_path


def replay(folder: Path, *options: str) -> Result:
    paths = ["--definitions", folder / "segments.yaml", "--models", folder / "models.yaml"]
    arguments = [folder / "events.ndjson", *paths, "--registry", folder / "registry", "--until", str(T + 5_000)]
    return CliRunner().invoke(app, ["replay", *map(str, arguments), *options])


def test_a_version_scores(folder: Path) -> None:
    result = replay(folder, "--model", "churn_risk:1")
    assert result.exit_code == 0, result.output
    (change,) = (decode_change(line.encode()) for line in result.stdout.splitlines())
    assert (change.segment, change.at, change.score, change.model_version) == (
        "leaving",
        T + 2_000,
        0.75,
        "churn_risk:1",
    )


def test_without_a_version_nobody_is_in(folder: Path) -> None:
    assert replay(folder).stdout == ""


@pytest.mark.parametrize(
    ("label", "told"),
    [
        ("churn_risk", "a version of a model is NAME:VERSION"),
        ("churn_risk:7", "has no version 7 of churn_risk (there are: 1)"),
        ("churn:1", "churn"),
        ("rows:1", "model 'rows' reads a table"),
    ],
)
def test_what_is_no_version_is_said(folder: Path, label: str, told: str) -> None:
    result = replay(folder, "--model", label)
    assert result.exit_code == 2
    assert told in result.stderr


def test_one_version_of_a_model_can_be_in_force(folder: Path) -> None:
    publish(Registry(str(folder / "registry")), "churn_risk", identity(), "")
    result = replay(folder, "--model", "churn_risk:1", "--model", "churn_risk:2")
    assert result.exit_code == 2
    assert "--model names two versions of churn_risk, of which one can be in force" in result.stderr


def preview(folder: Path, *options: str) -> str:
    (folder / "lower.yaml").write_text(DEFINITIONS.replace("0.5", "0.9"))
    paths = ["--against", folder / "lower.yaml", "--events", folder / "events.ndjson", "--format", "json"]
    paths += ["--models", folder / "models.yaml", "--registry", folder / "registry", "--workers", "1"]
    result = CliRunner().invoke(app, ["preview", str(folder / "segments.yaml"), *map(str, paths), *options])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_preview_takes_versions_too(folder: Path) -> None:
    later = {"type": "track", "event": "View", "userId": "other", "timestamp": T + 5_000, "messageId": "n"}
    with (folder / "events.ndjson").open("a") as file:
        file.write(json.dumps(later) + "\n")
    (scored,) = json.loads(preview(folder, "--model", "churn_risk:1"))["segments"]
    assert (scored["before"]["members"], scored["after"]["members"]) == (0, 1)
    (unscored,) = json.loads(preview(folder))["segments"]
    assert unscored["after"]["members"] == 0


def test_the_control_topic_says_which_versions_score(folder: Path) -> None:
    result = replay(folder, "--model", "churn_risk:1", "--control", str(folder / "events.ndjson"))
    assert result.exit_code == 2
    assert "leave out --model" in result.stderr


def explain(folder: Path, *options: str) -> Result:
    paths = ["--events", folder / "events.ndjson", "--definitions", folder / "segments.yaml"]
    paths += ["--models", folder / "models.yaml", "--registry", folder / "registry"]
    return CliRunner().invoke(app, ["explain", "u", *map(str, paths), "--at", str(T + 5_000), *options])


def test_an_explanation_tells_the_score_and_its_version(folder: Path) -> None:
    result = explain(folder, "--model", "churn_risk:1")
    assert result.exit_code == 0, result.output
    assert "score by churn_risk: 0.75 (>= 0.5)" in result.stdout
    assert "scored 0.75 by churn_risk:1" in result.stdout
    (standing,) = json.loads(explain(folder, "--model", "churn_risk:1", "--format", "json").stdout)["segments"]
    assert (standing["inside"], standing["score"], standing["model_version"]) == (True, 0.75, "churn_risk:1")


def test_an_explanation_without_a_version_says_that_none_is_in_force(folder: Path) -> None:
    result = explain(folder)
    assert "no version is in force" in " ".join(result.stdout.split())
    assert "scored" not in result.stdout


def test_an_explanation_of_the_running_job_takes_its_versions_from_there() -> None:
    result = CliRunner().invoke(app, ["explain", "u", "--model", "churn_risk:1"])
    assert result.exit_code == 2
    assert "--model goes with --events or --definitions" in result.stderr
