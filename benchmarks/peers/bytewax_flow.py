"""The peer: Bytewax, the profile of each user as an object in the memory of the process that the user is routed to.

The engine is the same. No timers, no checkpoints, no membership topic; the user is read from the record's key, so that
nothing is parsed twice.
"""

from __future__ import annotations

import atexit
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import bytewax.operators as op
from bytewax.connectors.kafka import KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.operators import StatefulBatchLogic
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from confluent_kafka import Producer

from benchmarks.peers.pace import Trace
from segments.changes import Change, encode_change
from segments.definitions import load_definitions
from segments.engine import Engine
from segments.plan import Plan
from segments.profile import Profile
from udfs.redis_writer import RedisOptions, RedisWriter

_BATCH = 2_000
_MONTH_MS = 30 * 86_400_000


class _User(StatefulBatchLogic):  # type: ignore[misc]  # bytewax is untyped here
    """One user's profile."""

    __slots__ = ("_engine", "_profile", "_trace")

    def __init__(self, engine: Engine, trace: Trace) -> None:
        self._engine = engine
        self._trace = trace
        self._profile = Profile()

    def on_batch(self, values: list[bytes]) -> tuple[Iterable[Change], bool]:
        """Apply this user's next events."""
        engine, profile, changes = self._engine, self._profile, list[Change]()
        for payload in values:
            engine.apply(profile, engine.plan.decoder.decode(payload), changes)
        self._trace.note(len(values))
        return changes, StatefulBatchLogic.RETAIN

    def snapshot(self) -> None:
        """Keep nothing: a recovery is not part of the comparison."""


class _Output(StatelessSinkPartition[tuple[str, Change]]):  # type: ignore[misc]  # as above
    """Writes changes to Kafka and, one round trip a batch, to Redis."""

    def __init__(self, brokers: str, topic: str, redis_url: str) -> None:
        self._topic = topic
        self._producer = Producer(
            {"bootstrap.servers": brokers, "linger.ms": 5, "queue.buffering.max.messages": 1_000_000}
        )
        self._redis = RedisWriter(RedisOptions(redis_url, _MONTH_MS, 2_000))

    def write_batch(self, items: list[tuple[str, Change]]) -> None:
        """Write a batch."""
        for user, change in items:
            self._producer.produce(self._topic, encode_change(change), user)
        self._producer.poll(0)
        self._redis.write([change for _, change in items])

    def close(self) -> None:
        """Return when Kafka has everything."""
        self._producer.flush()
        self._redis.flush()
        self._redis.close()


class _Outputs(DynamicSink[tuple[str, Change]]):  # type: ignore[misc]  # as above
    """One output a process."""

    def __init__(self, brokers: str, topic: str, redis_url: str) -> None:
        self._options = (brokers, topic, redis_url)

    def build(self, _step_id: str, _worker_index: int, _worker_count: int) -> _Output:
        """Connect."""
        return _Output(*self._options)


def build(brokers: str, events: str, changes: str, redis_url: str, definitions: str, trace_path: str) -> Dataflow:
    """Return the flow; the process writes its trace when it ends."""
    engine, trace = Engine(Plan(load_definitions(Path(definitions)))), Trace()
    atexit.register(trace.write, Path(trace_path))
    flow = Dataflow("segments")
    records = op.input("events", flow, KafkaSource([brokers], [events], tail=False, batch_size=_BATCH))
    by_user = op.map("user", records, _user_and_payload)
    changed = op.stateful_batch("segments", by_user, lambda _: _User(engine, trace))
    op.output("changes", changed, _Outputs(brokers, changes, redis_url))
    return flow


def _user_and_payload(record: Any) -> tuple[str, bytes]:
    return record.key.decode(), record.value
