"""What the job talks to goes away under it and comes back: nothing is lost or doubled, and it goes on by itself."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from typer.testing import CliRunner

from benchmarks.faults.outages import no_room_in
from jobs.cli import app
from jobs.player import play
from jobs.stack.kafka_broker import broker_ids
from jobs.stack.redis_server import ping
from jobs.stack.stack import Stack
from jobs.stack.waiting import wait_until
from segments.changes import encode_change
from segments.definitions import parse_definitions
from segments.replay import replay
from tests.conftest import ROOT
from tests.stack.commands import ended
from tests.stack.support import Pipeline, pipeline

pytestmark = pytest.mark.stack

ROUNDS = ("once", "twice", "thrice", "often")
DEFINITIONS = "version: 1\nsegments:\n" + "".join(
    f"  - {{name: {name}, when: {{lifetime: {{of: count, event: any, gte: {number}}}}}}}\n"
    for number, name in enumerate(ROUNDS, 1)
)
USERS = 200
NOW = time.time_ns() // 1_000_000
BACK_TIMEOUT = 180.0
LETTER_BYTES = 20_000


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """Let go of the sockets that kafka-python opened to a broker that was away, and forgot."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def test_outages_one_after_the_other(stack: Stack, tmp_path: Path) -> None:
    rounds = [[page(user, NOW + number) for user in range(USERS)] for number in range(len(ROUNDS))]
    folder = tmp_path / "checkpoints"
    settings = {"kafka": {"delivery": "exactly_once"}, "flink": {"checkpoint_interval": "1s"}}
    settings["flink"]["checkpoint_dir"] = folder.as_uri()
    with pipeline(stack, tmp_path, DEFINITIONS, settings) as made:
        configure(made, "dead_letters", {"max.message.bytes": str(LETTER_BYTES)})
        job = made.submit()
        play_round(made, rounds[0])
        made.wait_for(lambda: len(changes(made)) == USERS, "the first round")

        with away(stack, "redis"):
            play_round(made, rounds[1])
            made.wait_for(lambda: len(changes(made)) == 2 * USERS, "checkpoints and Kafka to go on without Redis")
        wait_until(lambda: ping(stack.redis_url), BACK_TIMEOUT, "Redis")
        await_redis(made, 2)

        with no_room_in(folder):
            failed = stack.rest.failed_checkpoints(job)
            play_round(made, rounds[2])
            made.wait_for(lambda: stack.rest.failed_checkpoints(job) >= failed + 2, "checkpoints to fail")
            made.wait_for(lambda: len(changes(made, "read_uncommitted")) == 3 * USERS, "the job to go on")
            assert len(changes(made)) == 2 * USERS, "without a checkpoint nothing can be read"
        made.wait_for(lambda: len(changes(made)) == 3 * USERS, "checkpoints to succeed again")
        assert stack.rest.root_exception(job) == "", "no restart so far"

        large = b'{"note": "' + b"x" * 3 * LETTER_BYTES
        made.send([large])
        play_round(made, rounds[3])
        with away(stack, "kafka"):
            pass
        wait_until(lambda: bool(broker_ids(stack.bootstrap_servers)), BACK_TIMEOUT, "Kafka")
        made.wait_for(lambda: len(changes(made)) >= 4 * USERS, "the last round", BACK_TIMEOUT)
        await_redis(made, 4)
        wanted = replay(parse_definitions(DEFINITIONS), [event for each in rounds for event in each])
        assert sorted(changes(made)) == sorted(encode_change(change) for change in wanted)
        assert len(list(folder.glob("*/chk-*/_metadata"))) > 1, "one to go back to when the newest cannot be read"

        (letter,) = made.read("dead_letters", isolation="read_committed")
        assert len(letter.value) < LETTER_BYTES
        assert large.startswith(letter.value)
        assert {"reason": b"not_json", "cut_from_bytes": b"60010"}.items() <= dict(letter.headers).items()


def test_a_topic_that_is_missing_ends_the_start_with_its_name(stack: Stack, tmp_path: Path) -> None:
    with pipeline(stack, tmp_path, DEFINITIONS, {"kafka": {"late_events_topic": "nowhere"}}) as made:
        command = [sys.executable, str(ROOT / "jobs/segmentation.py"), "--settings", str(made.settings)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=BACK_TIMEOUT, check=False)
    whole = ended(done, f"missing at {stack.bootstrap_servers}: nowhere. Create them first", code=1)
    assert "Traceback" not in whole, whole


def test_topics_that_would_forget_end_the_start_with_what_to_change(stack: Stack, tmp_path: Path) -> None:
    with pipeline(stack, tmp_path, DEFINITIONS) as made:
        kept = {made.topics["memberships"]: "cleanup.policy=compact", made.topics["control"]: "retention.ms=-1"}
        stack.create_topics([made.topics["control"]], partitions=1)
        configure(made, "control", {"retention.ms": "604800000"})
        configure(made, "memberships", {"cleanup.policy": "delete"})
        command = [sys.executable, str(ROOT / "jobs/segmentation.py"), "--settings", str(made.settings)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=BACK_TIMEOUT, check=False)
        rebuilt = CliRunner().invoke(app, ["redis", "rebuild", "--settings", str(made.settings)])
    ended(done, *(f"--entity-name {topic} --add-config {change}" for topic, change in kept.items()), code=1)
    ended(rebuilt, f"Kafka would remove from {made.topics['memberships']} what is still needed", code=1)


def page(user: int, time: int) -> bytes:
    event = {"type": "page", "userId": f"u{user}", "timestamp": time, "messageId": f"{user}-{time}"}
    return json.dumps(event).encode()


def play_round(made: Pipeline, events: Sequence[bytes]) -> None:
    assert play(events, made.stack.bootstrap_servers, made.topics["events"]).failed == 0


def changes(made: Pipeline, isolation: str = "read_committed") -> list[bytes]:
    return [record.value for record in made.read("changes", isolation=isolation)]


def await_redis(made: Pipeline, rounds: int) -> None:
    """Return once Redis has every user in the segments of so many rounds."""
    wanted = {f"u{user}": {"_seq", *ROUNDS[:rounds]} for user in range(USERS)}

    def right() -> bool:
        return {user: set(found) for user, found in made.memberships_in_redis().items()} == wanted

    made.wait_for(right, "Redis to be right", BACK_TIMEOUT)


def configure(made: Pipeline, name: str, values: dict[str, str]) -> None:
    """Have a topic be as somebody has made it by hand."""
    admin = KafkaAdminClient(bootstrap_servers=made.stack.bootstrap_servers)
    try:
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, made.topics[name], values)])
    finally:
        admin.close()


@contextmanager
def away(stack: Stack, name: str) -> Iterator[None]:
    """Kill a server of the stack, and start it where it was at the end of the block."""
    stack.kill(name)
    try:
        yield
    finally:
        stack.start_again(name)
