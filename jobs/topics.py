"""Reading Kafka topics with kafka-python: from their beginning to where they end now, or on and on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, NamedTuple, Self

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError
from pydantic import SecretStr

from jobs.kafka_properties import consumer_options
from jobs.tls import kafka_refusal

_POLL_MS = 500
_MAX_RECORDS = 5_000
_FETCH_BYTES = 8 * 1024 * 1024
_SILENT_POLLS = 60
_FIRST_ANSWER_MS = 15_000  # a wrong certificate is said then, not after twice as long


class TopicError(RuntimeError):
    """Kafka cannot be reached, or a topic does not exist; the text says what to check."""


class NoTopic(TopicError):
    """A topic does not exist."""


class Record(NamedTuple):
    """One record; `timestamp` in ms, None when the record has none."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    timestamp: int | None


class TopicReader:
    """Reads all partitions of some topics from their beginning, in each partition's order."""

    def __init__(
        self,
        bootstrap_servers: str,
        topics: Iterable[str],
        *,
        committed_only: bool = False,
        properties: Mapping[str, str | SecretStr] | None = None,
    ) -> None:
        """Connect; `committed_only` leaves out records of open and aborted transactions.

        `properties` are those of the settings' `kafka.consumer_properties`. Raises TopicError, SettingsError.
        """
        self._servers = bootstrap_servers
        options = {"max_partition_fetch_bytes": _FETCH_BYTES, **consumer_options(properties or {})}
        if committed_only:
            options["isolation_level"] = "read_committed"
        self._properties = properties or {}
        with explained(bootstrap_servers, self._properties):
            self._consumer: Any = KafkaConsumer(
                bootstrap_servers=bootstrap_servers.split(","),
                group_id=None,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                max_poll_records=_MAX_RECORDS,
                bootstrap_timeout_ms=_FIRST_ANSWER_MS,
                check_crcs=False,
                **options,
            )
            self._partitions = [part for topic in topics for part in self._partitions_of(topic)]
            self._consumer.assign(self._partitions)
            self._consumer.seek_to_beginning(*self._partitions)

    def __enter__(self) -> Self:
        """Return the reader."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Leave Kafka."""
        self.close()

    def close(self) -> None:
        """Leave Kafka."""
        self._consumer.close()

    def go_to(self, instant: int) -> None:
        """Go on, in each partition, with the first record that was written at `instant` (ms) or later."""
        with explained(self._servers, self._properties):
            found = self._consumer.offsets_for_times(dict.fromkeys(self._partitions, instant))
            ends = self._consumer.end_offsets(self._partitions)
            for part in self._partitions:
                at = found.get(part)
                self._consumer.seek(part, ends[part] if at is None else at.offset)

    def poll(self, seconds: float) -> list[Record]:
        """Return what has come, waiting up to `seconds` for something; raises TopicError."""
        with explained(self._servers, self._properties):
            fetched = self._consumer.poll(timeout_ms=int(seconds * 1_000))
        return [
            Record(part.topic, part.partition, each.offset, each.key, each.value, each.timestamp)
            for part, records in fetched.items()
            for each in records
        ]

    def to_the_end(self, on_progress: Callable[[int, int], None] | None = None) -> Iterator[Record]:
        """Yield all records from where the reader is to where the topics end at this call.

        `on_progress` is told how many were read and how many there are. Raises TopicError, also after 30 s of silence.
        """
        with explained(self._servers, self._properties):
            ends: dict[Any, int] = self._consumer.end_offsets(self._partitions)
            starts = {part: self._consumer.position(part) for part in self._partitions}
        left = {(part.topic, part.partition): end for part, end in ends.items()}
        total, read, silent = sum(ends.values()) - sum(starts.values()), 0, 0
        while self._behind(ends):
            records = self.poll(_POLL_MS / 1_000)
            silent = 0 if records else silent + 1
            if silent >= _SILENT_POLLS:
                raise TopicError(f"no records came from {self._servers} for {_SILENT_POLLS * _POLL_MS // 1_000} s")
            read += len(records)
            yield from (each for each in records if each.offset < left[each.topic, each.partition])
            if on_progress is not None:
                on_progress(read, total)

    def _behind(self, ends: dict[Any, int]) -> bool:
        with explained(self._servers, self._properties):
            return any(self._consumer.position(part) < end for part, end in ends.items())

    def _partitions_of(self, topic: str) -> list[Any]:
        partitions = self._consumer.partitions_for_topic(topic)
        if not partitions:
            raise NoTopic(f"there is no topic '{topic}' at {self._servers}: check kafka.*_topic in the settings")
        return [TopicPartition(topic, number) for number in sorted(partitions)]


def existing_topics(servers: str, properties: Mapping[str, str | SecretStr]) -> set[str]:
    """Return the names of all topics; raises TopicError, SettingsError."""
    with explained(servers, properties):
        consumer = KafkaConsumer(bootstrap_servers=servers.split(","), group_id=None, **consumer_options(properties))
        try:
            return set(consumer.topics())
        finally:
            consumer.close()


class explained:  # noqa: N801 - reads as a phrase where it is used
    """Turns what kafka-python raises into a TopicError that says where and what to check."""

    def __init__(self, servers: str, properties: Mapping[str, str | SecretStr] | None = None) -> None:
        """Remember what is used: with the properties of the clients it can also say why TLS fails."""
        self._servers = servers
        self._properties = properties

    def __enter__(self) -> None:
        """Do nothing."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Translate."""
        if isinstance(error, KafkaError):
            reason = str(error) or type(error).__name__
            hint = "is it running, and are its address, kafka.user, password and client_properties right?"
            if self._properties is not None:
                hint = kafka_refusal(self._servers, consumer_options(self._properties)) or hint
            raise TopicError(f"cannot use Kafka at {self._servers}: {reason}; {hint}") from None
