"""State, memberships topic and Redis of a job under load: exactly what was broken by hand is found, and mended."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka import Producer
from kafka.consumer.fetcher import ConsumerRecord
from typer.testing import CliRunner, Result

from jobs.cli import app
from jobs.stack.stack import Stack
from segments.changes import decode_memberships
from segments.inspection import stands
from tests.stack.commands import ended
from tests.stack.support import Pipeline, pipeline, track

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

DEFINITIONS = """
version: 1
segments:
  - {name: seen, when: {lifetime: {of: count, event: any, gte: 1}}}
  - {name: odd, when: {lifetime: {of: count, event: Odd, gte: 1}}}
  - {name: busy, when: {count: {event: View, within: 1s, gte: 2}}}
"""
QUIET = [f"q{number}" for number in range(40)]


@contextmanager
def load(made: Pipeline) -> Iterator[None]:
    """Keep events of busy users coming, who enter and leave all the time."""
    over = threading.Event()

    def produce() -> None:
        producer = Producer({"bootstrap.servers": made.stack.bootstrap_servers, "linger.ms": 5})
        number = 0
        while not over.wait(0.005):
            now = time.time_ns() // 1_000_000
            for _ in range(5):
                number += 1
                user = f"b{number % 200}"
                producer.produce(made.topics["events"], key=user.encode(), value=track(user, "View", now, f"l{number}"))
            producer.poll(0)
        producer.flush(30)

    thread = threading.Thread(target=produce)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def run(made: Pipeline, *arguments: str) -> Result:
    result = CliRunner().invoke(app, [*arguments, "--settings", str(made.settings)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def reconcile(made: Pipeline, *options: str) -> Result:
    return run(made, "reconcile", "--live", *options)


def told_of(result: Result) -> set[str]:
    return {line.split()[1].rstrip(":") for line in result.stderr.splitlines() if line.startswith("user ")}


def break_redis(made: Pipeline) -> None:
    with made.in_redis() as client:
        client.hdel("seg:q1", "seen")
        client.delete("seg:q2")
        entry = json.loads(client.hget("seg:q3", "seen") or "{}")
        client.hset("seg:q3", "seen", json.dumps(entry | {"since": 7}))
        client.hset("seg:q4", "_seq", 0)
        client.zrem("segment:seen", "q5")
        client.zadd("segment:odd", {"q6": 5})
        client.zadd("segment:odd", {"stranger": 5})
        client.hset("seg:nobody", mapping={"_seq": "1", "seen": entry and json.dumps(entry)})


IN_REDIS = {"q1", "q2", "q3", "q4", "q5", "q6", "stranger", "nobody"}


def test_what_was_broken_is_found_and_mended_under_load(stack: Stack, tmp_path: Path) -> None:
    with pipeline(stack, tmp_path, DEFINITIONS) as made:
        made.submit()
        now = time.time_ns() // 1_000_000
        made.send(track(user, "View", now, f"m-{user}") for user in QUIET)
        made.wait_for(lambda: set(QUIET) <= made.changes().keys(), "all quiet users")
        with load(made):
            made.wait_for(lambda: len(made.changes()) > 100, "the load")
            clean = reconcile(made)
            assert (clean.exit_code, told_of(clean)) == (0, set()), clean.output
            ended(clean, "state = memberships topic = Redis")
            break_redis(made)
            broken = newest(made, "q7"), newest(made, "q8")
            write(made, broken[0], None)
            write(made, broken[1], broken[1].value.replace(b'"segment_version":1', b'"segment_version":2'))
            found = reconcile(made)
            assert (found.exit_code, told_of(found) - {"q7", "q8"}) == (1, IN_REDIS), found.output
            assert {"q7", "q8"} <= told_of(found), found.output
            ended(found, "user q2: the memberships topic is at change 1, Redis has no such user", code=1)
            ahead = newest(made, "q9")
            write(made, ahead, ahead.value.replace(b'"seq":1', b'"seq":3'))
            changes = {user: len(own) for user, own in made.changes().items() if user in QUIET}
            part = reconcile(made, "--users", "q..z", "--repair-topic")
            assert told_of(part) == {"q9", *(user for user in IN_REDIS if user > "q")}, part.output
            ended(part, "the job wrote 2 of 2 users", "user q9: the memberships topic is at change 3, ", code=1)
            for each in broken:
                assert stands(decode_memberships(newest(made, key_of(each)).value)) == stands(
                    decode_memberships(each.value)
                )
            assert newest(made, "q9").value == ahead.value.replace(b'"seq":1', b'"seq":3'), "nobody is moved back"
            assert {user: len(own) for user, own in made.changes().items() if user in QUIET} == changes
            write(made, ahead, ahead.value)
            rest = run(made, "redis", "rebuild", "--dry-run", "--users", "q..z")
            assert told_of(rest) == {user for user in IN_REDIS if user > "q"}, rest.output
            mended = run(made, "redis", "rebuild")
            assert (mended.exit_code, told_of(mended)) == (0, IN_REDIS), mended.output
            again = reconcile(made, "--repair")
            assert (again.exit_code, told_of(again)) == (0, set()), again.output
        with made.in_redis() as client:
            client.flushdb()
            ended(run(made, "redis", "rebuild"))
            assert set(client.zrange("segment:seen", 0, -1)) >= set(QUIET)


def key_of(record: ConsumerRecord) -> str:
    key: bytes = record.key
    return key.decode()


def newest(made: Pipeline, user: str) -> ConsumerRecord:
    return [record for record in made.read("memberships") if record.key == user.encode()][-1]


def write(made: Pipeline, record: ConsumerRecord, value: bytes | None) -> None:
    producer = Producer({"bootstrap.servers": made.stack.bootstrap_servers})
    producer.produce(made.topics["memberships"], key=record.key, value=value, partition=record.partition)
    assert producer.flush(30) == 0
