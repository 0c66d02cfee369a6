"""The schedule on a real Kafka: it trains on the events topic, and counts churn in the segment topic."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from kafka import KafkaProducer
from typer.testing import CliRunner

from jobs.cli import app
from jobs.stack.stack import Stack
from tests.stack.support import Pipeline, pipeline, track

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
            "retrain": {"every": "7d"},
        }
    ],
    "churn": {"every": "1h", "limit": 0.5, "least_members": 10},
}


def changes(made: Pipeline) -> None:
    """Write that 20 users entered a segment, that 15 left it in the next hour, and one later change."""
    moves = [("entered", T, user) for user in range(20)] + [("exited", T + HOUR, user) for user in range(15)]
    producer = KafkaProducer(bootstrap_servers=made.stack.bootstrap_servers, acks="all")
    for action, at, user in [*moves, ("entered", T + 2 * HOUR, 99)]:
        line = f'{{"user_id":"u{user}","segment":"vip","action":"{action}","at":{at},"seq":1}}'
        producer.send(made.topics["changes"], line.encode(), key=f"u{user}".encode())
    producer.close()


def test_models_are_trained_and_churn_is_counted_from_the_topics(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "models.yaml").write_text(yaml.safe_dump(MODELS))
    definitions = "segments: [{name: vip, when: {recency: {event: any, within: 1h}}}]\n"
    with pipeline(stack, tmp_path, definitions) as made:
        made.send(
            track(f"u{user}", "View", T + hour * HOUR, f"{user}-{hour}") for hour in range(5) for user in range(40)
        )
        changes(made)
        options = ["--models", tmp_path / "models.yaml", "--registry", tmp_path / "registry"]
        options += ["--state", tmp_path / "state.json", "--metrics", tmp_path / "m.prom", "--settings", made.settings]
        done = CliRunner().invoke(app, ["schedule", "--once", *map(str, options)])
    assert "retrain odd: version 1 registered" in done.output, done.output
    assert "ALERT vip: 75% of its 20 members left in the last interval" in done.output
    assert done.exit_code == 1
    assert 'segments_churn_rate{segment="vip"} 0.75' in (tmp_path / "m.prom").read_text()
