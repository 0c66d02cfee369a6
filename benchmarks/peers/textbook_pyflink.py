"""The textbook job: key by user, one event a call, the profile in a ValueState, a timer for the next self-change.

The engine is the same. Where there is a choice the faster one is taken, also where that would lose data in production:
state on the heap, Redis written in batches that no checkpoint waits for, timers never deleted, no membership topic.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from pyflink.common import Configuration, Duration, Types, WatermarkStrategy
from pyflink.common.serialization import SimpleStringSchema
from pyflink.datastream import DataStream, KeyedProcessFunction, RuntimeContext, StreamExecutionEnvironment
from pyflink.datastream.connectors.kafka import (
    KafkaOffsetsInitializer,
    KafkaRecordSerializationSchema,
    KafkaSink,
    KafkaSource,
)
from pyflink.datastream.state import ValueStateDescriptor

from benchmarks.peers.pace import Trace
from benchmarks.peers.redis_only import redis_writer
from segments.changes import Change, encode_change
from segments.definitions import parse_definitions
from segments.engine import Engine
from segments.plan import Plan
from segments.profile import NEVER, Profile, decode_profile, encode_profile

_END_OF_INPUT = (1 << 63) - 1
_CHANGES_A_WRITE = 500
OPTIONS = {
    "python.execution-mode": "process",
    "python.fn-execution.bundle.size": "1000",
    "python.fn-execution.bundle.time": "100",
    "python.state.cache-size": "10000",
    "state.backend.type": "hashmap",
    "pipeline.object-reuse": "true",
}


class _Who(msgspec.Struct):
    user_id: str = msgspec.field(name="userId")


_who = msgspec.json.Decoder(_Who).decode


def user_of(payload: str) -> str:
    """Return the user an event belongs to."""
    return _who(payload).user_id


class SegmentUser(KeyedProcessFunction):  # type: ignore[misc]  # pyflink is untyped
    """Applies one event of one user."""

    def __init__(self, definitions: str, redis_url: str, trace: str) -> None:
        self._definitions = definitions
        self._redis_url = redis_url
        self._trace_folder = trace

    def open(self, context: RuntimeContext) -> None:
        """Compile the definitions and connect to Redis."""
        self._engine = Engine(Plan(parse_definitions(self._definitions)))
        self._state = context.get_state(ValueStateDescriptor("profile", Types.PRIMITIVE_ARRAY(Types.BYTE())))
        self._redis = redis_writer(self._redis_url)
        self._waiting: list[Change] = []
        self._trace = Trace()
        self._trace_path = Path(self._trace_folder) / f"worker-{context.get_index_of_this_subtask()}.json"

    def close(self) -> None:
        """Write what is left to Redis, and the trace."""
        self._redis.write(self._waiting)
        self._redis.flush()
        self._redis.close()
        self._trace.write(self._trace_path)

    def process_element(self, value: str, ctx: Any) -> Iterator[str]:
        """Apply an event."""
        event = self._engine.plan.decoder.decode(value.encode())
        profile, changes = self._load(), list[Change]()
        due = profile.due
        self._engine.apply(profile, event, changes)
        self._state.update(encode_profile(profile))
        if profile.due not in (due, NEVER):
            ctx.timer_service().register_event_time_timer(profile.due)
        yield from self._publish(changes)
        self._trace.note(1)

    def on_timer(self, timestamp: int, ctx: Any) -> Iterator[str]:
        """Let the user's self-changes happen; those that only the end of the input sets off are left out."""
        if ctx.timer_service().current_watermark() == _END_OF_INPUT:
            return
        profile, changes = self._load(), list[Change]()
        if profile.due > timestamp:
            return
        self._engine.advance(ctx.get_current_key(), profile, timestamp, changes)
        self._state.update(encode_profile(profile))
        if profile.due != NEVER:
            ctx.timer_service().register_event_time_timer(profile.due)
        yield from self._publish(changes)

    def _load(self) -> Profile:
        blob = self._state.value()
        return Profile() if blob is None else decode_profile(bytes(blob))

    def _publish(self, changes: list[Change]) -> Iterator[str]:
        self._waiting += changes
        if len(self._waiting) >= _CHANGES_A_WRITE:
            self._redis.write(self._waiting)
            self._waiting = []
        for change in changes:
            yield encode_change(change).decode()


def build(env: StreamExecutionEnvironment, options: argparse.Namespace) -> None:
    """Wire the job; record timestamps, which the player sets to event time, are Flink's event time."""
    source = (
        KafkaSource.builder()
        .set_bootstrap_servers(options.bootstrap_servers)
        .set_topics(options.events)
        .set_group_id(options.events)
        .set_starting_offsets(KafkaOffsetsInitializer.earliest())
        .set_bounded(KafkaOffsetsInitializer.latest())
        .set_value_only_deserializer(SimpleStringSchema())
        .build()
    )
    clock = WatermarkStrategy.for_bounded_out_of_orderness(Duration.of_seconds(5))
    function = SegmentUser(options.definitions.read_text(encoding="utf-8"), options.redis_url, options.trace)
    events = env.from_source(source, clock, "events")
    changes = events.key_by(user_of, Types.STRING()).process(function, Types.STRING())
    _write(changes, options)


def _write(changes: DataStream, options: argparse.Namespace) -> None:
    serializer = (
        KafkaRecordSerializationSchema.builder()
        .set_topic(options.changes)
        .set_value_serialization_schema(SimpleStringSchema())
        .build()
    )
    sink = KafkaSink.builder().set_bootstrap_servers(options.bootstrap_servers).set_record_serializer(serializer)
    changes.sink_to(sink.build())


def main() -> None:
    """Run the job that the arguments describe."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--bootstrap-servers", "--redis-url", "--events", "--changes", "--trace"):
        parser.add_argument(name, required=True)
    parser.add_argument("--definitions", type=Path, required=True)
    configuration = Configuration()
    for key, value in OPTIONS.items():
        configuration.set_string(key, value)
    env = StreamExecutionEnvironment.get_execution_environment(configuration)
    env.set_parallelism(2)
    env.enable_checkpointing(10_000)
    build(env, parser.parse_args())
    env.execute("textbook")
