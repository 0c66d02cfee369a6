"""Whether the state can be built anew: the events topics must reach back to their first event."""

from __future__ import annotations

from datetime import UTC, datetime

from kafka import KafkaConsumer, TopicPartition

from jobs.kafka_properties import consumer_options
from jobs.settings import KafkaSettings
from jobs.topics import NoTopic, explained


def events_missing(kafka: KafkaSettings) -> list[str]:
    """Return for each partition of the events topics that lacks its first events what is left; raises TopicError."""
    with explained(kafka.bootstrap_servers, kafka.consumer_properties):
        consumer = KafkaConsumer(
            bootstrap_servers=kafka.bootstrap_servers.split(","),
            group_id=None,
            **consumer_options(kafka.consumer_properties),
        )
        try:
            partitions = []
            for topic in kafka.events_topics:
                numbers = consumer.partitions_for_topic(topic)
                if not numbers:
                    raise NoTopic(
                        f"there is no topic '{topic}' at {kafka.bootstrap_servers}: check kafka.events_topics"
                    )
                partitions += [TopicPartition(topic, number) for number in sorted(numbers)]
            begins = consumer.beginning_offsets(partitions)
            oldest = consumer.offsets_for_times(dict.fromkeys(partitions, 0))
            return [_missing(part, begins[part], oldest.get(part)) for part in partitions if begins[part]]
        finally:
            consumer.close()


def _missing(part: TopicPartition, begin: int, oldest: object) -> str:
    written = getattr(oldest, "timestamp", None)
    since = "nothing is left"
    if written is not None:
        since = (
            f"the oldest that is left was written {datetime.fromtimestamp(written / 1_000, UTC):%Y-%m-%d %H:%M:%S} UTC"
        )
    return f"{part.topic}, partition {part.partition}: the first {begin:,} events are gone, {since}"
