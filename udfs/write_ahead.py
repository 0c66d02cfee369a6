"""Writes state between checkpoints, a little after a batch: so a marker, at which all events wait, has little left."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from udfs.keyed_state import ShardKeys
from udfs.markers import Markers
from udfs.profile_log import ProfileLog, SegmentState

_SLICE_S = 0.02  # of the processor's time after one batch: the next batch waits for it
_REST = 4  # times as long, at least, until the next slice
_ROUNDS = (0.6, 0.85, 0.95)  # of the time between two markers: in each all shards are written once
_FIRST = 0.1  # of that time: what waited for the checkpoint is handled first, nothing is written


class WriteAhead:
    """Appends users that changed when a checkpoint comes near, and at any time writes anew what logs have grown large.

    While all users follow a release, those of a shard of which very many did are appended at any time, too.
    The first of three rounds finds most of them, each later one who changed during the one before; in the last one no
    log is written anew, as the marker would wait. `clock` and `worked` return seconds, the second one only those for
    which this thread had a processor.
    """

    def __init__(
        self,
        log: ProfileLog,
        keys: ShardKeys,
        clock: Callable[[], float] = time.monotonic,
        worked: Callable[[], float] = time.thread_time,
    ) -> None:
        self._log = log
        self._keys = keys
        self._markers = Markers(clock)
        self._clock = clock
        self._worked = worked
        self._rests_until = clock()
        self._appended = False  # the last time

    def marker_came(self) -> None:
        """Note that a marker came: the next one is expected as long after it as it came after the one before."""
        self._markers.came()

    def write(self, shards: Sequence[int], state: SegmentState, *, all_follow: bool = False) -> int:
        """Write what is due of these shards, for about 20 ms, unless that was done just now; returns the bytes.

        `all_follow` says that users follow a release: each changes, and most of them once.
        """
        begun, share = self._worked(), self._markers.share()
        if self._clock() < self._rests_until or (share is not None and share < _FIRST):
            return 0
        round_ = sum((share or 0.0) >= each for each in _ROUNDS)
        due = self._due(shards, round_, all_follow=all_follow)
        written = self._append(due, state, round_, begun + _SLICE_S)
        self._appended = written > 0
        if not written and round_ < len(_ROUNDS):
            written = self._rewrite(shards, state)
        self._rests_until = self._clock() + _REST * (self._worked() - begun)
        return written

    def _due(self, shards: Sequence[int], round_: int, *, all_follow: bool) -> Sequence[int]:
        """Return the shards to be appended to; those of very many users give way to a log that has grown in turns."""
        if round_:
            self._log.settle_ahead(round_)
            if due := self._log.due_ahead(shards, round_):
                return due
        if all_follow and not (self._appended and self._log.grown(shards) is not None):
            return self._log.full(shards)
        return []

    def _append(self, due: Sequence[int], state: SegmentState, round_: int, until: float) -> int:
        written = 0
        if due:
            with self._keys.writing_together():
                for shard in due:
                    self._keys.turn_to(shard)
                    written += self._log.append_ahead(shard, state, round_)
                    if self._worked() >= until:
                        break
        return written

    def _rewrite(self, shards: Sequence[int], state: SegmentState) -> int:
        shard = self._log.grown(shards)
        if shard is None:
            return 0
        with self._keys.writing_together():
            self._keys.turn_to(shard)
            return self._log.rewrite(shard, state)
