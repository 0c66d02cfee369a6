"""The stack that the measurements on real servers share: one Kafka, one Redis, one Flink cluster."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import redis
from confluent_kafka import Consumer, TopicPartition

from benchmarks.cases.worker import ROOT, SEED, START_MS, STEP_MS
from benchmarks.simulator import uniform_load
from jobs.player import play
from jobs.stack.flink_config import ClusterSize
from jobs.stack.stack import PARTITIONS, Parts, Stack

RUN = "bench"
OUTPUTS = ("changes", "memberships", "dead-letters", "late-events", "shadow-changes")
_JOB_TIMEOUT_S = 900.0


class ServersError(RuntimeError):
    """A server or a job on it did not do its work; the message says what happened."""


class Servers:
    """Starts the stack when it is first needed; on the way out ends it and removes its files."""

    def __init__(self, root: Path = ROOT) -> None:
        self._root = root
        self._long_lived = False
        self._stack: Stack | None = None
        self._filled: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.renew()

    def renew(self, *, long_lived: bool = False) -> None:
        """End the stack, if there is one; the next has the JVMs of a service, or of a run that is over in minutes."""
        if self._stack is not None:
            self._stack.stop()
            shutil.rmtree(self.folder, ignore_errors=True)
        self._stack, self._long_lived = None, long_lived
        self._filled.clear()

    @property
    def folder(self) -> Path:
        """Where the stack and the traces of the contestants lie."""
        return self._root / ".local" / RUN

    @property
    def stack(self) -> Stack:
        """The running stack."""
        if self._stack is None:
            size = ClusterSize(1, slots_each=os.cpu_count() or 1, long_lived=self._long_lived)
            self._stack = Stack.start(self._root, RUN, Parts(size=size))
        return self._stack

    def prepare(self, contestant: str) -> None:
        """Empty Redis, make the contestant's output topics and its trace folder."""
        with redis.Redis.from_url(self.stack.redis_url) as client:
            client.flushall()
        memberships = output_topic(contestant, "memberships")
        self.stack.create_topics([output_topic(contestant, output) for output in OUTPUTS], compacted=[memberships])
        self.trace_folder(contestant).mkdir(parents=True, exist_ok=True)

    def trace_folder(self, contestant: str) -> Path:
        """Return where a contestant writes what it did and when."""
        return self.folder / "traces" / contestant

    def traces(self, contestant: str) -> list[bytes]:
        """Return what the contestant's workers wrote."""
        return [path.read_bytes() for path in sorted(self.trace_folder(contestant).glob("*.json"))]

    def _fill(self, topic: str, users: int, events: int, say: Callable[[str], None]) -> None:
        """Play the uniform load into a topic, all of it before anybody reads it."""
        load = uniform_load(users, events, SEED, START_MS, STEP_MS)
        done = play(
            load,
            self.stack.bootstrap_servers,
            topic,
            on_progress=lambda progress: say(f"{progress.sent:,} of {events:,} events are in Kafka"),
        )
        if done.sent != events:
            raise ServersError(f"Kafka took {done.sent} of {events} events: {done.first_error}")

    def filled(self, users: int, events: int, say: Callable[[str], None]) -> str:
        """Return a topic with that load in it; contestants that read the same load share it."""
        topic = f"load-{users}-{events}"
        if topic not in self._filled:
            self.stack.create_topics([topic])
            self._fill(topic, users, events, say)
            self._filled.add(topic)
        return topic

    def environment(self, contestant: str, events_topic: str) -> dict[str, str]:
        """Return the settings of the job that differ from `conf/job.yaml`: addresses and topics."""
        topics = {output.replace("-", "_").upper(): output_topic(contestant, output) for output in OUTPUTS}
        return {
            "SEGMENTS__KAFKA__BOOTSTRAP_SERVERS": self.stack.bootstrap_servers,
            "SEGMENTS__REDIS__URL": self.stack.redis_url,
            "SEGMENTS__KAFKA__EVENTS_TOPICS": f"[{events_topic}]",
            "SEGMENTS__KAFKA__GROUP_ID": contestant,
            **{f"SEGMENTS__KAFKA__{name}_TOPIC": topic for name, topic in topics.items()},
            "SEGMENTS__KAFKA__CONTROL_TOPIC": output_topic(contestant, "control"),
            "SEGMENTS__KAFKA__INTERNAL_TOPIC": output_topic(contestant, "internal"),
            "SEGMENTS__KAFKA__AUDIT_TOPIC": output_topic(contestant, "audit"),
        }

    def run_to_end(self, arguments: Sequence[str], environment: dict[str, str]) -> str:
        """Submit a job that ends by itself and return its id; raises ServersError when it fails."""
        job = self.stack.submit(arguments, environment)
        state = self.stack.rest.wait_ended(job, _JOB_TIMEOUT_S)
        if state != "FINISHED":
            raise ServersError(f"the job ended as {state}: {self.stack.rest.root_exception(job)[-2_000:]}")
        return job

    def records(self, topic: str) -> int:
        """Return how many records a topic holds."""
        consumer = Consumer({"bootstrap.servers": self.stack.bootstrap_servers, "group.id": "bench-count"})
        try:
            watermarks = (
                consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10.0)
                for partition in range(PARTITIONS)
            )
            return sum(high - low for low, high in watermarks)
        finally:
            consumer.close()

    def redis_users(self) -> int:
        """Return how many users Redis knows."""
        with redis.Redis.from_url(self.stack.redis_url) as client:
            return sum(1 for _ in client.scan_iter("seg:*", count=10_000))


def output_topic(contestant: str, output: str) -> str:
    """Return the topic that a contestant writes to; `output` is one of `OUTPUTS`."""
    return f"{contestant}-{output}"
