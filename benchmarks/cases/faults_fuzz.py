"""Mutated events through the real job: none is lost, none stops it, and Java and Python agree on each."""

from __future__ import annotations

import json
import zlib
from collections import Counter
from collections.abc import Iterator

from confluent_kafka import Consumer, Producer, TopicPartition

from benchmarks.cases.case import BenchmarkError, Context, Numbers
from benchmarks.cases.servers import Servers, output_topic
from benchmarks.cases.worker import SEED, SETTINGS_PATH, START_MS
from benchmarks.simulator.mutated import mutated
from jobs.settings import load_settings
from jobs.stack.stack import PARTITIONS
from segments.definitions import load_definitions
from segments.events import RejectedEvent
from segments.plan import Plan
from udfs.failing import BUGS

NAME = "fuzz"
_BY_SHARD = "ambiguous_user"  # only the job can see that two users are named: they live on different shards
_READ_S = 5.0
_PARTITION = 0  # of all events, which keeps their order: late is then what was made so


def measure(context: Context) -> Numbers:
    """Return what became of the events; raises BenchmarkError when a worker died or restarted on the way."""
    servers, events = context.servers, context.sizes.fuzzed_events
    servers.prepare(NAME)
    topic = f"fuzzed-{events}"
    servers.stack.create_topics([topic])
    context.say(f"{events:,} mutated events go to Kafka")
    expected = _fill(servers, topic, events)
    arguments = ["-py", "jobs/segmentation.py", "--settings", str(SETTINGS_PATH), "--bounded"]
    context.say(f"the job reads {events:,} mutated events")
    servers.run_to_end([*arguments, "--trace", str(servers.trace_folder(NAME))], servers.environment(NAME, topic))
    traces = [json.loads(trace) for trace in servers.traces(NAME)]
    fates = sum((Counter(trace["fates"]) for trace in traces), Counter[str]())
    reasons = sum((Counter(trace["reasons"]) for trace in traces), Counter[str]())
    handled = sum(trace["events"] for trace in traces)
    if handled != events:
        raise BenchmarkError(f"{events} events went in, {handled} were handled: a worker has restarted")
    rejected = Counter(each for each, reason in _dead_letters(servers) if reason != _BY_SHARD)
    differing = sum(((rejected - expected) + (expected - rejected)).values())
    late, letters = (servers.records(output_topic(NAME, name)) for name in ("late-events", "dead-letters"))
    lost = abs(events - fates["applied"] - fates["duplicates"] - late - letters)
    return {
        "fuzzed": events,
        **{name: fates[name] for name in ("applied", "duplicates")},
        "late": late,
        "dead_letters": letters,
        "bugs": sum(count for reason, count in reasons.items() if reason in BUGS or reason.startswith("failed")),
        "unaccounted": lost + differing,
    }


def _fill(servers: Servers, topic: str, events: int) -> Counter[int]:
    """Write the events; returns the checksums of those that a replay rejects."""
    settings = load_settings(SETTINGS_PATH, {})
    decoder = Plan(load_definitions(settings.definitions.path), settings.plausibility).decoder
    producer = Producer({"bootstrap.servers": servers.stack.bootstrap_servers, "message.max.bytes": 16 * 1024 * 1024})
    expected: Counter[int] = Counter()
    for payload, written_at in mutated(SEED, events, START_MS):
        try:
            decoder.decode(payload, written_at)
        except RejectedEvent:
            expected[zlib.crc32(payload)] += 1
        while True:
            try:
                producer.produce(topic, payload, partition=_PARTITION, timestamp=written_at)
                break
            except BufferError:  # the producer's queue is full
                producer.poll(0.1)
        producer.poll(0)
    if producer.flush(60.0):
        raise BenchmarkError("Kafka did not take all events")
    return expected


def _dead_letters(servers: Servers) -> Iterator[tuple[int, str]]:
    """Yield checksum and reason of each dead letter."""
    topic = output_topic(NAME, "dead-letters")
    consumer = Consumer({"bootstrap.servers": servers.stack.bootstrap_servers, "group.id": "bench-fuzz"})
    try:
        left = servers.records(topic)
        consumer.assign([TopicPartition(topic, number, 0) for number in range(PARTITIONS)])
        while left:
            records = consumer.consume(min(left, 10_000), timeout=_READ_S)
            if not records:
                raise BenchmarkError(f"{left} dead letters cannot be read")
            for record in records:
                headers = dict(record.headers() or [])
                yield zlib.crc32(record.value() or b""), bytes(headers["reason"] or b"").decode()
            left -= len(records)
    finally:
        consumer.close()
