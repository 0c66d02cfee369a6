"""All profiles of one worker: kept as bytes, decoded while in use, with the order in which they fall due."""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Iterable, Iterator

import msgspec

from segments.due_order import DueOrder
from segments.profile import Layout, Profile, decode_profile, due_of, profile_encoder, translator

FORMAT = 1  # of a segment of the log; a worker refuses what it does not know
_DECODED_KEPT = 8_192
_PROFILES_A_SEGMENT = 10_000
_ENTRY_BYTES = 8  # at most, what MessagePack adds to a user id and a profile


class _Segment(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A segment of a shard's log: its format, what the ids in its profiles stand for, profiles by user."""

    format: int
    features: tuple[int, ...]
    segments: tuple[int, ...]
    profiles: dict[str, bytes]


_encode_segment = msgspec.msgpack.Encoder().encode
_decode_segment = msgspec.msgpack.Decoder(_Segment).decode


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


class Profiles:
    """Profiles by user. Bytes are the truth; up to 8,192 decoded profiles lie above them until `settle`.

    Users are numbered as they come: what is kept of each lies in columns, by number. `layout` is that of the plan.
    """

    def __init__(self, shards: int = 1, layout: Layout | None = None) -> None:
        self._shards = shards
        self._encode = profile_encoder()
        self._layout = layout or Layout()
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

    def __len__(self) -> int:
        self.settle()
        return len(self._users)

    def open(self, user_id: str) -> Profile:
        """Return the user's profile to be changed; a new one for a new user."""
        profile = self.decoded.get(user_id)
        if profile is None:
            number = self._numbers.get(user_id)
            profile = self.decoded[user_id] = Profile() if number is None else decode_profile(self._blobs[number])
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
                if not is_changed[number]:
                    is_changed[number] = True
                    self._changed.setdefault(self._shard[number], array("I")).append(number)

    def settle_if_many(self) -> None:
        """Settle when more than 8,192 profiles are decoded."""
        if len(self.decoded) > _DECODED_KEPT:
            self.settle()

    def changed_size(self, shard: int) -> int:
        """Return about how many bytes `take_changed` will return, never fewer; 0 when nothing changed."""
        self.settle()
        return self._size(self._changed.get(shard, ()))

    def take_changed(self, shard: int) -> bytes | None:
        """Return one segment of the shard's log: all profiles changed since the last call, None when there are none."""
        self.settle()
        changed = self._forget_changed(shard)
        return self._segment(changed) if changed else None

    def all_of(self, shard: int) -> Iterator[bytes]:
        """Return all profiles of a shard as segments of 10,000; nothing of it counts as changed any more."""
        self.settle()
        self._forget_changed(shard)
        numbers = self._of_shard.get(shard, array("I"))
        for first in range(0, len(numbers), _PROFILES_A_SEGMENT):
            yield self._segment(numbers[first : first + _PROFILES_A_SEGMENT])

    def load(self, shard: int, segments: Iterable[bytes]) -> None:
        """Take in a shard's log, oldest segment first; later profiles replace earlier ones.

        Raises ValueError when a segment has a format that this version does not know.
        """
        self._owned.add(shard)
        for segment in segments:
            for user_id, blob in self._profiles_in(segment):
                self._blobs[self._number(user_id)] = blob
        for number in self._of_shard.get(shard, ()):
            self._due.schedule(number, due_of(self._blobs[number]))

    def _profiles_in(self, segment: bytes) -> Iterable[tuple[str, bytes]]:
        read = _decode_segment(segment)
        if read.format != FORMAT:
            raise ValueError(f"profiles in the state have format {read.format}, this version reads {FORMAT}")
        layout = Layout(read.features, read.segments)
        if layout == self._layout:
            return read.profiles.items()
        translate = translator(layout, self._layout)
        return ((user_id, translate(blob)) for user_id, blob in read.profiles.items())

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

    def _due_of(self, number: int) -> int:
        profile = self.decoded.get(self._users[number])
        return due_of(self._blobs[number]) if profile is None else profile.due

    def _forget_changed(self, shard: int) -> array[int]:
        changed = self._changed.pop(shard, array("I"))
        for number in changed:
            self._is_changed[number] = False
        return changed

    def _segment(self, numbers: Iterable[int]) -> bytes:
        profiles = {self._users[number]: self._blobs[number] for number in numbers}
        return _encode_segment(_Segment(FORMAT, *self._layout, profiles))

    def _size(self, numbers: Iterable[int]) -> int:
        users, blobs = self._users, self._blobs
        return sum(len(blobs[number]) + 4 * len(users[number]) + _ENTRY_BYTES for number in numbers)
