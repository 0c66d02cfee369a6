"""Writes state between checkpoints, a little after a batch: so a marker, at which all events wait, has little left."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from udfs.keyed_state import ShardKeys
from udfs.profile_log import ProfileLog, SegmentState

_SLICE_S = 0.02  # after one batch: the next batch waits no longer
_REST = 4  # times as long as it took, at least, until the next slice
_FROM = 0.75  # of the time between two markers: what is written sooner is too often written twice


class WriteAhead:
    """Appends users that changed when a checkpoint comes near, and at any time writes anew what logs have grown large.

    That a checkpoint is near follows from the time between the last two. `clock` returns seconds.
    """

    def __init__(self, log: ProfileLog, keys: ShardKeys, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._keys = keys
        self._clock = clock
        self._marked_at: float | None = None
        self._near_at: float | None = None  # None: it is not known when the next checkpoint comes
        self._rests_until = clock()

    def marked(self) -> None:
        """Note that a marker came."""
        now = self._clock()
        if self._marked_at is not None:
            self._near_at = now + _FROM * (now - self._marked_at)
        self._marked_at = now

    def write(self, shards: Sequence[int], state: SegmentState) -> int:
        """Write what is due of these shards, for about 20 ms, unless that was done just now; returns the bytes."""
        started = self._clock()
        if started < self._rests_until:
            return 0
        written = self._append(shards, state, started) or self._rewrite(shards, state)
        now = self._clock()
        self._rests_until = now + _REST * (now - started)
        return written

    def _append(self, shards: Sequence[int], state: SegmentState, started: float) -> int:
        if self._near_at is None or started < self._near_at:
            return 0
        due, written = self._log.due_ahead(shards), 0
        if due:
            with self._keys.writing_together():
                for shard in due:
                    self._keys.turn_to(shard)
                    written += self._log.append_ahead(shard, state)
                    if self._clock() - started > _SLICE_S:
                        break
        return written

    def _rewrite(self, shards: Sequence[int], state: SegmentState) -> int:
        shard = self._log.grown(shards)
        if shard is None:
            return 0
        with self._keys.writing_together():
            self._keys.turn_to(shard)
            return self._log.rewrite(shard, state)
