"""The demo's own stack and settings: nothing of the user's environment leads it to other brokers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis

from jobs.cli.submit import KAFKA, REDIS
from jobs.settings import DEFAULT_PATH, Settings, load_settings
from jobs.stack.flink_config import ClusterSize
from jobs.stack.processes import StackError
from jobs.stack.stack import Parts, Stack

ROOT = Path(__file__).resolve().parents[2]
RUN = "demo"
_PARALLELISM = 2
_REDIS_DATABASES = range(1, 16)


@dataclass(frozen=True)
class Place:
    """Where a demo runs, and the settings of its job: as they are and as environment variables."""

    stack: Stack
    settings: Settings
    environment: dict[str, str]


@contextmanager
def own_stack() -> Iterator[Place]:
    """Start a stack for the demo and end it; raises StackError, WaitTimeoutError, JavaNotFoundError."""
    parts = Parts(size=ClusterSize(1, slots_each=_PARALLELISM))
    with Stack.start(ROOT, RUN, parts, flink_options={"metrics.fetcher.update-interval": "1000"}) as stack:
        yield _place(stack, "", stack.redis_url)


@contextmanager
def running_stack(run: str) -> Iterator[Place]:
    """Use a stack that is up, with topics of this process's own and an empty Redis database, emptied at the end."""
    stack = Stack.attach(ROOT, run)
    database = _empty_database(stack.redis_url)
    try:
        yield _place(stack, f"demo-{os.getpid()}-", database)
    finally:
        with redis.Redis.from_url(database) as client:
            client.flushdb()


def _empty_database(url: str) -> str:
    base = url.rpartition("/")[0]
    for number in _REDIS_DATABASES:
        with redis.Redis.from_url(f"{base}/{number}") as client:
            if client.dbsize() == 0:
                return f"{base}/{number}"
    raise StackError(f"no database of Redis at {base} is empty")


def _place(stack: Stack, prefix: str, redis_url: str) -> Place:
    environment = {
        KAFKA: stack.bootstrap_servers,
        REDIS: redis_url,
        "SEGMENTS__REDIS__ENABLED": "true",
        "SEGMENTS__KAFKA__EVENTS_TOPICS": f"[{prefix}events]",
        "SEGMENTS__KAFKA__CHANGES_TOPIC": f"{prefix}segment-changes",
        "SEGMENTS__KAFKA__MEMBERSHIPS_TOPIC": f"{prefix}segment-memberships",
        "SEGMENTS__KAFKA__DEAD_LETTERS_TOPIC": f"{prefix}segment-dead-letters",
        "SEGMENTS__KAFKA__LATE_EVENTS_TOPIC": f"{prefix}segment-late-events",
        "SEGMENTS__KAFKA__CONTROL_TOPIC": f"{prefix}segment-control",
        "SEGMENTS__KAFKA__AUDIT_TOPIC": f"{prefix}segment-audit",
        "SEGMENTS__KAFKA__SHADOW_CHANGES_TOPIC": f"{prefix}segment-shadow-changes",
        "SEGMENTS__KAFKA__INTERNAL_TOPIC": f"{prefix}segment-internal",
        "SEGMENTS__KAFKA__GROUP_ID": f"{prefix}segments",
        "SEGMENTS__KAFKA__START_FROM": "earliest",
        "SEGMENTS__KAFKA__DELIVERY": "at_least_once",
        "SEGMENTS__EVENT_TIME__FOLLOW_WALL_CLOCK": "true",
        # Event time runs thousands of times faster than the wall clock: a partition that pauses for a moment must hold
        # the watermark, or it would be weeks ahead of that partition's next event.
        "SEGMENTS__EVENT_TIME__IDLE_AFTER": "10m",
        "SEGMENTS__FLINK__CHECKPOINT_INTERVAL": "5s",
        "SEGMENTS__FLINK__PARALLELISM": str(min(_PARALLELISM, stack.rest.slots())),
    }
    settings = load_settings(ROOT / DEFAULT_PATH, {**os.environ, **environment})
    kafka = settings.kafka
    stack.create_topics([*kafka.events_topics, *kafka.output_topics], compacted=[kafka.memberships_topic])
    return Place(stack, settings, environment)
