"""Where a member goes on in the partitions it is given: from what its store knows, handing out what is not done."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from kafka.structs import OffsetAndMetadata

from serving.seqs import SeqStore
from serving.troubles import Expired, Place, Recreated, Trouble

Start = Literal["earliest", "latest"]
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class At:
    """Where a member is in a partition: `known` is read, before `resume` nothing is handed out, only learnt.

    `whole` says that every record there ever was is known or still to be read.
    """

    known: int
    resume: int
    whole: bool


class Placing:
    """The partitions of a member, each with where it is.

    What the member has is compared after each poll: a rebalance listener of kafka-python is not always told.
    """

    def __init__(self, consumer: Any, store: SeqStore, start: Start, on_trouble: Callable[[Trouble], None]) -> None:
        self._consumer, self._store, self._start, self._on_trouble = consumer, store, start, on_trouble
        self._placed: tuple[int, set[Any]] = (-1, set())  # the group's generation, and what the member has in it
        self.at: dict[Any, At] = {}

    def holds(self) -> bool:
        """Say whether the member has what was placed."""
        return self._placed == self._given()

    def lose(self) -> None:
        """Have all partitions placed again: Kafka no longer has where they were."""
        self._placed = (-1, set())

    def place(self, topic: str) -> None:
        """Go, in each partition, to where it is known up to; raises Recreated, KafkaError, what `on_trouble` raises."""
        self.at, given = {}, self._given()
        parts = sorted(given[1])
        begins, ends = self._consumer.beginning_offsets(parts), self._consumer.end_offsets(parts)
        found = {}
        for part in parts:
            committed = self._consumer.committed(part)
            at = found[part] = self._at(topic, part.partition, begins[part], ends[part], committed)
            if committed is None:  # a group that began at the end begins there after a restart too
                self._consumer.commit({part: OffsetAndMetadata(at.resume, "", -1)})
            if at.known < at.resume:
                count = f"{at.resume - at.known:,}"
                _log.info("%s: reading back %s records to know what was handed out", part, count)
            self._store.forget(topic, part.partition, begins[part])
        if given == self._given():
            for part, at in found.items():
                self._consumer.seek(part, at.known)
            self.at, self._placed = found, given

    def _given(self) -> tuple[int, set[Any]]:
        return self._consumer.group_metadata().generation_id, set(self._consumer.assignment())

    def forget(self) -> None:
        """Let the store forget users of whom Kafka has no record any more."""
        for part, begin in self._consumer.beginning_offsets(list(self.at)).items():
            self._store.forget(part.topic, part.partition, begin)
            self.at[part].whole = self.at[part].whole and begin == 0

    def _at(self, topic: str, partition: int, begin: int, end: int, committed: int | None) -> At:
        stored = self._store.reached(topic, partition)
        done = max((offset for offset in (committed, stored) if offset is not None), default=None)
        if done is None:
            done = begin if self._start == "earliest" else end
        if done > end:
            raise Recreated(
                f"{topic}, partition {partition} ends at offset {end}, this group has acknowledged up to {done}:"
                " it is another topic of the same name; use a new group_id and a new store"
            )
        if done < begin:
            self._on_trouble(Expired(Place(topic, partition, begin), done))
            done = begin
        known = begin if stored is None else max(stored, begin)
        return At(known, done, whole=begin == 0)
