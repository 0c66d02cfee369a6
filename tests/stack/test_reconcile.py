import json
from collections.abc import Iterator

import pytest
import redis
from confluent_kafka import Producer
from typer.testing import CliRunner, Result

from benchmarks.simulator import simulate
from jobs.cli import app
from jobs.cli.submit import REDIS
from jobs.demo.setup import Place, running_stack
from jobs.player import play
from jobs.stack.stack import Stack
from jobs.topics import TopicReader
from segments.changes import decode_memberships
from tests.conftest import ROOT
from tests.stack.commands import ended

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
    whole = ended(result)
    assert whole.startswith("3,000 events, "), whole
    assert whole.endswith("reconciled: job = replay = redis\n"), whole


def test_a_field_lost_in_redis_is_found_and_its_user_named(finished: Place) -> None:
    with redis.Redis.from_url(finished.environment[REDIS]) as client:
        key = next(key for key in sorted(client.scan_iter("seg:*")) if client.hlen(key) > 1)
        field = next(name for name in client.hkeys(key) if name != b"_seq")
        value = client.hget(key, field)
        client.hdel(key, field)
        result = reconcile(finished)
        client.hset(key, field, value)
    lost = f"user {key.decode().removeprefix('seg:')}: topic and Redis: segment {field.decode()}"
    ended(result, lost, "not reconciled: 1 differences", code=1)
    ended(reconcile(finished))


def test_kafka_or_redis_away_is_said_in_a_sentence(finished: Place) -> None:
    result = CliRunner().invoke(
        app,
        ["reconcile", "--settings", SETTINGS, "--redis-url", "redis://127.0.0.1:1/0"],
        env={name: value for name, value in finished.environment.items() if name != REDIS},
    )
    ended(result, "cannot use Redis at redis://127.0.0.1:1/0: ", code=1)


def test_a_membership_lost_in_its_topic_is_found_and_its_user_named(finished: Place) -> None:
    kafka = finished.settings.kafka
    with TopicReader(kafka.bootstrap_servers, [kafka.memberships_topic]) as reader:
        newest = {record.key: record for record in reader.to_the_end()}
    key, record = next((key, each) for key, each in newest.items() if key and each.value)
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers})
    for value in (None, record.value):
        producer.produce(kafka.memberships_topic, key=key, value=value, partition=record.partition)
        assert producer.flush(30) == 0
        whole = ended(reconcile(finished), code=1 if value is None else 0)
        lost = f"user {key.decode()}: changes and memberships: the segment topic is at change"
        assert (lost in whole) is (value is None), whole


def test_a_user_is_explained_from_the_topic(finished: Place) -> None:
    kafka = finished.settings.kafka
    with TopicReader(kafka.bootstrap_servers, [kafka.memberships_topic]) as reader:
        told = {record.key: decode_memberships(record.value) for record in reader.to_the_end() if record.value}
    user, memberships = max(told.items(), key=lambda each: len(each[1].segments))
    arguments = ["explain", (user or b"").decode(), "--settings", SETTINGS, "--format", "json"]
    result = CliRunner().invoke(app, [*arguments, "--at", str(memberships.at)], env=finished.environment)
    found = json.loads(result.stdout)
    assert {each["segment"]: each["since"] for each in found["segments"] if each["inside"]} == {
        name: membership.since for name, membership in memberships.segments.items()
    }
    assert any(
        each["message_id"] for segment in found["segments"] for c in segment["conditions"] for each in c["events"]
    )
