"""When state is written between checkpoints; what is written is told in test_profile_log.py."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import pytest

from udfs.keyed_state import ShardKeys
from udfs.profile_log import ProfileLog, SegmentState
from udfs.write_ahead import WriteAhead

SHARDS = range(3)


class Keys:
    """The current key."""

    def __init__(self) -> None:
        self.shard: int | None = None

    def turn_to(self, shard: int) -> None:
        self.shard = shard

    @contextmanager
    def writing_together(self) -> Iterator[None]:
        yield
        self.shard = None


class Log:
    """A log that notes what was written; each write takes so long on the clock."""

    def __init__(self, keys: Keys, takes: float = 0.0) -> None:
        self._keys = keys
        self.now = 100.0
        self.worked = 3.0
        self.takes = takes
        self.due: list[int] = []
        self.crowded: list[int] = []
        self.large: list[int] = []
        self.appended: list[int] = []
        self.rewritten: list[int] = []
        self.rounds: list[int] = []
        self.settled = 0

    def settle_ahead(self, _: int) -> None:
        self.settled += 1

    def due_ahead(self, _: object, round_: int) -> list[int]:
        self.rounds.append(round_)
        return list(self.due)

    def full(self, _: object) -> list[int]:
        return list(self.crowded)

    def grown(self, _: object) -> int | None:
        return self.large[0] if self.large else None

    def append_ahead(self, shard: int, _: object, round_: int) -> int:
        assert not round_ or round_ == self.rounds[-1]
        return self._write(shard, self.due if shard in self.due else self.crowded, self.appended)

    def rewrite(self, shard: int, _: object) -> int:
        return self._write(shard, self.large, self.rewritten)

    def _write(self, shard: int, waiting: list[int], done: list[int]) -> int:
        assert self._keys.shard == shard, "state of another shard"
        waiting.remove(shard)
        done.append(shard)
        self.now += 2 * self.takes  # there is one processor for two
        self.worked += self.takes
        return 5


@pytest.fixture
def log() -> Log:
    return Log(Keys())


@pytest.fixture
def ahead(log: Log) -> WriteAhead:
    keys = cast(ShardKeys, log._keys)
    return WriteAhead(cast(ProfileLog, log), keys, clock=lambda: log.now, worked=lambda: log.worked)


def write(ahead: WriteAhead, *, all_follow: bool = False) -> int:
    return ahead.write(SHARDS, cast(SegmentState, None), all_follow=all_follow)


def come_near_a_checkpoint(log: Log, ahead: WriteAhead) -> None:
    ahead.marker_came()
    log.now += 10
    ahead.marker_came()
    log.now += 9


def test_users_are_written_when_the_next_checkpoint_is_near(log: Log, ahead: WriteAhead) -> None:
    log.due = [0, 1]
    assert write(ahead) == 0, "nobody knows yet when the next one comes"
    ahead.marker_came()
    log.now += 8
    assert write(ahead) == 0
    log.now += 2
    ahead.marker_came()
    log.now += 5.9
    assert write(ahead) == 0, "what is written now may change again before the checkpoint"
    log.now += 0.2
    assert write(ahead) == 10
    assert log.appended == [0, 1]
    assert log.settled == 1, "only users at rest are written, and none is brought to rest before"


def test_in_each_round_all_are_looked_through_anew(log: Log, ahead: WriteAhead) -> None:
    ahead.marker_came()
    log.now += 10
    ahead.marker_came()
    for _ in range(20):
        log.now += 0.49
        write(ahead)
    assert log.rounds == [1] * 5 + [2] * 2 + [3]


def test_while_all_follow_a_release_very_many_users_of_a_shard_are_written_at_any_time(
    log: Log, ahead: WriteAhead
) -> None:
    log.due, log.crowded = [0], [2]
    assert write(ahead) == 0, "who changes again and again would be written again and again"
    assert write(ahead, all_follow=True) == 5
    assert log.appended == [2], "the others may change again before the checkpoint"
    assert log.settled == 0


def test_logs_that_have_grown_and_very_many_users_take_turns(log: Log, ahead: WriteAhead) -> None:
    for _ in range(3):
        log.large, log.crowded = [1], [2]
        write(ahead, all_follow=True)
        write(ahead, all_follow=True)
    assert (log.appended, log.rewritten) == ([2, 2, 2], [1, 1, 1])
    log.crowded = [2]
    write(ahead, all_follow=True)
    log.crowded = [0]
    write(ahead, all_follow=True)
    assert log.appended[3:] == [2, 0], "where no log has grown nobody gives way"


def test_in_a_round_its_shards_come_first(log: Log, ahead: WriteAhead) -> None:
    come_near_a_checkpoint(log, ahead)
    log.due, log.crowded = [0], [2]
    assert write(ahead, all_follow=True) == 5
    assert write(ahead, all_follow=True) == 5
    assert log.appended == [0, 2]


def test_a_slice_ends_after_a_while_and_the_next_one_waits(log: Log, ahead: WriteAhead) -> None:
    come_near_a_checkpoint(log, ahead)
    log.takes, log.due = 0.015, [0, 1, 2]
    assert write(ahead) == 10, "20 ms were over after the second shard"
    assert write(ahead) == 0, "batches come first"
    log.now += 0.115
    assert write(ahead) == 0, "for four times the processor's time that it took"
    log.now += 0.006
    assert write(ahead) == 5
    assert log.appended == [0, 1, 2]


def test_logs_are_written_anew_at_any_time_one_after_the_other(log: Log, ahead: WriteAhead) -> None:
    log.takes, log.large = 0.05, [2, 0]
    assert write(ahead) == 5
    assert write(ahead) == 0
    log.now += 0.201
    assert write(ahead) == 5
    assert log.rewritten == [2, 0]


def test_what_waited_for_a_checkpoint_is_handled_before_anything_is_written(log: Log, ahead: WriteAhead) -> None:
    come_near_a_checkpoint(log, ahead)
    log.now += 1
    ahead.marker_came()
    log.large, log.crowded = [2], [0]
    log.now += 0.9
    assert write(ahead, all_follow=True) == 0
    log.now += 0.2
    assert write(ahead, all_follow=True) == 5


def test_no_log_is_written_anew_for_which_a_marker_would_wait(log: Log, ahead: WriteAhead) -> None:
    come_near_a_checkpoint(log, ahead)
    log.large, log.due = [1], []
    log.now += 0.55
    assert write(ahead) == 0
    log.due = [0]
    assert write(ahead) == 5
    assert (log.appended, log.rewritten) == ([0], [])
    ahead.marker_came()
    log.now += 2
    assert write(ahead) == 5
    assert log.rewritten == [1]


def test_what_a_checkpoint_waits_for_comes_first(log: Log, ahead: WriteAhead) -> None:
    come_near_a_checkpoint(log, ahead)
    log.due, log.large = [0], [1]
    assert write(ahead) == 5
    assert (log.appended, log.rewritten) == ([0], [])
    assert write(ahead) == 5
    assert log.rewritten == [1]
