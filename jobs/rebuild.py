"""Whether the state can be built anew: all events must still be there, or nobody know what an earlier one has told."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from kafka import TopicPartition

from jobs.kafka_clients import consumer_client
from jobs.redis_access import connected
from jobs.settings import KafkaSettings, Settings
from jobs.topics import NoTopic
from udfs.redis_entries import WHOLE_KEY


def events_missing(kafka: KafkaSettings) -> list[str]:
    """Return for each partition of the events topics that lacks its first events what is left; raises TopicError."""
    with consumer_client(kafka) as consumer:
        partitions = []
        for topic in kafka.events_topics:
            found = _partitions(consumer, topic)
            if not found:
                raise NoTopic(f"there is no topic '{topic}' at {kafka.bootstrap_servers}: check kafka.events_topics")
            partitions += found
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
