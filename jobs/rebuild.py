"""Whether the state can be built anew: all events must still be there, or nobody know what an earlier one has told."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from kafka import OffsetAndMetadata, TopicPartition

from jobs.kafka_clients import consumer_client
from jobs.redis_access import connected
from jobs.settings import KafkaSettings, Settings
from jobs.topics import NoTopic, TopicError
from udfs.redis_entries import WHOLE_KEY

_LOOK_S = 1


def events_missing(kafka: KafkaSettings) -> list[str]:
    """Return for each partition of the events topics that lacks its first events what is left; raises TopicError."""
    with consumer_client(kafka) as consumer:
        partitions = _of_events(consumer, kafka)
        begins = consumer.beginning_offsets(partitions)
        oldest = consumer.offsets_for_times(dict.fromkeys(partitions, 0))
        return [_missing(part, begins[part], oldest.get(part)) for part in partitions if begins[part]]


def told_before(settings: Settings) -> list[str]:
    """Return where changes of an earlier state are that others know by their numbers.

    Raises TopicError, redis.RedisError.
    """
    kafka, found = settings.kafka, []
    with consumer_client(kafka) as consumer:
        for topic in (kafka.changes_topic, kafka.memberships_topic):
            partitions = _partitions(consumer, topic)
            if not partitions:
                continue
            begins, ends = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
            records = sum(ends[each] - begins[each] for each in partitions)
            found += [f"topic {topic}: {records:,} records"] if records else []
    if settings.redis.enabled:
        with connected(settings.redis, socket_timeout=30.0) as client:
            if client.exists(WHOLE_KEY):
                found.append(f"Redis at {settings.redis.display_url}: the users that a job has written there")
    return found


def start_over(kafka: KafkaSettings) -> None:
    """Have Kafka know of no events that the group's job has read; raises TopicError.

    Only then what a rebuilt job commits says how far it has come.
    """
    with consumer_client(kafka, group_id=kafka.group_id) as consumer:
        partitions = _of_events(consumer, kafka)
        begins = consumer.beginning_offsets(partitions)
        consumer.assign(partitions)
        consumer.commit({part: OffsetAndMetadata(begins[part], "", -1) for part in partitions})


def wait_until_read(kafka: KafkaSettings, patience_s: float, progress: Callable[[int, int], None]) -> None:
    """Return once the job has read, and written to a checkpoint, all events that there are at this call.

    `progress` is told how many of the records are behind it. Raises TopicError when it does not move for so long.
    """
    with consumer_client(kafka, group_id=kafka.group_id) as consumer:
        partitions = _of_events(consumer, kafka)
        consumer.assign(partitions)
        begins, ends = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
        total = sum(ends[part] - begins[part] for part in partitions)
        newest, moved = -1, time.monotonic()
        while True:
            reached = {part: max(consumer.committed(part) or 0, begins[part]) for part in partitions}
            left = {part: at for part, at in reached.items() if at < ends[part]}
            read = total - sum(ends[part] - at for part, at in left.items())
            progress(read, total)
            if not left:
                return
            if read > newest:
                newest, moved = read, time.monotonic()
            elif _no_events(consumer, left, ends):  # what ends a transaction is a record, too, and no event
                return
            if time.monotonic() - moved > patience_s:
                raise TopicError(
                    f"for {patience_s:g} s the job has read nothing: {total - read:,} of {total:,} events are left."
                    " Does it run, with this kafka.group_id, and do its checkpoints complete?"
                )
            time.sleep(_LOOK_S)


def _no_events(consumer: Any, reached: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]) -> bool:
    """Say whether no event lies between these offsets and the ends: only if that was read to the end."""
    for part, offset in reached.items():
        consumer.seek(part, offset)
    others = [part for part in consumer.assignment() if part not in reached]
    consumer.pause(*others)
    try:
        if any(consumer.poll(timeout_ms=_LOOK_S * 1_000, max_records=1).values()):
            return False
        return all(consumer.position(part) >= ends[part] for part in reached)
    finally:
        consumer.resume(*others)


def _of_events(consumer: Any, kafka: KafkaSettings) -> list[TopicPartition]:
    """Return all partitions of the events topics; raises NoTopic where one is not there."""
    partitions = []
    for topic in kafka.events_topics:
        found = _partitions(consumer, topic)
        if not found:
            raise NoTopic(f"there is no topic '{topic}' at {kafka.bootstrap_servers}: check kafka.events_topics")
        partitions += found
    return partitions


def _partitions(consumer: Any, topic: str) -> list[TopicPartition]:
    return [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]


def _missing(part: TopicPartition, begin: int, oldest: object) -> str:
    written = getattr(oldest, "timestamp", None)
    since = "nothing is left"
    if written is not None:
        since = (
            f"the oldest that is left was written {datetime.fromtimestamp(written / 1_000, UTC):%Y-%m-%d %H:%M:%S} UTC"
        )
    return f"{part.topic}, partition {part.partition}: the first {begin:,} events are gone, {since}"
