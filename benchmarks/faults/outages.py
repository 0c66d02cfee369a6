"""Faults of what the job writes to: no room for checkpoints, a Redis that is full or fails over, a record too large."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import redis
from confluent_kafka import Producer

from benchmarks.faults.live_run import LiveRun, RunError
from jobs.stack.ports import LOOPBACK, free_ports
from jobs.stack.redis_server import find_binary, ping
from jobs.stack.waiting import WaitTimeoutError

PAUSE_S = 3.0
TOO_LARGE = 1_048_300  # bytes: the events topic takes so many, but the topic of dead letters not with headers besides
_ROOM_TIMEOUT_S = 2 * PAUSE_S  # a job that has to be restored meanwhile triggers no checkpoint that could fail


@contextmanager
def no_room_in(folder: Path) -> Iterator[None]:
    """Have nothing be written in a folder, not by root either: a file stands where it was."""
    aside = folder.with_suffix(".aside")
    folder.rename(aside)
    folder.write_text("no room")
    try:
        yield
    finally:
        folder.unlink()
        aside.rename(folder)


def refuse_checkpoints(run: LiveRun, random: Random) -> None:  # noqa: ARG001 - all acts share one signature
    """Leave no room for checkpoints until one has failed."""
    run.wait_for(lambda: run.stack.rest.tasks_running(run.job), "all tasks to run")
    before = run.stack.rest.failed_checkpoints(run.job)
    with no_room_in(run.stack.flink_home.parent / "checkpoints"), suppress(WaitTimeoutError):
        failed = run.stack.rest.failed_checkpoints
        run.wait_for(lambda: failed(run.job) > before, "a checkpoint to fail", _ROOM_TIMEOUT_S)


def fill_redis(run: LiveRun, random: Random) -> None:
    """Leave Redis no memory for some seconds: it answers, and takes no write."""
    with redis.Redis.from_url(run.stack.redis_url) as client:
        client.config_set("maxmemory", 1)
        try:
            time.sleep((0.5 + random.random()) * PAUSE_S)
        finally:
            client.config_set("maxmemory", 0)


def fail_over_redis(run: LiveRun, random: Random) -> None:
    """Kill Redis; at its address another takes its place, which knows what a replica knew some time before."""
    with _replica(run) as replica:
        time.sleep(random.random() * PAUSE_S)
        run.stack.kill("redis")
        run.stack.start_again("redis")
        run.wait_for(lambda: ping(run.stack.redis_url), "Redis to be back")
        _copy(run, replica, run.stack.redis_url)


def send_too_large(run: LiveRun, random: Random) -> None:  # noqa: ARG001 - as above
    """Send a record that is no event, and as a dead letter too large for its topic."""
    producer = Producer({"bootstrap.servers": run.stack.bootstrap_servers, "message.max.bytes": 2 * TOO_LARGE})
    producer.produce(run.events_topic, b'{"note": "' + b"x" * (TOO_LARGE - 10))
    if producer.flush(60.0):
        raise RunError("Kafka did not take the large record")


@contextmanager
def _replica(run: LiveRun) -> Iterator[str]:
    """Start another Redis that has copied all there is by now, and give its address."""
    (port,) = free_ports(1)
    url = f"redis://{LOOPBACK}:{port}/0"
    with TemporaryDirectory() as folder:
        command = [str(find_binary()), "--bind", LOOPBACK, "--port", str(port), "--dir", folder, "--save", ""]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            run.wait_for(lambda: ping(url), "a replica of Redis")
            _copy(run, run.stack.redis_url, url)
            yield url
        finally:
            process.kill()
            process.wait()


def _copy(run: LiveRun, source: str, target: str) -> None:
    """Have a server know what another knows now; while it copies it is a replica, and takes no write."""
    place = urlsplit(source)
    with redis.Redis.from_url(target) as client:
        client.execute_command("REPLICAOF", place.hostname, place.port)
        try:
            run.wait_for(lambda: client.info("replication").get("master_link_status") == "up", "a copy of Redis")
        finally:
            client.execute_command("REPLICAOF", "NO", "ONE")
