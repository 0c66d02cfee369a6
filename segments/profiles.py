"""All profiles of one worker, and the logs of its shards that they are written to and read from."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Iterator

import msgspec

from segments.loading import profiles_in, segment_of
from segments.log_segment import LogSegment, decode_segment
from segments.profile import UNJUDGED, Layout, release_of
from segments.profiles_in_use import ProfilesInUse
from segments.sharding import shard_of, user_checksum
from segments.unreadable import Written

__all__ = ["Profiles", "shard_of", "user_checksum"]
_PROFILES_A_SEGMENT = 10_000


class Profiles(ProfilesInUse):
    """Profiles by user, of the shards that are loaded here.

    `layouts` says by release what the ids in profiles stand for; profiles of other definitions are translated into the
    newest ones as they are loaded.
    """

    def __init__(self, shards: int = 1, layouts: dict[int, Layout] | None = None) -> None:
        super().__init__(shards)
        self.layouts = layouts or {}
        self._owned: set[int] = set()

    @property
    def owned(self) -> Collection[int]:
        """The shards that were loaded here."""
        return self._owned

    def own(self, shards: Iterable[int]) -> None:
        """Take shards over, before or with what is loaded of them."""
        self._owned.update(shards)

    def owns(self, user_id: str) -> bool:
        """Say whether the user's shard was loaded here; always, as long as no shard was loaded."""
        return not self._owned or shard_of(user_id, self._shards) in self._owned

    def changed(self, shard: int) -> int:
        """Return how many users changed since the last `take_changed`; of who is still decoded, only some are known."""
        return len(self._changed.of(shard))

    def take_changed(self, shard: int) -> list[bytes]:
        """Return segments of the shard's log: all profiles changed since the last call, by release."""
        self.settle()
        gone = self.forgotten.take_gone(shard, self._numbers)
        return gone + self._segments(self._changed.take(shard))

    def take_settled(self, shard: int) -> list[bytes]:
        """Return segments as `take_changed` does, but only of users whose profiles are settled."""
        changed = self._changed
        taken = changed.take(shard)
        self._mark_decoded(taken)
        return self._segments(number for number in taken if not changed.marks[number])

    def all_of(self, shard: int) -> Iterator[bytes]:
        """Return all profiles of a shard as segments of at most 10,000; nothing of it counts as changed any more."""
        self.settle()
        yield from self.all_settled(shard)

    def all_settled(self, shard: int) -> Iterator[bytes]:
        """Return segments as `all_of` does, of profiles as they were settled last; those in use count as changed."""
        self._changed.take(shard)
        self._mark_decoded(self._of_shard.get(shard, ()))
        yield from self.forgotten.rewritten(shard)
        numbers = self._of_shard.get(shard, array("I"))
        for first in range(0, len(numbers), _PROFILES_A_SEGMENT):
            yield from self._segments(numbers[first : first + _PROFILES_A_SEGMENT])

    def load(self, shard: int, segments: Iterable[bytes]) -> None:
        """Take in a shard's log, oldest segment first; later profiles replace earlier ones.

        Single profiles that cannot be read are put aside. Raises ValueError when that is so for a whole segment.
        """
        self.own([shard])
        for place, segment in enumerate(segments):
            try:
                read = decode_segment(segment)
                self._forget_all(shard, read)
                for user_id, blob in profiles_in(read, self.layouts, self.recent, self.unreadable):
                    number = self._number(user_id)
                    self._blobs[number], self._in_log[number] = blob, True
            except (ValueError, msgspec.DecodeError) as error:
                what = (
                    f"segment {place} ({len(segment)} bytes) of the profiles of shard {shard} cannot be read: {error}"
                )
                raise ValueError(f"{what}; start from an earlier checkpoint or savepoint") from error
        for number in self._of_shard.get(shard, ()):
            self._due.schedule(number, self._due_of(number))
        if self.watcher is not None:
            self.watcher.loaded(self._of_shard.get(shard, ()))

    def _forget_all(self, shard: int, read: LogSegment) -> None:
        """Let go of those whom a segment says to be gone."""
        self.forgotten.note_until(shard, read.forgotten_until)
        for user_id in read.gone:
            self.unreadable.forget(user_id)
            if user_id in self._numbers:
                self._forget(user_id, read.forgotten_until)

    def _mark_decoded(self, numbers: Iterable[int]) -> None:
        """Have those be written again whose profiles are not settled now."""
        decoded, users = self.decoded, self._users
        for number in numbers:
            if users[number] in decoded:
                self._changed.mark(number, self._shard[number])

    def _segments(self, numbers: Iterable[int]) -> list[bytes]:
        """Return segments of users' profiles as they were settled last: one for each release they are of."""
        blobs, users, in_log, unreadable = self._blobs, self._users, self._in_log, self.unreadable
        together: dict[Written, dict[str, bytes]] = {}
        of_release: dict[int, dict[str, bytes]] = {}  # the same: what the ids stand for is not looked up for each user
        for number in numbers:
            blob, user_id = blobs[number], users[number]
            if not blob:
                continue
            in_log[number] = True
            written = unreadable.written(user_id) if unreadable else None
            if written is not None:
                together.setdefault(written, {})[user_id] = blob
                continue
            release = release_of(blob)
            if release not in of_release:
                written = release, self.layouts.get(release & ~UNJUDGED, Layout())
                of_release[release] = together.setdefault(written, {})
            of_release[release][user_id] = blob
        return [segment_of(*written, profiles, self.recent) for written, profiles in together.items()]
