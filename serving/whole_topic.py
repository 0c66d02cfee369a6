"""A topic that is read from its beginning, and again and again to where it ends then."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

from kafka import KafkaConsumer, TopicPartition

_POLL_MS = 500


class WholeTopic(ABC):
    """Reads all of a topic; what is kept of its records, those who inherit say. `refresh` brings it up to date."""

    def __init__(self, bootstrap_servers: str, topic: str, options: Mapping[str, Any]) -> None:
        """Connect; `options` are those of kafka-python's consumer. Raises LookupError without the topic, KafkaError."""
        self._consumer: Any = KafkaConsumer(
            bootstrap_servers=bootstrap_servers.split(","),
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_poll_records=5_000,
            **options,
        )
        numbers = self._consumer.partitions_for_topic(topic)
        if not numbers:
            self._consumer.close()
            raise LookupError(f"there is no topic '{topic}' at {bootstrap_servers}")
        self._partitions = [TopicPartition(topic, number) for number in sorted(numbers)]
        self._consumer.assign(self._partitions)
        self._consumer.seek_to_beginning(*self._partitions)

    def __enter__(self) -> Self:
        """Return the reader."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Leave Kafka."""
        self.close()

    def close(self) -> None:
        """Leave Kafka; what was read stays."""
        self._consumer.close()

    def refresh(self, seconds: float = 300.0, on_progress: Callable[[int, int], None] | None = None) -> int:
        """Read what has come up to now; returns how many records. Raises KafkaError, and TimeoutError.

        The latter after `seconds` in which Kafka gave nothing; all may take longer. `on_progress` is told how many
        offsets are passed and how many there are.
        """
        ends, read = self._consumer.end_offsets(self._partitions), 0
        first = left = self._left(ends)
        until = time.monotonic() + seconds
        while left:
            read += self._take(self._consumer.poll(timeout_ms=_POLL_MS))
            before, left = left, self._left(ends)
            if left < before:
                until = time.monotonic() + seconds
            elif time.monotonic() > until:
                raise TimeoutError(f"Kafka gave no record for {seconds:g} s, and {left:,} are left; read {read:,}")
            if on_progress is not None:
                on_progress(first - left, first)
        return read

    def settle(self, seconds: float = 2.0) -> None:
        """Wait so long for what is on the way, and read it; raises as `refresh` does."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._take(self._consumer.poll(timeout_ms=_POLL_MS))
        self.refresh()

    @abstractmethod
    def _keep(self, record: Any) -> None:
        """Take in a record."""

    def _left(self, ends: dict[Any, int]) -> int:
        return sum(max(0, end - self._consumer.position(part)) for part, end in ends.items())

    def _take(self, polled: dict[Any, list[Any]]) -> int:
        for records in polled.values():
            for record in records:
                self._keep(record)
        return sum(map(len, polled.values()))
