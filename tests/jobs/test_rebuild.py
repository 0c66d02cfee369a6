"""When a rebuilt job has read all that there was: by what it commits, and not for ever."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from kafka import OffsetAndMetadata, TopicPartition

from jobs import rebuild
from jobs.settings import KafkaSettings
from jobs.topics import TopicError

ONE, OTHER = TopicPartition("events", 0), TopicPartition("events", 1)


class Consumer:
    """Partitions of 10 records; `reached` says, look by look, how far the job is in the first.

    `events` come when asked for; None: nothing comes, and the end is not reached.
    """

    def __init__(self, reached: list[int | None], *, events: bool | None = True) -> None:
        self._reached, self._events = iter(reached), events
        self.at: dict[TopicPartition, int] = {}
        self.paused: set[TopicPartition] = set()
        self.commits: dict[TopicPartition, OffsetAndMetadata] = {}

    def partitions_for_topic(self, _: str) -> set[int]:
        return {0, 1}

    def beginning_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, 0)

    def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, 10)

    def assign(self, partitions: list[TopicPartition]) -> None:
        self.assigned = partitions

    def assignment(self) -> set[TopicPartition]:
        return set(self.assigned)

    def committed(self, part: TopicPartition) -> int | None:
        return next(self._reached) if part == ONE else 10

    def commit(self, offsets: dict[TopicPartition, OffsetAndMetadata]) -> None:
        self.commits = offsets

    def seek(self, part: TopicPartition, offset: int) -> None:
        self.at[part] = offset

    def pause(self, *partitions: TopicPartition) -> None:
        self.paused |= set(partitions)

    def resume(self, *partitions: TopicPartition) -> None:
        self.paused -= set(partitions)

    def poll(self, **_: int) -> dict[TopicPartition, list[str]]:
        assert self.paused == {OTHER}, "only those that are behind are asked"
        if self._events is False:
            self.at[ONE] = 10
        return {ONE: ["event"]} if self._events else {ONE: []}

    def position(self, part: TopicPartition) -> int:
        return self.at[part]


def given(monkeypatch: pytest.MonkeyPatch, consumer: Consumer) -> list[tuple[int, int]]:
    """Have the consumer asked, with no pauses; returns where progress is told to."""

    @contextmanager
    def opened(_: KafkaSettings, *, group_id: str | None = None) -> Iterator[Any]:
        assert group_id == "segments"
        yield consumer

    clock = iter(range(10**6))
    monkeypatch.setattr(rebuild, "consumer_client", opened)
    monkeypatch.setattr("jobs.rebuild.time.sleep", lambda _: None)
    monkeypatch.setattr("jobs.rebuild.time.monotonic", lambda: float(next(clock)))
    return []


def test_it_waits_until_the_job_has_committed_all_that_there_was(monkeypatch: pytest.MonkeyPatch) -> None:
    told = given(monkeypatch, Consumer([None, 4, 4, 10]))
    rebuild.wait_until_read(KafkaSettings(), 60, lambda done, of: told.append((done, of)))
    assert told == [(10, 20), (14, 20), (14, 20), (20, 20)]


def test_what_ends_a_transaction_is_no_event_to_wait_for(monkeypatch: pytest.MonkeyPatch) -> None:
    told = given(monkeypatch, Consumer([9, 9], events=False))
    rebuild.wait_until_read(KafkaSettings(), 60, lambda done, of: told.append((done, of)))
    assert told == [(19, 20), (19, 20)]


def test_an_answer_that_does_not_come_is_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    told = given(monkeypatch, Consumer([9, 9, 10], events=None))
    rebuild.wait_until_read(KafkaSettings(), 60, lambda done, of: told.append((done, of)))
    assert told == [(19, 20), (19, 20), (20, 20)]


def test_a_job_that_goes_on_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = [number for number in range(10) for _ in range(20)]
    given(monkeypatch, Consumer([*slow, 10]))
    rebuild.wait_until_read(KafkaSettings(), 60, lambda *_: None)


def test_a_job_that_reads_nothing_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, Consumer([4] * 1_000))
    with pytest.raises(TopicError, match=r"for 60 s the job has read nothing: 6 of 20 events are left"):
        rebuild.wait_until_read(KafkaSettings(), 60, lambda *_: None)


def test_what_the_lost_job_had_read_is_not_taken_for_the_rebuilt_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    consumer = Consumer([])
    given(monkeypatch, consumer)
    rebuild.start_over(KafkaSettings())
    assert {part: each.offset for part, each in consumer.commits.items()} == {ONE: 0, OTHER: 0}
