"""The peer: Bytewax, the profile of each user as an object in the memory of the process that the user is routed to.

The engine is the same, and so is what goes out: changes, the compacted membership topic, Redis. With a recovery folder
it also keeps its state as the job does, every 10 s, by Bytewax's own snapshots; `light` leaves out both snapshots and
memberships. No timers either way: Bytewax has none in event time. The user is read from the record's key, so that
nothing is parsed twice; garbage is collected as in the job's workers, never in between, and memory lies on huge pages
as theirs does.
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
from benchmarks.peers.redis_only import redis_writer
from segments.changes import Change, Memberships, encode_change, encode_memberships
from segments.definitions import load_definitions
from segments.engine import Engine
from segments.plan import Plan
from segments.profile import Profile, decode_profile, encode_profile
from udfs.huge_pages import keep_on_huge_pages
from udfs.memory import collect_only_on_demand

_BATCH = 2_000
_Output = tuple[list[Change], Memberships]


class _User(StatefulBatchLogic):  # type: ignore[misc]  # bytewax is untyped here
    """One user's profile."""

    __slots__ = ("_engine", "_profile", "_trace")

    def __init__(self, engine: Engine, trace: Trace, snapshot: bytes | None) -> None:
        self._engine = engine
        self._trace = trace
        self._profile = Profile() if snapshot is None else decode_profile(snapshot)

    def on_batch(self, values: list[bytes]) -> tuple[Iterable[_Output], bool]:
        """Apply this user's next events."""
        engine, profile, changes = self._engine, self._profile, list[Change]()
        user_id = ""
        for payload in values:
            event = engine.plan.decoder.decode(payload)
            engine.apply(profile, event, changes)
            user_id = event.user_id
        self._trace.note(len(values))
        if not changes:
            return (), StatefulBatchLogic.RETAIN
        return ((changes, engine.memberships(user_id, profile)),), StatefulBatchLogic.RETAIN

    def snapshot(self) -> bytes:
        """Return the profile as the job keeps it."""
        return encode_profile(self._profile)


class _Writer(StatelessSinkPartition[tuple[str, _Output]]):  # type: ignore[misc]  # as above
    """Writes changes and memberships to Kafka and, one round trip a batch, to Redis."""

    def __init__(self, brokers: str, changes: str, memberships: str | None, redis_url: str) -> None:
        self._changes = changes
        self._memberships = memberships
        self._producer = Producer(
            {"bootstrap.servers": brokers, "linger.ms": 5, "queue.buffering.max.messages": 1_000_000}
        )
        self._redis = redis_writer(redis_url)

    def write_batch(self, items: list[tuple[str, _Output]]) -> None:
        """Write a batch."""
        produce = self._producer.produce
        for user, (changes, memberships) in items:
            for change in changes:
                produce(self._changes, encode_change(change), user)
            if self._memberships:
                value = encode_memberships(memberships) if memberships.segments else None
                produce(self._memberships, value, user)
        self._producer.poll(0)
        self._redis.write([change for _, (changes, _) in items for change in changes])

    def close(self) -> None:
        """Return when Kafka has everything."""
        self._producer.flush()
        self._redis.flush()
        self._redis.close()


class _Writers(DynamicSink[tuple[str, _Output]]):  # type: ignore[misc]  # as above
    """One writer a process."""

    def __init__(self, brokers: str, changes: str, memberships: str | None, redis_url: str) -> None:
        self._options = (brokers, changes, memberships, redis_url)

    def build(self, _step_id: str, _worker_index: int, _worker_count: int) -> _Writer:
        """Connect."""
        return _Writer(*self._options)


def build(
    brokers: str, events: str, changes: str, memberships: str | None, redis_url: str, definitions: str, trace_path: str
) -> Dataflow:
    """Return the flow; the process writes its trace when it ends. No `memberships` topic: they are not published."""
    collect_only_on_demand()
    keep_on_huge_pages()
    engine, trace = Engine(Plan(load_definitions(Path(definitions)))), Trace()
    atexit.register(trace.write, Path(trace_path))
    flow = Dataflow("segments")
    records = op.input("events", flow, KafkaSource([brokers], [events], tail=False, batch_size=_BATCH))
    by_user = op.map("user", records, _user_and_payload)
    changed = op.stateful_batch("segments", by_user, lambda snapshot: _User(engine, trace, snapshot))
    op.output("changes", changed, _Writers(brokers, changes, memberships, redis_url))
    return flow


def _user_and_payload(record: Any) -> tuple[str, bytes]:
    return record.key.decode(), record.value
