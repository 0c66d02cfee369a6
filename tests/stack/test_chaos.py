"""At least twelve faults in random order under load, with high availability: nothing is lost, doubled or different."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import redis
from confluent_kafka import Producer

from benchmarks.faults.chaos import harm
from benchmarks.faults.live_run import LiveRun, RunOptions, live_run, own_stack
from benchmarks.faults.load import LoadOptions
from benchmarks.faults.topics import records
from benchmarks.faults.verdict import judge

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]

SEED = 20_261_122
FAULTS = 12


def test_twelve_faults_under_load(tmp_path: Path) -> None:
    told = tmp_path / "chaos.txt"

    def say(line: str) -> None:
        with told.open("a") as file:
            file.write(line + "\n")

    options = RunOptions(load=LoadOptions(users=1_000, rate=300, seed=SEED), checkpoint_interval="1s")
    with own_stack(f"chaos-{os.getpid()}") as stack, live_run(stack, options) as run:
        done = harm(run, SEED, FAULTS, say, pause=0.5, overlap=3)
        sent = run.finish()
        verdict = judge(run.settings, sent, slices=3)
        assert verdict.good, f"{verdict}\n{told.read_text()}"
        assert (done, verdict.events >= sent) == (FAULTS, True)
        assert min(verdict.changes, verdict.unprocessed, verdict.counts["duplicates"]) > 0
        tamper(run)
        spoilt = judge(run.settings, sent)
    assert (spoilt.doubled, spoilt.redis_wrong > 0, spoilt.lost) == (1, True, 0)


def tamper(run: LiveRun) -> None:
    """Do to the output what the verdict must notice: a change again, and a user gone from Redis."""
    kafka = run.settings.kafka
    change = next(iter(records(kafka.bootstrap_servers, kafka.changes_topic)))
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers})
    producer.produce(kafka.changes_topic, change.value, change.key, partition=change.partition)
    assert producer.flush(30) == 0
    with redis.Redis.from_url(run.settings.redis.url.get_secret_value()) as client:
        client.delete(f"seg:{(change.key or b'').decode()}")
