"""Chunks in the control topic: aggregates on their way from a side job to the workers, before what completes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from kafka import KafkaProducer

from jobs.kafka_properties import security
from jobs.settings import KafkaSettings
from jobs.topics import NoTopic, TopicReader, explained
from segments.backfill_chunks import Chunk, decode_chunk, encode_chunk, is_chunk
from segments.control import Release

_MAX_REQUEST = 4 * 1024 * 1024
_TIMEOUT_S = 60
_IN_FLIGHT = 50  # chunks that are not acknowledged yet


def write_chunks(kafka: KafkaSettings, chunks: Iterable[Chunk]) -> dict[int, int]:
    """Write chunks and return how many there are of each shard; raises TopicError."""
    written: dict[int, int] = {}
    with explained(kafka.bootstrap_servers, kafka.producer_properties):
        producer: Any = KafkaProducer(
            bootstrap_servers=kafka.bootstrap_servers.split(","),
            acks="all",
            max_request_size=_MAX_REQUEST,
            **security(kafka.producer_properties),
        )
        try:
            sent: list[Any] = []
            for chunk in chunks:
                sent.append(producer.send(kafka.control_topic, encode_chunk(chunk)))
                written[chunk.shard] = written.get(chunk.shard, 0) + 1
                if len(sent) > _IN_FLIGHT:
                    sent.pop(0).get(timeout=_TIMEOUT_S)
            for each in sent:
                each.get(timeout=_TIMEOUT_S)
        finally:
            producer.close()
    return written


def handed_over(kafka: KafkaSettings, releases: Iterable[Release]) -> list[Chunk]:
    """Return what completes some of these releases; raises TopicError."""
    runs = {(release.filled.of, release.filled.run) for release in releases if release.filled is not None}
    return [chunk for chunk in read_chunks(kafka) if (chunk.release, chunk.run) in runs] if runs else []


def read_chunks(kafka: KafkaSettings) -> Iterator[Chunk]:
    """Return all chunks that were ever handed over, none where there is no control topic; raises TopicError."""
    try:
        with TopicReader(
            kafka.bootstrap_servers, [kafka.control_topic], properties=kafka.consumer_properties
        ) as reader:
            yield from (decode_chunk(each.value) for each in reader.to_the_end() if each.value and is_chunk(each.value))
    except NoTopic:
        return
