"""A shard's profiles in Flink state, a log: each checkpoint appends a segment, a log grown large is written anew."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from segments.profiles import Profiles

_SLACK = 256 * 1024
_WRITTEN_AHEAD = 128  # users of a shard at least, or the call costs more than their bytes
_CALM = 4  # a shard is written ahead when fewer than one in so many of its users changed between two checkpoints


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
        self._ahead: dict[int, int] = {}  # users written since the last checkpoint
        self._calm: set[int] = set()

    def load(self, shard: int, state: SegmentState) -> None:
        """Read a shard's profiles, once after each start."""
        entries = {int(number): bytes(segment) for number, segment in state.items() if number >= 0}  # type: ignore[attr-defined]
        self._segments[shard] = sorted(entries)
        self._bytes[shard] = self._bytes_when_full[shard] = sum(map(len, entries.values()))
        self._profiles.load(shard, (entries[number] for number in sorted(entries)))

    def due_ahead(self, shards: Iterable[int]) -> list[int]:
        """Return the shards of which `append_ahead` spares the next checkpoint much, and writes little twice."""
        changed, calm = self._profiles.changed, self._calm
        return [shard for shard in shards if shard in calm and changed(shard) >= _WRITTEN_AHEAD]

    def append_ahead(self, shard: int, state: SegmentState) -> int:
        """Write the users that changed and are at rest, between two checkpoints; returns the bytes written."""
        before = self._profiles.changed(shard)
        written = self._append(shard, state, self._profiles.take_settled)
        self._ahead[shard] = self._ahead.get(shard, 0) + before - self._profiles.changed(shard)
        return written

    def append(self, shard: int, state: SegmentState) -> int:
        """Write all that changed since the last call, for a checkpoint; returns the bytes written."""
        self._profiles.settle()
        changed = self._profiles.changed(shard) + self._ahead.pop(shard, 0)
        if changed * _CALM < self._profiles.of_shard(shard):
            self._calm.add(shard)
        else:
            self._calm.discard(shard)
        return self._append(shard, state, self._profiles.take_changed)

    def _append(self, shard: int, state: SegmentState, take: Callable[[int], list[bytes]]) -> int:
        grown = self._bytes.get(shard, 0) + self._profiles.changed_size(shard)
        if grown > 2 * self._bytes_when_full.get(shard, 0) + _SLACK:
            return self._rewrite(shard, state)
        segments = take(shard)
        for segment in segments:
            self._put(shard, state, segment)
        return sum(map(len, segments))

    def _rewrite(self, shard: int, state: SegmentState) -> int:
        old = self._segments.get(shard, [])
        self._segments[shard] = old[-1:]  # numbers go on: an old number is never used for new content
        self._bytes[shard] = 0
        for segment in self._profiles.all_of(shard):
            self._put(shard, state, segment)
        for number in old:
            state.remove(number)
        self._segments[shard] = [number for number in self._segments[shard] if number not in old]
        self._bytes_when_full[shard] = self._bytes[shard]
        return self._bytes[shard]

    def _put(self, shard: int, state: SegmentState, segment: bytes) -> None:
        numbers = self._segments.setdefault(shard, [])
        numbers.append(numbers[-1] + 1 if numbers else 0)
        state.put(numbers[-1], segment)
        self._bytes[shard] = self._bytes.get(shard, 0) + len(segment)
