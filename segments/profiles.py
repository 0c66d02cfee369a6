"""All profiles of one worker: kept as bytes by shard, decoded while in use, with the order in which they fall due."""

import heapq
import zlib
from collections.abc import Iterable, Iterator
from itertools import islice

import msgspec

from segments.profile import NEVER, Profile, decode_profile, due_of, encode_profile

_DECODED_KEPT = 8_192
_PROFILES_A_SEGMENT = 10_000
_encode_segment = msgspec.msgpack.Encoder().encode
_decode_segment = msgspec.msgpack.Decoder(dict[str, bytes]).decode


def shard_of(user_id: str, shards: int) -> int:
    """Return the shard of a user; the bridge computes the same.

    >>> shard_of("u1", 128)
    118
    """
    return zlib.crc32(user_id.encode("utf-8", "surrogatepass")) % shards


class Profiles:
    """Profiles by user. Bytes are the truth; up to 8,192 decoded profiles lie above them until `settle`."""

    def __init__(self, shards: int = 1) -> None:
        self._shards = shards
        self._blobs: dict[int, dict[str, bytes]] = {}
        self._dirty: dict[int, set[str]] = {}
        self._due: list[tuple[int, str]] = []
        self._owned: set[int] = set()
        self.decoded: dict[str, Profile] = {}

    def __len__(self) -> int:
        self.settle()
        return sum(map(len, self._blobs.values()))

    def open(self, user_id: str) -> Profile:
        """Return the user's profile to be changed; a new one for a new user."""
        profile = self.decoded.get(user_id)
        if profile is None:
            blob = self._blobs.get(shard_of(user_id, self._shards), {}).get(user_id)
            profile = self.decoded[user_id] = Profile() if blob is None else decode_profile(blob)
        return profile

    def owns(self, user_id: str) -> bool:
        """Say whether the user's shard was loaded here; always, as long as no shard was loaded."""
        return not self._owned or shard_of(user_id, self._shards) in self._owned

    def has(self, user_id: str) -> bool:
        """Say whether the user has a profile."""
        return user_id in self.decoded or user_id in self._blobs.get(shard_of(user_id, self._shards), ())

    def users(self) -> Iterator[str]:
        """Return all users, in no order."""
        self.settle()
        return (user_id for blobs in self._blobs.values() for user_id in blobs)

    def schedule(self, user_id: str, due: int) -> None:
        """Have `take_due` return the user at `due` (ms)."""
        heapq.heappush(self._due, (due, user_id))

    def next_due(self) -> int:
        """Return the earliest scheduled instant (ms), NEVER when there is none; it may be too early."""
        return self._due[0][0] if self._due else NEVER

    def take_due(self, until: int) -> Iterator[tuple[str, Profile]]:
        """Return the users that are due up to `until` (ms), in order of time, each once for each time."""
        due = self._due
        while due and due[0][0] <= until:
            _, user_id = heapq.heappop(due)
            profile = self.open(user_id)
            if profile.due <= until:
                yield user_id, profile
            if profile.due != NEVER and not (due and due[0] == (profile.due, user_id)):
                heapq.heappush(due, (profile.due, user_id))
            self.settle_if_many()
        self._thin_out()

    def settle(self) -> None:
        """Turn decoded profiles back into bytes and mark them as changed."""
        for user_id, profile in self.decoded.items():
            if profile.newest:
                shard = shard_of(user_id, self._shards)
                self._blobs.setdefault(shard, {})[user_id] = encode_profile(profile)
                self._dirty.setdefault(shard, set()).add(user_id)
        self.decoded.clear()

    def settle_if_many(self) -> None:
        """Settle when more than 8,192 profiles are decoded."""
        if len(self.decoded) > _DECODED_KEPT:
            self.settle()

    def take_changed(self, shard: int) -> bytes | None:
        """Return one segment of the shard's log: all profiles changed since the last call, None when there are none."""
        self.settle()
        changed = self._dirty.pop(shard, None)
        if not changed:
            return None
        blobs = self._blobs[shard]
        return _encode_segment({user_id: blobs[user_id] for user_id in changed})

    def all_of(self, shard: int) -> Iterator[bytes]:
        """Return all profiles of a shard as segments of 10,000; nothing of it counts as changed any more."""
        self.settle()
        self._dirty.pop(shard, None)
        profiles = iter(self._blobs.get(shard, {}).items())
        while segment := dict(islice(profiles, _PROFILES_A_SEGMENT)):
            yield _encode_segment(segment)

    def load(self, shard: int, segments: Iterable[bytes]) -> None:
        """Take in a shard's log, oldest segment first; later profiles replace earlier ones."""
        self._owned.add(shard)
        blobs = self._blobs.setdefault(shard, {})
        for segment in segments:
            blobs.update(_decode_segment(segment))
        self._due.extend((due, user_id) for user_id, blob in blobs.items() if (due := due_of(blob)) != NEVER)
        heapq.heapify(self._due)

    def _thin_out(self) -> None:
        """Drop outdated entries when they outnumber the users: the order of dues stays bounded for ever."""
        if len(self._due) <= 2 * sum(map(len, self._blobs.values())) + 2 * len(self.decoded) + 1_024:
            return
        self.settle()
        pairs = ((due_of(blob), user_id) for blobs in self._blobs.values() for user_id, blob in blobs.items())
        self._due = [pair for pair in pairs if pair[0] != NEVER]
        heapq.heapify(self._due)
