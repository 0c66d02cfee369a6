"""What the tests of the job on the real stack share: a job with topics and a Redis database of its own, and readers."""

from __future__ import annotations

import itertools
import json
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import redis
import yaml
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord

from benchmarks.faults.acts import is_python_worker
from jobs.facts import from_parameters
from jobs.stack.flink_rest import FINAL_STATES
from jobs.stack.stack import Stack
from jobs.stack.waiting import wait_until
from segments.changes import Change, decode_change
from tests.conftest import ROOT

RUNNING_TIMEOUT = 240.0  # seconds, on two busy cores: Python's workers start in about ten
ARRIVAL_TIMEOUT = 150.0
CLOSE_TIMEOUT = 150.0
_POLL_MS = 500
_databases = itertools.cycle(range(1, 16))  # 0 is left to others


@dataclass
class Pipeline:
    """A job's own topics, settings and Redis database on the shared stack."""

    stack: Stack
    settings: Path
    topics: Mapping[str, str]
    redis_url: str
    free_slots: int = 0  # before its first job
    jobs: list[str] = field(default_factory=list)
    _readers: dict[tuple[str, str], TopicReader] = field(default_factory=dict)

    def submit(self, overrides: Mapping[str, str] | None = None, *, savepoint: str | None = None) -> str:
        """Submit the job and return its id once all tasks run; `overrides` is laid over the environment."""
        resume = ["--fromSavepoint", savepoint] if savepoint else []
        args = [*resume, "-py", str(ROOT / "jobs/segmentation.py"), "--settings", str(self.settings)]
        job = self.stack.submit(args, overrides)
        self.jobs.append(job)
        self.wait_running(job)
        return job

    def wait_running(self, job: str) -> None:
        """Return once every task runs; raises AssertionError with the reason when the job has failed."""

        def running() -> bool:
            self._check(job)
            return self.stack.rest.tasks_running(job)

        wait_until(running, RUNNING_TIMEOUT, "all tasks to run")

    def close(self) -> None:
        """Leave Kafka and cancel all jobs of the pipeline, also what a command started; return once slots are free."""
        for reader in self._readers.values():
            reader.close()
        wait_until(self._has_gone, CLOSE_TIMEOUT, f"the jobs that write {self.topics['changes']} to leave their slots")

    def _has_gone(self) -> bool:
        rest = self.stack.rest
        left = [job for job in rest.jobs() if job.state not in FINAL_STATES and self._is_own(job.id)]
        for job in left:
            rest.cancel(job.id)
        return not left and rest.free_slots().free >= self.free_slots

    def _is_own(self, job: str) -> bool:
        facts = from_parameters(self.stack.rest.parameters(job))
        written = None if facts is None else facts.settings.get("kafka.changes_topic")
        return job in self.jobs or written == self.topics["changes"]

    def send(self, payloads: Iterable[bytes | None], *, key: bytes | None = None) -> list[tuple[int, int]]:
        """Produce events and return partition and offset of each."""
        producer = KafkaProducer(
            bootstrap_servers=self.stack.bootstrap_servers, max_request_size=16 * 1024 * 1024, acks="all"
        )
        try:
            pending = [producer.send(self.topics["events"], payload, key=key) for payload in payloads]
            written = [future.get(timeout=60) for future in pending]
        finally:
            producer.close()
        return [(each.partition, each.offset) for each in written]

    def read(self, name: str, *, isolation: str = "read_uncommitted") -> list[ConsumerRecord]:
        """Return all records that are in a topic now."""
        key = name, isolation
        if key not in self._readers:
            self._readers[key] = TopicReader(self.stack.bootstrap_servers, self.topics[name], isolation)
        return self._readers[key].read()

    def changes(self) -> dict[str, list[Change]]:
        """Return the changes that are in the segment topic now, by user and in order."""
        found: dict[str, list[Change]] = {}
        for record in self.read("changes"):
            change = decode_change(record.value)
            assert record.key.decode() == change.user_id
            found.setdefault(change.user_id, []).append(change)
        return found

    def await_changes(self, user_id: str, number: int) -> list[Change]:
        """Return a user's changes once there are `number` of them."""
        self.wait_for(lambda: len(self.changes().get(user_id, [])) >= number, f"{number} changes of {user_id}")
        return self.changes()[user_id]

    def wait_for(self, condition: Callable[[], object], what: str, timeout: float = ARRIVAL_TIMEOUT) -> None:
        """Return once `condition()` is true; raises AssertionError when the job has failed meanwhile."""

        def holds() -> bool:
            for job in self.jobs:
                self._check(job)
            return bool(condition())

        wait_until(holds, timeout, what)

    def _check(self, job: str) -> None:
        assert self.stack.job_state(job) != "FAILED", self.stack.rest.root_exception(job)

    def counter(self, job: str, name: str) -> int:
        """Return the sum over all subtasks of a counter of the segment function."""
        return self.stack.rest.segments_metric(job, name)

    def in_redis(self) -> redis.Redis:
        """Return a client of the pipeline's database, to be closed by the caller."""
        return redis.Redis.from_url(self.redis_url, decode_responses=True)

    def memberships_in_redis(self) -> dict[str, dict[str, str]]:
        """Return every user's hash, with the JSON of each segment and `_seq`."""
        with self.in_redis() as client:
            keys = sorted(client.scan_iter("seg:*", count=10_000))
            pipeline = client.pipeline(transaction=False)
            for key in keys:
                pipeline.hgetall(key)
            return {key.removeprefix("seg:"): found for key, found in zip(keys, pipeline.execute(), strict=True)}

    def sorted_sets_in_redis(self) -> dict[str, dict[str, int]]:
        """Return every segment's users with the instant (ms) at which they entered."""
        with self.in_redis() as client:
            names = sorted(client.scan_iter("segment:*", count=10_000))
            return {
                name.removeprefix("segment:"): {
                    user: int(since) for user, since in client.zrange(name, 0, -1, withscores=True)
                }
                for name in names
            }


@contextmanager
def pipeline(
    stack: Stack,
    folder: Path,
    definitions: str,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    run: str | None = None,
) -> Iterator[Pipeline]:
    """Make topics, settings and an empty Redis database for one test; its jobs are cancelled on the way out.

    `run` is in all names; a test that gives one is the only one that does.
    """
    run = run or uuid.uuid4().hex[:8]
    outputs = ("changes", "memberships", "dead_letters", "late_events", "audit", "shadow_changes")
    topics = {name: f"{name.replace('_', '-')}-{run}" for name in ("events", *outputs, "control", "internal")}
    stack.create_topics([topics[name] for name in ("events", *outputs)], compacted=[topics["memberships"]])
    url = f"{stack.redis_url.rpartition('/')[0]}/{next(_databases)}"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    values: dict[str, dict[str, Any]] = {
        "kafka": {
            "bootstrap_servers": stack.bootstrap_servers,
            "events_topics": [topics["events"]],
            "group_id": f"segments-{run}",
            "transactional_id_prefix": f"segments-{run}",
            **{f"{name}_topic": topics[name] for name in (*outputs, "control", "internal")},
        },
        "redis": {"url": url},
        "flink": {"parallelism": 2, "shards": 16, "checkpoint_interval": "2s", "restart_delay": "500ms"},
        "definitions": {"path": "segments.yaml"},
    }
    for section, entries in (settings or {}).items():
        values.setdefault(section, {}).update(entries)
    (folder / "segments.yaml").write_text(definitions)
    (folder / "job.yaml").write_text(yaml.safe_dump(values))
    made = Pipeline(stack, folder / "job.yaml", topics, url, stack.rest.free_slots().free)
    try:
        yield made
    finally:
        made.close()


class TopicReader:
    """Everything in a topic, fetched as it comes; each partition's records are in order."""

    def __init__(self, bootstrap_servers: str, topic: str, isolation: str) -> None:
        self._consumer = KafkaConsumer(
            bootstrap_servers=bootstrap_servers,
            group_id=None,
            isolation_level=isolation,
            max_partition_fetch_bytes=16 * 1024 * 1024,
        )
        numbers = sorted(self._consumer.partitions_for_topic(topic))
        self._partitions = [TopicPartition(topic, number) for number in numbers]
        self._consumer.assign(self._partitions)
        self._consumer.seek_to_beginning(*self._partitions)
        self._records: list[ConsumerRecord] = []

    def read(self) -> list[ConsumerRecord]:
        """Return all that was in the topic when asked, and maybe what came since."""
        ends = self._consumer.end_offsets(self._partitions)
        wait_until(lambda: self._at(ends), ARRIVAL_TIMEOUT, "the end of a topic")
        return list(self._records)

    def close(self) -> None:
        """Leave Kafka."""
        self._consumer.close()

    def _at(self, ends: Mapping[TopicPartition, int]) -> bool:
        if all(self._consumer.position(each) >= end for each, end in ends.items()):
            return True
        for polled in self._consumer.poll(_POLL_MS).values():
            self._records.extend(polled)
        return all(self._consumer.position(each) >= end for each, end in ends.items())


def track(user: str, name: str, time: int, message: str | None = None, **properties: object) -> bytes:
    """Return a track call; `time` in ms."""
    event = {"type": "track", "event": name, "userId": user, "timestamp": time, "properties": properties}
    return json.dumps(event | ({"messageId": message} if message else {})).encode()


def kill_python_worker(stack: Stack) -> None:
    """Kill one of the processes that run the segment function."""
    members = (member for server in stack._table for member in server.members())
    next(filter(is_python_worker, members)).kill()


def replace_task_manager(stack: Stack) -> None:
    """Kill a TaskManager with all it runs, and start another in its place."""
    server = next(each for each in stack._table if each.name.startswith("taskmanager"))
    process = psutil.Process(server.pid)
    command, environment = process.cmdline(), process.environ()
    for member in [process, *server.members()]:
        with suppress(psutil.NoSuchProcess):
            member.kill()
    stack._table.end(server)
    stack._table.spawn(server.name, command, environment, Path(server.log))
