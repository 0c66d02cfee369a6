"""The compacted memberships topic as a table in memory: what every user is in now."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, MutableMapping
from types import TracebackType
from typing import Any, Self

from kafka import KafkaConsumer, TopicPartition

from segments.changes import Memberships, decode_memberships

_POLL_MS = 500


class SegmentMemberships:
    """All users who are in a segment, by name, as the bytes of their records. `refresh` brings it up to date."""

    def __init__(
        self,
        bootstrap_servers: str,
        *,
        topic: str = "segment-memberships",
        records: MutableMapping[str, bytes] | None = None,
        **options: Any,
    ) -> None:
        """Connect; `options` are those of kafka-python's consumer. Raises LookupError without the topic, KafkaError.

        The table is kept in `records`, by default in memory.
        """
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
        self._records: MutableMapping[str, bytes] = {} if records is None else records

    def __enter__(self) -> Self:
        """Return the table."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Leave Kafka."""
        self.close()

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[str]:
        return iter(self._records)

    def close(self) -> None:
        """Leave Kafka; the table stays as it is."""
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

    def of(self, user_id: str) -> Memberships | None:
        """Return what a user is in, None when in nothing or unknown; raises msgspec.DecodeError."""
        value = self._records.get(user_id)
        return None if value is None else decode_memberships(value)

    def members(self, segment: str) -> Iterator[str]:
        """Yield the users who are in a segment, in no order; raises msgspec.DecodeError."""
        return (user for user, value in self._records.items() if segment in decode_memberships(value).segments)

    def _left(self, ends: dict[Any, int]) -> int:
        return sum(max(0, end - self._consumer.position(part)) for part, end in ends.items())

    def _take(self, polled: dict[Any, list[Any]]) -> int:
        for records in polled.values():
            for record in records:
                self._keep(record.key.decode(), record.value)
        return sum(map(len, polled.values()))

    def _keep(self, user_id: str, value: bytes | None) -> None:
        if value is None:
            self._records.pop(user_id, None)
        else:
            self._records[user_id] = value
