"""The segment topic for those who act on it: each change handed out once and in order, nothing lost in silence."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import CommitFailedError, NoOffsetForPartitionError, OffsetOutOfRangeError, RebalanceInProgressError
from kafka.structs import OffsetAndMetadata

from segments.changes import Change
from serving.placing import Placing, Start
from serving.reading import Reading
from serving.seqs import Progress, SeqStore
from serving.troubles import Reassigned, Trouble, Unacknowledged, raise_trouble

_POLL_S = 1.0
_JOIN_S = 1.0  # kafka-python gives up joining with each poll that ends too soon, and disturbs the others
_FORGET_EVERY_S = 600.0


@dataclass(frozen=True, slots=True)
class Batch:
    """Changes that were handed out together, those of a user in order; `progress` is what acknowledging them keeps."""

    changes: list[Change]
    progress: list[Progress]

    def __iter__(self) -> Iterator[Change]:
        return iter(self.changes)

    def __len__(self) -> int:
        return len(self.changes)


class SegmentChanges:
    """One member of a group that reads the segment topic; used by one thread.

    Records of aborted transactions are left out, and so is what was handed out and acknowledged before, also where the
    job has written it again. `store` keeps what is known of `seq`: what it lacks of a partition, because another member
    had it or the file is lost, is read back from the topic before anything of that partition is handed out.
    """

    def __init__(
        self,
        bootstrap_servers: str,
        *,
        group_id: str,
        store: SeqStore,
        topic: str = "segment-changes",
        start: Start = "earliest",
        on_trouble: Callable[[Trouble], None] = raise_trouble,
        max_records: int = 500,
        **options: Any,
    ) -> None:
        """Join the group; `start` says where a group begins that has acknowledged nothing yet.

        `on_trouble` is told of gaps, of records that cannot be read and of those that Kafka removed too early: one that
        returns has the reader go on, one that raises leaves it where it is. `options` are those of kafka-python's
        consumer, such as `security_protocol`. Raises LookupError without the topic, kafka.errors.KafkaError when Kafka
        does not answer.
        """
        self._topic, self._store = topic, store
        self._consumer: Any = KafkaConsumer(
            bootstrap_servers=bootstrap_servers.split(","),
            group_id=group_id,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="none",  # where to go on is decided here
            max_poll_records=max_records,
            **options,
        )
        if not self._consumer.partitions_for_topic(
            topic
        ):  # a group that joins without would not look again for minutes
            self._consumer.close()
            raise LookupError(f"there is no topic '{topic}' at {bootstrap_servers}")
        self._placing = Placing(self._consumer, store, start, on_trouble)
        self._reading = Reading(store, on_trouble)
        self._handed: Batch | None = None
        self._forgotten_at = time.monotonic()
        self._consumer.subscribe([topic])

    def __enter__(self) -> Self:
        """Return the reader."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Leave the group."""
        self.close()

    def __iter__(self) -> Iterator[Batch]:
        """Yield batches for ever; each is to be acknowledged before the next is asked for. Raises as `poll` does."""
        while True:
            batch = self.poll(_POLL_S)
            if batch.changes:
                yield batch

    @property
    def partitions(self) -> set[int]:
        """The partitions that this member reads now."""
        return {part.partition for part in self._placing.at}

    @property
    def repeated(self) -> int:
        """How many records were left out because they had been handed out before."""
        return self._reading.repeated

    def poll(self, seconds: float = _POLL_S) -> Batch:
        """Return what has come, waiting up to `seconds` for something; the batch may be empty.

        Raises Unacknowledged when the one before was not acknowledged, Recreated when the topic is another one than
        before, what `on_trouble` raises, kafka.errors.KafkaError.
        """
        if self._handed is not None:
            raise Unacknowledged("acknowledge the batch that poll() returned before asking for the next one")
        until = time.monotonic() + seconds
        while True:
            batch = self._take(self._fetch(max(0.0, until - time.monotonic())))
            if batch.changes:
                self._handed = batch
                return batch
            self._settle(batch)
            if time.monotonic() >= until:
                return batch

    def acknowledge(self, batch: Batch) -> None:
        """Note that all of the batch is done: it is not handed out again. Raises Overtaken, Reassigned, KafkaError.

        The store is saved first: a store in your own database commits your effects with it.
        """
        self._settle(batch)
        self._handed = None
        if time.monotonic() - self._forgotten_at > _FORGET_EVERY_S:
            self._forgotten_at = time.monotonic()
            self._placing.forget()

    def close(self) -> None:
        """Leave the group; what was handed out and not acknowledged is handed out again, to whoever reads next."""
        self._consumer.close(autocommit=False)

    def _fetch(self, seconds: float) -> dict[Any, list[Any]]:
        polled: dict[Any, list[Any]] = {}
        wait = seconds if self._placing.at else max(seconds, _JOIN_S)
        try:
            polled = self._consumer.poll(timeout_ms=int(wait * 1_000))
        except NoOffsetForPartitionError:
            pass  # a partition that came just now
        except OffsetOutOfRangeError:
            self._placing.lose()
        if not self._placing.holds():
            self._placing.place(self._topic)
            return {}
        return polled

    def _take(self, polled: dict[Any, list[Any]]) -> Batch:
        batch = Batch([], [])
        try:
            for part, records in polled.items():
                at = self._placing.at[part]
                batch.progress.append(self._reading.take(at, records, batch.changes))
        except BaseException:
            self._rewind(polled)
            raise
        return batch

    def _rewind(self, polled: dict[Any, list[Any]]) -> None:
        for part, records in polled.items():
            if part in self._consumer.assignment():
                self._consumer.seek(part, records[0].offset)

    def _settle(self, batch: Batch) -> None:
        if batch.progress:
            self._store.save(batch.progress)
        done = {}
        for each in batch.progress:
            part = TopicPartition(each.topic, each.partition)
            at = self._placing.at.get(part)
            if at is not None:
                at.known = max(at.known, each.end)
            if at is None or each.end > at.resume:
                done[part] = OffsetAndMetadata(each.end, "", -1)
        if done:
            self._commit(done)

    def _commit(self, done: dict[Any, Any]) -> None:
        try:
            self._consumer.commit(done)
        except (CommitFailedError, RebalanceInProgressError):
            raise Reassigned(
                "the group was divided anew before the batch was acknowledged: another member may get these changes"
                " again; poll more often, or raise max_poll_interval_ms"
            ) from None
