"""Models in the running job: released, swapped under load, and taken out of force by themselves when they fail."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from jobs.audit_topic import all_audits
from jobs.cli import app
from jobs.cli.train import identity
from jobs.control_topic import read_history
from jobs.models_in_force import taken_out_by_the_job
from jobs.player import HEARTBEAT_USER, heartbeat
from jobs.release import await_release
from jobs.settings import Settings, load_settings
from jobs.stack.stack import Stack
from scoring.source import scorers
from segments.audit import ModelFailed
from segments.changes import decode_change, encode_change
from segments.control import Release
from segments.definitions import parse_definitions
from segments.models.health import BY_ITSELF
from segments.models.loader import load_models
from segments.replay import Replay
from segments.shadow_names import in_shadow
from tests.scoring.onnx_made import FEATURES, publish, square_root
from tests.scoring.onnx_made import identity as first_model
from tests.stack.commands import ended
from tests.stack.support import Pipeline, pipeline
from tests.stack.test_same_answer import OUT_OF_ORDERNESS, REPLAYED, by_user, listed
from training.registry import Registry

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]  # seconds; each test waits with shorter bounds of its own

T = 1_764_000_000_000
MINUTE = 60_000
USERS = 60
TRAINED_AT = "2026-11-22T10:00:00"  # of all that `publish` makes
LEAVING = "  - {name: leaving, when: {model: {name: churn_risk, gte: 0.5, calibrated: true}}}\n"
DEFINITIONS = f"segments:\n{LEAVING}  - {{name: buyer, when: {{recency: {{event: Order Completed, within: 1d}}}}}}\n"
MODELS = {
    "feature_sets": {"customer": FEATURES},
    "models": [
        {
            "name": "churn_risk",
            "features": "customer",
            "classify": {"label": {"within": "1h", "when": {"recency": {"event": "any", "within": "1h"}}}},
            "score": {"delay": "2s"},
            "gates": {"roc_auc": {"gte": 0.8}},
        }
    ],
}
Timed = tuple[bytes, int]


def orders(users: range, time: int, total: float) -> Iterator[Timed]:
    for user in users:
        at = time + user
        event = {"type": "track", "event": "Order Completed", "userId": f"u{user}", "timestamp": at}
        properties = {"total": round(total + user / 1_000, 3)}
        yield json.dumps(event | {"messageId": f"{user}-{at}", "properties": properties}).encode(), at


class Scene:
    """A job, its registry, and all that was sent to it."""

    def __init__(self, made: Pipeline, folder: Path) -> None:
        self.made = made
        self.settings: Settings = load_settings(made.settings, {})
        self.models, self.registry = folder / "models.yaml", Registry(str(folder / "registry"))
        self.models.write_text(yaml.safe_dump(MODELS))
        known = load_models(self.models)
        self.hash = identity(known.models[0], known, parse_definitions(DEFINITIONS))
        self.sent: list[Timed] = []

    def send(self, events: Iterator[Timed], until: int) -> None:
        """Send events and let event time pass on to `until` (ms)."""
        listed_ones = list(events)
        self.sent += listed_ones
        self.made.send(payload for payload, _ in listed_ones)
        heartbeat(self.made.stack.bootstrap_servers, self.made.topics["events"], until + OUT_OF_ORDERNESS + 1)

    def release(self, *arguments: str, says: str, code: int = 0) -> None:
        """Release a model, waiting for nobody; the command must say `says`."""
        common = ["--models", str(self.models), "--registry", self.registry.url, "--no-wait"]
        self.command("release", "model", *arguments, *common, says=says, code=code)

    def command(self, *arguments: str, says: str = "", code: int = 0) -> str:
        """Run a command of the CLI, which must say `says`; returns all that it says."""
        return ended(CliRunner().invoke(app, [*arguments, "--settings", str(self.made.settings)]), says, code=code)

    @property
    def newest(self) -> Release:
        current = read_history(self.settings.kafka).current
        assert current is not None
        return current

    def followed(self) -> None:
        """Let event time come to the newest release, and wait until all users follow it."""
        newest = self.newest
        self.send(iter(()), newest.effective_at + 1)
        shards = self.settings.flink.shards
        assert await_release(self.settings.kafka, newest, shards, 90.0, lambda _: None) is not None

    def of_versions(self) -> set[str | None]:
        made = self.made.changes().values()
        return {each.model_version for own in made for each in own if each.segment == "leaving"}


def test_a_challenger_its_swap_under_load_and_its_failure(stack: Stack, tmp_path: Path) -> None:
    with pipeline(stack, tmp_path, DEFINITIONS, REPLAYED) as made:
        scene = Scene(made, tmp_path)
        job = made.submit()
        assert publish(scene.registry, "churn_risk", first_model(), scene.hash) == 1
        assert publish(scene.registry, "churn_risk", square_root(), scene.hash) == 2
        assert publish(scene.registry, "churn_risk", square_root(), "other features") == 3
        scene.send(orders(range(USERS), T, 0.3), T + MINUTE)
        made.await_changes(f"u{USERS - 1}", 1)
        refused = "3 must not be released: its features are other features"
        scene.release("churn_risk", "3", says=refused, code=1)
        scene.release("churn_risk", "1", says="model     churn_risk: none -> 1")
        scene.followed()
        more, less = orders(range(30), T + 4 * MINUTE, 0.6), orders(range(30, USERS), T + 4 * MINUTE, 0.3)
        scene.send(chain(more, less), T + 6 * MINUTE)
        made.await_changes("u29", 2)
        assert scene.of_versions() == {"churn_risk:1"}

        scene.release("churn_risk", "2", "--shadow", says="challenger churn_risk: none -> 2")
        scene.followed()
        scene.send(iter(()), T + 8 * MINUTE)  # all are scored by it within a minute; the root of 0.3 is above 0.5
        made.wait_for(lambda: len(made.read("shadow_changes")) == USERS, "the challenger's scores")
        tried = [decode_change(each.value) for each in made.read("shadow_changes")]
        assert {(each.segment, each.model_version) for each in tried} == {("leaving", "churn_risk:2")}
        assert [each.score for each in tried if each.user_id == "u40"] == [pytest.approx(0.34**0.5, abs=1e-5)]
        (compared,) = json.loads(scene.command("diff", "--format", "json"))["segments"]
        assert [compared[each] for each in ("live", "shadow", "both")] == [30, USERS, 30]
        assert scene.of_versions() == {"churn_risk:1"}, "nobody sees the challenger"

        scene.command("promote", "--no-wait", says="model     churn_risk: 1 -> 2")
        scene.send(orders(range(30, 40), T + 9 * MINUTE, 0.001), T + 9 * MINUTE + 30_000)  # while it is taken in
        scene.followed()
        scene.send(orders(range(USERS), T + 10 * MINUTE, 0.3), T + 12 * MINUTE)
        made.await_changes("u59", 2)
        assert scene.of_versions() == {"churn_risk:1", "churn_risk:2"}

        # version 2 has no score for these; event time waits where they are scored, before what follows can hold
        scene.send(orders(range(50), T + 14 * MINUTE, -5.0), T + 14 * MINUTE + 2_100)
        made.wait_for(lambda: scene.newest.by == BY_ITSELF, "the version to be taken out of force")
        assert [each.version for each in scene.newest.models] == [1]
        scene.followed()
        assert listed_as(scene) == {"1": "in force", "2": "failed", "3": ""}
        scene.send(iter(()), T + 20 * MINUTE)
        made.await_changes("u49", 3)
        stack.stop_with_savepoint(job)
        compare(scene, T + 20 * MINUTE)
        said = [each for each in all_audits(scene.settings.kafka) if isinstance(each, ModelFailed)]
        assert said[-1].release == scene.newest.number, said
        (event,) = taken_out_by_the_job(scene.settings.kafka)
        assert (event.name, event.version, event.release) == ("churn_risk", 2, scene.newest)
        assert "back to churn_risk:1; the first failure: the score is no finite number: nan" in event.why
        dead = {dict(each.headers)["reason"] for each in made.read("dead_letters")}
        assert dead == {b"failed_model"}


def listed_as(scene: Scene) -> dict[str, str]:
    """What `segments models list` says of each version in the job."""
    lines = scene.command("models", "list", "--registry", scene.registry.url).splitlines()[1:]
    before = [line.partition(TRAINED_AT)[0].split(maxsplit=2) for line in lines]
    return {words[1]: words[2].strip() if len(words) > 2 else "" for words in before}


def compare(scene: Scene, end: int) -> None:
    """What the job wrote must be what a replay of the same releases says: no event is lost, each score is the same."""
    told = read_history(scene.settings.kafka).followed
    run = Replay(told, out_of_orderness=OUT_OF_ORDERNESS, scorers=scorers())
    expected: dict[str, list[bytes]] = {}
    for change in run.run(scene.sent, end):
        if in_shadow(change.segment):
            continue
        expected.setdefault(change.user_id, []).append(encode_change(change))
    found = by_user(scene.made)
    found.pop(HEARTBEAT_USER, None)
    assert {user: listed(found, user) for user in found} == expected
    assert run.counts["applied"] == len(scene.sent)
