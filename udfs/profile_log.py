"""A shard's profiles in Flink state, a log: each checkpoint appends a segment, a log grown large is written anew."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from segments.profiles import Profiles

_SLACK = 256 * 1024
_WORTH_IT = 32  # users of a shard at least, or a call costs more than their bytes
_MANY = 512  # users of a shard who changed: a checkpoint would take long; so many do when all follow a release
_SETTLED_TOGETHER = 2_048  # about 10 ms
_GROWN = (1.5, 2.5)  # times its size when it was written anew: then a log is, between two checkpoints
_GROUPS = 8  # of shards: each has its own size between these two, or all that fill alike would be written together
_OVERGROWN = 3  # times that size: then at a checkpoint, which waits for it


class SegmentState(Protocol):
    """The keyed map state of the current shard: segment number -> bytes."""

    def items(self) -> object:
        """Return all entries."""
        ...

    def put(self, key: int, value: bytes) -> None:
        """Write one entry."""
        ...

    def remove(self, key: int) -> None:
        """Remove one entry."""
        ...


class ProfileLog:
    """Moves profiles between memory and the state of one shard; call it only while that shard is the current key."""

    def __init__(self, profiles: Profiles) -> None:
        self._profiles = profiles
        self._segments: dict[int, list[int]] = {}
        self._bytes: dict[int, int] = {}
        self._bytes_when_full: dict[int, int] = {}
        self._ahead: dict[int, int] = {}  # by shard in which round it was written since the last checkpoint
        self._round = self._in_use = 0  # and how many of those in use when it began are not at rest yet

    def load(self, shard: int, state: SegmentState) -> None:
        """Read a shard's profiles, once after each start."""
        entries = {int(number): bytes(segment) for number, segment in state.items() if number >= 0}  # type: ignore[attr-defined]
        self._segments[shard] = sorted(entries)
        self._bytes[shard] = self._bytes_when_full[shard] = sum(map(len, entries.values()))
        self._profiles.load(shard, (entries[number] for number in sorted(entries)))

    def due_ahead(self, shards: Iterable[int], round_: int) -> list[int]:
        """Return the shards of which the next checkpoint is spared something, each once in a round (from 1 on)."""
        changed, done = self._profiles.changed, self._ahead
        return [shard for shard in shards if done.get(shard, 0) < round_ and changed(shard) >= _WORTH_IT]

    def full(self, shards: Iterable[int]) -> list[int]:
        """Return the shards of which very many users wait for the next checkpoint."""
        return [shard for shard in shards if self._profiles.changed(shard) >= _MANY]

    def grown(self, shards: Iterable[int]) -> int | None:
        """Return a shard whose log should be written anew, None when there is none."""
        return next((shard for shard in shards if self._has_grown(shard, _grown(shard))), None)

    def settle_ahead(self, round_: int) -> None:
        """Bring to rest, some at a time, who is in use as a round begins: `append_ahead` writes no others.

        Each once in a round: those who come again and again would be decoded anew each time.
        """
        if round_ != self._round:
            self._round, self._in_use = round_, len(self._profiles.decoded)
        some = min(self._in_use, _SETTLED_TOGETHER)
        self._profiles.settle_some(some)
        self._in_use -= some

    def append_ahead(self, shard: int, state: SegmentState, round_: int) -> int:
        """Write the users that changed and are at rest, between two checkpoints; returns the bytes written.

        In round 0 the shard comes in each of the others all the same.
        """
        self._ahead[shard] = max(round_, self._ahead.get(shard, 0))
        return self._put_all(shard, state, self._profiles.take_settled(shard))

    def append(self, shard: int, state: SegmentState) -> int:
        """Write all that changed since the last call, for a checkpoint; returns the bytes written."""
        self._ahead.pop(shard, None)
        self._round = 0
        if self._has_grown(shard, _OVERGROWN):
            self._profiles.settle()
            return self.rewrite(shard, state)
        return self._put_all(shard, state, self._profiles.take_changed(shard))

    def _has_grown(self, shard: int, times: float) -> bool:
        return self._bytes.get(shard, 0) > times * self._bytes_when_full.get(shard, 0) + (times - 1) * _SLACK

    def rewrite(self, shard: int, state: SegmentState) -> int:
        """Write a shard's log anew, users as they were settled last; returns the bytes written."""
        old = self._segments.get(shard, [])
        self._segments[shard] = old[-1:]  # numbers go on: an old number is never used for new content
        self._bytes[shard] = 0
        for segment in self._profiles.all_settled(shard):
            self._put(shard, state, segment)
        for number in old:
            state.remove(number)
        self._segments[shard] = [number for number in self._segments[shard] if number not in old]
        self._bytes_when_full[shard] = self._bytes[shard]
        return self._bytes[shard]

    def _put_all(self, shard: int, state: SegmentState, segments: list[bytes]) -> int:
        for segment in segments:
            self._put(shard, state, segment)
        return sum(map(len, segments))

    def _put(self, shard: int, state: SegmentState, segment: bytes) -> None:
        numbers = self._segments.setdefault(shard, [])
        numbers.append(numbers[-1] + 1 if numbers else 0)
        state.put(numbers[-1], segment)
        self._bytes[shard] = self._bytes.get(shard, 0) + len(segment)


def _grown(shard: int) -> float:
    least, most = _GROWN
    return least + (most - least) * (shard % _GROUPS) / _GROUPS
