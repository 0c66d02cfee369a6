"""Events that a late one could still come before, by user, each stretch with the profile as it was before it."""

from __future__ import annotations

import msgspec

from segments.profile import Profile, decode_profile, profile_encoder

_EVENTS_A_STRETCH = 8
_STRETCHES_KEPT = 128
_STRETCH_BYTES = 48  # at most, what MessagePack adds to a stretch
_PAGE_BITS = 19  # users are forgotten by pages of 524,288 ms


class Stretch(msgspec.Struct, array_like=True, gc=False):
    """Events of a user that came after a snapshot: `base` is the profile before them, empty for a new user.

    A late event belongs here when its time is `since` (ms) or later. `began` is the first event's time. The `events`
    are packed, one a line, in the order in which they came.
    """

    base: bytes
    since: int
    began: int
    count: int = 0
    events: bytes = b""


class Recent(msgspec.Struct, array_like=True, gc=False):
    """A user's stretches, oldest first, and when (ms, event time) the newest thing happened."""

    stretches: tuple[Stretch, ...]
    happened: int


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Recent).decode


class RecentEvents:
    """The recent events of a worker's users.

    A user is kept until event time is more than `allowed_lateness` (ms) past the last event or timer of that user. Of a
    user with very many events at least the newest 1,016 are kept.
    """

    def __init__(self, allowed_lateness: int = 3_600_000) -> None:
        self.allowed_lateness = allowed_lateness
        self._users: dict[str, Recent] = {}
        self._pages: dict[int, list[str]] = {}
        self._encode = profile_encoder()

    def __len__(self) -> int:
        return len(self._users)

    def note(self, user_id: str, profile: Profile, time: int, packed: bytes) -> None:
        """Keep an event (packed, at `time` in ms) that is about to be applied to the profile."""
        recent = self._users.get(user_id)
        if recent is None:
            recent = self._begin(user_id, profile, time)
        stretch = recent.stretches[-1]
        if not stretch.count:
            stretch.began = time
        elif stretch.count >= _EVENTS_A_STRETCH or time - stretch.began > self.allowed_lateness:
            stretch = self._next(recent, profile, time)
        stretch.events += packed
        stretch.count += 1
        if time > recent.happened:
            self._happened(user_id, recent, time)

    def note_time(self, user_id: str, profile: Profile, until: int) -> None:
        """Keep the profile as it is before time alone changes it, up to `until` (ms)."""
        recent = self._users.get(user_id)
        if recent is None:
            self._begin(user_id, profile, until)
        elif until > recent.happened:
            self._happened(user_id, recent, until)

    def get(self, user_id: str) -> Recent | None:
        """Return what is kept of a user."""
        return self._users.get(user_id)

    def forget(self, watermark: int) -> None:
        """Forget the users to whom nothing happened for longer than the allowed lateness before `watermark` (ms)."""
        oldest = (watermark - self.allowed_lateness) >> _PAGE_BITS
        for page in [page for page in self._pages if page < oldest]:
            for user_id in self._pages.pop(page):
                recent = self._users.get(user_id)
                if recent is not None and recent.happened >> _PAGE_BITS == page:
                    del self._users[user_id]

    def snapshot(self, profile: Profile) -> bytes:
        """Return the profile without what only matters on arrival; nothing for a new user."""
        if not profile.newest:
            return b""
        seen, profile.seen = profile.seen, b""
        blob = self._encode(profile)
        profile.seen = seen
        return blob

    def encode(self, user_id: str) -> bytes | None:
        """Return what is kept of a user as bytes, None when there is nothing."""
        recent = self._users.get(user_id)
        return None if recent is None else _encode(recent)

    def size(self, user_id: str) -> int:
        """Return about how many bytes a user adds to what is written, never fewer."""
        recent = self._users.get(user_id)
        if recent is None:
            return 0
        kept = sum(len(stretch.base) + len(stretch.events) + _STRETCH_BYTES for stretch in recent.stretches)
        return kept + 4 * len(user_id) + _STRETCH_BYTES

    def load(self, user_id: str, blob: bytes | None) -> None:
        """Take in what `encode` returned."""
        self._users.pop(user_id, None)
        if blob is not None:
            recent = self._users[user_id] = _decode(blob)
            self._pages.setdefault(recent.happened >> _PAGE_BITS, []).append(user_id)

    def _happened(self, user_id: str, recent: Recent, time: int) -> None:
        if time >> _PAGE_BITS > recent.happened >> _PAGE_BITS:
            self._pages.setdefault(time >> _PAGE_BITS, []).append(user_id)
        recent.happened = time

    def _begin(self, user_id: str, profile: Profile, time: int) -> Recent:
        stretch = Stretch(self.snapshot(profile), open_from(profile), time)
        recent = self._users[user_id] = Recent((stretch,), time)
        self._pages.setdefault(time >> _PAGE_BITS, []).append(user_id)
        return recent

    def _next(self, recent: Recent, profile: Profile, time: int) -> Stretch:
        """Begin a new stretch, and let go of those that no event within the allowed lateness can belong to."""
        stretch = Stretch(self.snapshot(profile), open_from(profile), time)
        kept = [*recent.stretches, stretch][-_STRETCHES_KEPT:]
        while len(kept) > 1 and kept[1].since <= time - self.allowed_lateness:
            del kept[0]
        recent.stretches = tuple(kept)
        return stretch


def open_from(profile: Profile) -> int:
    """Return the first instant (ms) at which an event can still be applied to the profile in order.

    What time alone changed at an instant comes after the events of that instant.

    >>> open_from(Profile(clock=5, newest=5)), open_from(Profile(clock=7, newest=5))
    (5, 8)
    """
    return profile.clock if profile.clock == profile.newest else profile.clock + 1


def place_for(recent: Recent, time: int) -> int | None:
    """Return which stretch an event at `time` (ms) belongs to, None when it comes before all of them."""
    for place in range(len(recent.stretches) - 1, -1, -1):
        if recent.stretches[place].since <= time:
            return place
    return None


def base_of(stretch: Stretch) -> Profile:
    """Return a new copy of the profile as it was before the stretch."""
    return decode_profile(stretch.base) if stretch.base else Profile()
