"""The schedule beside the running job: it trains on its events, hands it the model, watches it, and counts churn."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from kafka import KafkaProducer
from typer.testing import CliRunner

from jobs.audit_topic import all_audits
from jobs.cli import app
from jobs.cli.inputs import checked_settings
from jobs.cli.schedule_work import Work
from jobs.cli.watching import Read
from jobs.control_topic import read_history
from jobs.stack.stack import Stack
from segments.audit import ReleaseDone
from segments.models.loader import load_models
from tests.stack.commands import ended
from tests.stack.support import Pipeline, pipeline, track
from training.registry import Registry

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]  # seconds

HOUR = 3_600_000
T = 480_000 * HOUR
MODELS = {
    "feature_sets": {"visitor": {"features": [{"name": "seen", "lifetime": {"of": "count", "event": "any"}}]}},
    "models": [
        {
            "name": "odd",
            "features": "visitor",
            "anomaly": {"trees": 10},
            "rows": {"every": "1h"},
            "retrain": {"every": "7d", "release": "live"},
        }
    ],
    "churn": {"every": "1h", "limit": 0.5, "least_members": 10},
}


def changes(made: Pipeline) -> None:
    """Write that 20 users entered a segment, that 15 left it in the next hour, and one later change."""
    moves = [("entered", T, user) for user in range(20)] + [("exited", T + HOUR, user) for user in range(15)]
    producer = KafkaProducer(bootstrap_servers=made.stack.bootstrap_servers, acks="all")
    for action, at, user in [*moves, ("entered", T + 2 * HOUR, 99)]:
        seq = 2 if action == "exited" else 1
        line = f'{{"user_id":"u{user}","segment":"vip","action":"{action}","at":{at},"seq":{seq}}}'
        producer.send(made.topics["changes"], line.encode(), key=f"u{user}".encode())
    producer.close()


def test_models_are_trained_released_and_watched_and_churn_is_counted(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "models.yaml").write_text(yaml.safe_dump(MODELS))
    definitions = "segments: [{name: buyer, when: {recency: {event: Order Completed, within: 1h}}}]\n"
    with pipeline(stack, tmp_path, definitions) as made:
        made.send(
            track(f"u{user}", "View", T + hour * HOUR, f"{user}-{hour}") for hour in range(5) for user in range(40)
        )
        changes(made)
        made.submit()
        options = ["--models", tmp_path / "models.yaml", "--registry", tmp_path / "registry"]
        options += ["--state", tmp_path / "state.json", "--metrics", tmp_path / "m.prom", "--settings", made.settings]
        done = CliRunner().invoke(app, ["schedule", "--once", *map(str, options)])
        alert = "ALERT vip: 75% of its 20 members left in the last interval"
        ended(done, "retrain odd: version 1 registered", "released (live)", alert, code=1)
        assert 'segments_churn_rate{segment="vip"} 0.75' in (tmp_path / "m.prom").read_text()

        job, checked = checked_settings(made.settings, None)
        newest = read_history(job.kafka).current
        assert newest is not None
        assert [each.label for each in newest.models] == ["odd:1"]
        assert any(isinstance(said, ReleaseDone) and said.number == newest.number for said in all_audits(job.kafka))
        source, registry = Read(None, None, job, checked), Registry(str(tmp_path / "registry"))
        work = Work(load_models(tmp_path / "models.yaml"), registry, source, None, ())
        with work.reading(source):
            assert work.drift("odd").said.startswith("version 1, in force: ")
