"""All profiles of one worker: kept as bytes, decoded while in use, with the order in which they fall due."""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Protocol

from segments.due_order import DueOrder
from segments.log_segment import LogSegment, decode_segment, encode_segment, translator
from segments.profile import UNJUDGED, Layout, Profile, decode_profile, due_of, profile_encoder, release_of
from segments.recent import RecentEvents

_DECODED_KEPT = 8_192
_PROFILES_A_SEGMENT = 10_000
_ENTRY_BYTES = 8  # at most, what MessagePack adds to a user id and a profile


def user_checksum(user_id: str) -> int:
    """Return the crc32 by which users are spread: over shards here and in the bridge, over processes, into samples.

    >>> user_checksum("u1") % 128
    118
    """
    return zlib.crc32(user_id.encode("utf-8", "surrogatepass"))


def shard_of(user_id: str, shards: int) -> int:
    """Return the shard of a user; the bridge computes the same.

    >>> shard_of("u1", 128)
    118
    """
    return user_checksum(user_id) % shards


class Watcher(Protocol):
    """Who is told what becomes of profiles; users by number."""

    def opened(self, number: int, profile: Profile) -> None:
        """A profile was decoded; nothing has happened to it yet."""
        ...

    def settled(self, number: int, profile: Profile) -> None:
        """A profile that changed was encoded."""
        ...

    def loaded(self, numbers: Sequence[int]) -> None:
        """Profiles were read from the state."""
        ...


class Profiles:
    """Profiles by user. Bytes are the truth; up to 8,192 decoded profiles lie above them until `settle`.

    Users are numbered as they come: what is kept of each lies in columns, by number. `layouts` says by release what the
    ids in profiles stand for; profiles of other definitions are translated into the newest ones as they are loaded.
    """

    def __init__(self, shards: int = 1, layouts: dict[int, Layout] | None = None) -> None:
        self._shards = shards
        self._encode = profile_encoder()
        self.layouts = layouts or {}
        self.recent = RecentEvents(name_of=self._name_of)
        self._numbers: dict[str, int] = {}
        self._users: list[str] = []
        self._blobs: list[bytes] = []
        self._shard = array("H")
        self._is_changed = bytearray()
        self._changed: dict[int, array[int]] = {}
        self._of_shard: dict[int, array[int]] = {}
        self._due = DueOrder(self._users, self._due_of)
        self._owned: set[int] = set()
        self.decoded: dict[str, Profile] = {}
        self.watcher: Watcher | None = None

    def __len__(self) -> int:
        self.settle()
        return len(self._users)

    @property
    def numbered(self) -> int:
        """How many users have a number: all but those that came since `settle` and are not due."""
        return len(self._users)

    def open(self, user_id: str) -> Profile:
        """Return the user's profile to be changed; a new one for a new user."""
        profile = self.decoded.get(user_id)
        if profile is None:
            number = self._numbers.get(user_id)
            profile = self.decoded[user_id] = Profile() if number is None else decode_profile(self._blobs[number])
            if self.watcher is not None and number is not None:
                self.watcher.opened(number, profile)
        return profile

    @property
    def owned(self) -> Collection[int]:
        """The shards that were loaded here."""
        return self._owned

    def own(self, shards: Iterable[int]) -> None:
        """Take shards over, before or with what is loaded of them."""
        self._owned.update(shards)

    def user(self, number: int) -> str:
        """Return the user of a number (from 0, below `numbered`)."""
        return self._users[number]

    def peek(self, number: int) -> Profile:
        """Return a copy of a profile as it was settled last."""
        return decode_profile(self._blobs[number])

    def blob(self, number: int) -> bytes:
        """Return a profile's bytes as it was settled last; none for a user who has no profile yet."""
        return self._blobs[number]

    def look(self, user_id: str) -> Profile | None:
        """Return a user's profile to be read only, None when there is none; nothing happens to it."""
        profile = self.decoded.get(user_id)
        if profile is None:
            number = self._numbers.get(user_id)
            profile = None if number is None or not self._blobs[number] else decode_profile(self._blobs[number])
        return profile

    def owns(self, user_id: str) -> bool:
        """Say whether the user's shard was loaded here; always, as long as no shard was loaded."""
        return not self._owned or shard_of(user_id, self._shards) in self._owned

    def has(self, user_id: str) -> bool:
        """Say whether the user has a profile."""
        return user_id in self.decoded or user_id in self._numbers

    def users(self) -> Iterator[str]:
        """Return all users, in no order."""
        self.settle()
        return iter(self._users)

    def behind(self, number: int, release: int) -> str | None:
        """Return the user of a number (from 0, below `numbered`) unless its profile is of this release."""
        blob, user_id = self._blobs[number], self._users[number]
        if user_id not in self.decoded and (not blob or release_of(blob) == release):
            return None
        return user_id

    def mark_changed(self, user_id: str) -> None:
        """Have `take_changed` return the user: its recent events changed, if not its profile."""
        self._mark_changed(self._number(user_id))

    def schedule(self, user_id: str, due: int) -> None:
        """Have `take_due` return the user at `due` (ms)."""
        self._due.schedule(self._number(user_id), due)

    def take_due(self, until: int) -> Iterator[tuple[str, Profile]]:
        """Return the users that are due up to `until` (ms), in order of time, each once for each time."""
        for number in self._due.take(until):
            user_id = self._users[number]
            yield user_id, self.open(user_id)
            self.settle_if_many()

    def settle(self) -> None:
        """Turn decoded profiles back into bytes and mark those that differ as changed."""
        decoded, blobs, is_changed, encode = self.decoded, self._blobs, self._is_changed, self._encode
        while decoded:
            user_id, profile = decoded.popitem()  # one by one: what was just encoded is freed from warm caches
            if not profile.newest:
                continue
            number, blob = self._number(user_id), encode(profile)
            if blob != blobs[number]:
                blobs[number] = blob
                if self.watcher is not None:
                    self.watcher.settled(number, profile)
                if not is_changed[number]:
                    self._mark_changed(number)

    def settle_if_many(self) -> None:
        """Settle when more than 8,192 profiles are decoded."""
        if len(self.decoded) > _DECODED_KEPT:
            self.settle()

    def changed(self, shard: int) -> int:
        """Return how many users changed since the last `take_changed`, apart from what is still decoded."""
        return len(self._changed.get(shard, ()))

    def of_shard(self, shard: int) -> int:
        """Return how many users of a shard have a number."""
        return len(self._of_shard.get(shard, ()))

    def changed_size(self, shard: int) -> int:
        """Return about how many bytes `take_changed` would return of what is settled, never fewer."""
        return self._size(self._changed.get(shard, ()))

    def take_changed(self, shard: int) -> list[bytes]:
        """Return segments of the shard's log: all profiles changed since the last call, by release."""
        self.settle()
        return self._segments(self._forget_changed(shard))

    def take_settled(self, shard: int) -> list[bytes]:
        """Return segments as `take_changed` does, but only of users whose profiles are settled."""
        changed, decoded, users = self._forget_changed(shard), self.decoded, self._users
        for number in changed:
            if users[number] in decoded:
                self._mark_changed(number)
        return self._segments(number for number in changed if not self._is_changed[number])

    def all_of(self, shard: int) -> Iterator[bytes]:
        """Return all profiles of a shard as segments of at most 10,000; nothing of it counts as changed any more."""
        self.settle()
        self._forget_changed(shard)
        numbers = self._of_shard.get(shard, array("I"))
        for first in range(0, len(numbers), _PROFILES_A_SEGMENT):
            yield from self._segments(numbers[first : first + _PROFILES_A_SEGMENT])

    def load(self, shard: int, segments: Iterable[bytes]) -> None:
        """Take in a shard's log, oldest segment first; later profiles replace earlier ones.

        Raises ValueError when a segment has a format that this version does not know.
        """
        self.own([shard])
        for segment in segments:
            for user_id, blob in self._profiles_in(segment):
                self._blobs[self._number(user_id)] = blob
        for number in self._of_shard.get(shard, ()):
            self._due.schedule(number, due_of(self._blobs[number]))
        if self.watcher is not None:
            self.watcher.loaded(self._of_shard.get(shard, ()))

    def _profiles_in(self, segment: bytes) -> Iterable[tuple[str, bytes]]:
        read = decode_segment(segment)
        if not self.layouts or self.layouts.get(read.release & ~UNJUDGED) == read.layout:
            for user_id in read.profiles:
                self.recent.load(user_id, read.recent.get(user_id))
            return read.profiles.items()
        newest = max(self.layouts)
        translate = translator(read.layout, self.layouts[newest], newest)
        return ((user_id, translate(blob)) for user_id, blob in read.profiles.items())

    def _name_of(self, user_id: str) -> str:
        number = self._numbers.get(user_id)
        return user_id if number is None else self._users[number]

    def _number(self, user_id: str) -> int:
        """Return the user's number; a new user gets the next one."""
        number = self._numbers.get(user_id)
        if number is None:
            number = self._numbers[user_id] = len(self._users)
            shard = shard_of(user_id, self._shards)
            self._users.append(user_id)
            self._blobs.append(b"")
            self._shard.append(shard)
            self._is_changed.append(False)
            self._of_shard.setdefault(shard, array("I")).append(number)
            self._due.add()
        return number

    def _mark_changed(self, number: int) -> None:
        if not self._is_changed[number]:
            self._is_changed[number] = True
            self._changed.setdefault(self._shard[number], array("I")).append(number)

    def _due_of(self, number: int) -> int:
        profile = self.decoded.get(self._users[number])
        return due_of(self._blobs[number]) if profile is None else profile.due

    def _forget_changed(self, shard: int) -> array[int]:
        changed = self._changed.pop(shard, array("I"))
        for number in changed:
            self._is_changed[number] = False
        return changed

    def _segments(self, numbers: Iterable[int]) -> list[bytes]:
        of_release: dict[int, dict[str, bytes]] = {}
        for number in numbers:
            blob = self._blobs[number]
            of_release.setdefault(release_of(blob), {})[self._users[number]] = blob
        return [self._segment(release, profiles) for release, profiles in of_release.items()]

    def _segment(self, release: int, profiles: dict[str, bytes]) -> bytes:
        recent = {user_id: kept for user_id in profiles if (kept := self.recent.encode(user_id)) is not None}
        layout = self.layouts.get(release & ~UNJUDGED, Layout())
        return encode_segment(LogSegment(release, layout, profiles, recent))

    def _size(self, numbers: Iterable[int]) -> int:
        users, blobs = self._users, self._blobs
        size = self.recent.size
        return sum(len(blobs[n]) + 4 * len(users[n]) + _ENTRY_BYTES + size(users[n]) for n in numbers)
