"""Reading whole topics fast: from their beginning to their end now, as a consumer of what is committed sees them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from confluent_kafka import Consumer, KafkaError, TopicPartition

from jobs.topics import Record, TopicError

_BATCH = 10_000
_POLL_S = 0.2
_SILENT_POLLS = 150


def records(bootstrap_servers: str, topic: str) -> Iterator[Record]:
    """Yield the committed records of a topic, each partition's in order; raises TopicError."""
    for record, _ in records_with_headers(bootstrap_servers, topic):
        yield record


def records_with_headers(bootstrap_servers: str, topic: str) -> Iterator[tuple[Record, dict[str, bytes]]]:
    """Yield the committed records of a topic with their headers; raises TopicError, also after 30 s of silence."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": "faults-verdict",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "fetch.message.max.bytes": 16 * 1024 * 1024,
            "log_level": 0,
        }
    )
    try:
        found = consumer.list_topics(topic, timeout=10.0).topics[topic]
        if found.error is not None:
            raise TopicError(f"there is no topic '{topic}' at {bootstrap_servers}")
        open_partitions = set(found.partitions)
        consumer.assign([TopicPartition(topic, number, 0) for number in found.partitions])
        silent = 0
        while open_partitions:
            polled = consumer.consume(_BATCH, timeout=_POLL_S)
            silent = 0 if polled else silent + 1
            if silent >= _SILENT_POLLS:
                silence = _POLL_S * _SILENT_POLLS
                raise TopicError(f"no records of '{topic}' came from {bootstrap_servers} for {silence:g} s")
            yield from _readable(polled, open_partitions)
    finally:
        consumer.close()


def _readable(polled: list[Any], open_partitions: set[int]) -> Iterator[tuple[Record, dict[str, bytes]]]:
    for message in polled:
        error = message.error()
        if error is None:
            _, written = message.timestamp()
            record = Record(
                message.topic(), message.partition(), message.offset(), message.key(), message.value(),
                written if written >= 0 else None,
            )  # fmt: skip
            yield record, dict(message.headers() or [])
        elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
            open_partitions.discard(message.partition())
        else:
            raise TopicError(f"'{message.topic()}' cannot be read: {error.str()}")
