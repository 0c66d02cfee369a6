from collections.abc import Iterator

import pytest
import redis
from typer.testing import CliRunner, Result

from benchmarks.simulator import simulate
from jobs.cli import app
from jobs.cli.submit import REDIS
from jobs.demo.setup import Place, running_stack
from jobs.player import play
from jobs.stack.stack import Stack
from tests.conftest import ROOT

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

START_MS = 1_740_960_000_000
SETTINGS = str(ROOT / "conf" / "job.yaml")


@pytest.fixture(scope="module")
def finished(stack: Stack) -> Iterator[Place]:
    """A bounded job that has read 3,000 events and ended."""
    with running_stack(stack.run) as place:
        kafka = place.settings.kafka
        play(simulate(100, 3_000, 3, START_MS, days=20), kafka.bootstrap_servers, kafka.events_topics[0])
        job = stack.submit(
            ["-py", str(ROOT / "jobs" / "segmentation.py"), "--settings", SETTINGS, "--bounded"], place.environment
        )
        assert stack.rest.wait_ended(job, 240) == "FINISHED", stack.rest.root_exception(job)
        yield place


def reconcile(place: Place) -> Result:
    return CliRunner().invoke(app, ["reconcile", "--settings", SETTINGS, "--bounded"], env=place.environment)


def test_job_replay_and_redis_agree(finished: Place) -> None:
    result = reconcile(finished)
    assert result.exit_code == 0, result.output
    assert result.output.startswith("3,000 events, ")
    assert result.output.endswith("reconciled: job = replay = redis\n")


def test_a_field_lost_in_redis_is_found_and_its_user_named(finished: Place) -> None:
    with redis.Redis.from_url(finished.environment[REDIS]) as client:
        key = next(key for key in sorted(client.scan_iter("seg:*")) if client.hlen(key) > 1)
        field = next(name for name in client.hkeys(key) if name != b"_seq")
        value = client.hget(key, field)
        client.hdel(key, field)
        result = reconcile(finished)
        client.hset(key, field, value)
    assert result.exit_code == 1
    assert f"user {key.decode().removeprefix('seg:')}: topic and Redis: segment {field.decode()}" in result.output
    assert "not reconciled: 1 differences" in result.output
    assert reconcile(finished).exit_code == 0


def test_kafka_or_redis_away_is_said_in_a_sentence(finished: Place) -> None:
    result = CliRunner().invoke(
        app,
        ["reconcile", "--settings", SETTINGS, "--redis-url", "redis://127.0.0.1:1/0"],
        env={name: value for name, value in finished.environment.items() if name != REDIS},
    )
    assert result.exit_code == 1
    assert "Redis at redis://127.0.0.1:1/0 does not answer" in result.output
