"""Clients of kafka-python for one question: open as the settings say, closed in any case, with errors for people."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kafka import KafkaConsumer
from kafka.admin import KafkaAdminClient

from jobs.kafka_properties import consumer_options, security
from jobs.settings import KafkaSettings
from jobs.topics import explained

_ADMIN_TIMEOUT_MS = 15_000


@contextmanager
def admin_client(kafka: KafkaSettings) -> Iterator[Any]:
    """Open an admin client; raises TopicError for what Kafka refuses."""
    with explained(kafka.bootstrap_servers, kafka.producer_properties):
        admin = KafkaAdminClient(
            bootstrap_servers=kafka.bootstrap_servers.split(","),
            request_timeout_ms=_ADMIN_TIMEOUT_MS,
            **security(kafka.producer_properties),
        )
        try:
            yield admin
        finally:
            admin.close()


@contextmanager
def consumer_client(kafka: KafkaSettings, *, group_id: str | None = None) -> Iterator[Any]:
    """Open a consumer that has no partitions yet and commits nothing by itself; raises TopicError as Kafka refuses."""
    with explained(kafka.bootstrap_servers, kafka.consumer_properties):
        consumer = KafkaConsumer(
            bootstrap_servers=kafka.bootstrap_servers.split(","),
            group_id=group_id,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            **consumer_options(kafka.consumer_properties),
        )
        try:
            yield consumer
        finally:
            consumer.close()
