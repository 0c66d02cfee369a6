"""Events that a late one could still come before, by user, each stretch with the profile as it was before it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from segments.hot_users import HotUsers
from segments.profile import Profile, decode_profile, open_from, profile_encoder

_EVENTS_A_STRETCH = 8
_STRETCHES_KEPT = 128
_PAGE_BITS = 16  # users are forgotten by pages of 65,536 ms


class Stretch(msgspec.Struct, array_like=True, gc=False):
    """Events of a user that came after a snapshot: `base` is the profile before them, empty for a new user.

    The `events` are packed, one a line, in the order in which they came; `began` is the first one's time. `happened`
    says when (ms, event time) the newest thing happened to the user, `before` is the stretch before this one. In the
    minute that ends at `minute_ends` (ms) the user made so many `steps` of work (segments/hot_users.py).
    """

    base: bytes
    began: int
    happened: int
    count: int = 0
    events: bytes = b""
    before: Stretch | None = None
    minute_ends: int = 0
    steps: int = 0


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Stretch).decode


def _as_it_is(user_id: str) -> str:
    return user_id


class RecentEvents:
    """The recent events of a worker's users: by user the newest stretch.

    A user is kept until event time is more than `allowed_lateness` (ms) past the last event or timer of that user. Of a
    user with very many events at least the newest 1,016 are kept. `name_of` returns a user's id in an object that is
    kept anyway. While `keep_from` is an instant (ms) all events since then are kept, whatever comes.
    """

    def __init__(self, allowed_lateness: int = 3_600_000, name_of: Callable[[str], str] = _as_it_is) -> None:
        self.allowed_lateness = allowed_lateness
        self.keep_from: int | None = None
        self.hot = HotUsers()
        self._name_of = name_of
        self._users: dict[str, Stretch] = {}
        self._pages: dict[int, list[str]] = {}  # by what happened when the user was last looked at here, or later
        self._encode = profile_encoder()

    def __len__(self) -> int:
        return len(self._users)

    @property
    def wanted(self) -> bool:
        """Whether anybody will ask for events."""
        return self.allowed_lateness > 0 or self.keep_from is not None

    def note(self, user_id: str, profile: Profile, time: int, packed: bytes, settled: bytes | None = None) -> None:
        """Keep an event (packed, at `time` in ms) that is about to be applied to the profile.

        `settled` are the profile's bytes, where nothing has happened to it since it was made of them.
        """
        stretch = self._users.get(user_id)
        if stretch is None:
            stretch = self._begin(user_id, profile, time, settled)
        elif not stretch.count:
            stretch.began = time
        elif stretch.count >= _EVENTS_A_STRETCH or time - stretch.began > self.allowed_lateness:
            stretch = self._next(user_id, stretch, profile, time)
        stretch.events += packed
        stretch.count += 1
        if time > stretch.happened:  # noqa: PLR1730 - on the hot path a call of max costs more
            stretch.happened = time

    def note_time(self, user_id: str, profile: Profile, until: int, settled: bytes | None = None) -> None:
        """Keep the profile as it is before time alone changes it, up to `until` (ms); nothing of who was forgotten.

        `settled` is as `note` has it.
        """
        if profile.newest and not self._goes_on(user_id, until):
            self._begin(user_id, profile, until, settled)

    def note_passed(self, user_id: str, settled: bytes, until: int) -> None:
        """Keep a profile of which the bytes are given, as `note_time` does."""
        if not self._goes_on(user_id, until):
            self._keep(self._name_of(user_id), Stretch(settled, until, until))

    def renew(self, user_id: str, profile: Profile, until: int) -> None:
        """Keep the profile as it is, at `until` (ms): what comes later is applied to this, not to what was before."""
        stretch = self._users.get(user_id)
        if stretch is None:
            self._begin(user_id, profile, until)
        elif stretch.count:
            self._next(user_id, stretch, profile, until)
        else:
            stretch.base, stretch.began = self.snapshot(profile), until

    def take_back(self, user_id: str, packed: bytes) -> None:
        """Forget the event that was noted last, if it is this one; a user of whom nothing else is known goes, too."""
        stretch = self._users.get(user_id)
        if stretch is not None and stretch.count and stretch.events.endswith(packed):
            stretch.events = stretch.events[: -len(packed)]
            stretch.count -= 1
            if not stretch.events and not stretch.base and stretch.before is None:
                del self._users[user_id]

    def get(self, user_id: str) -> list[Stretch]:
        """Return the stretches of a user, newest first."""
        found, stretch = [], self._users.get(user_id)
        while stretch is not None:
            found.append(stretch)
            stretch = stretch.before
        return found

    def forget(self, watermark: int) -> None:
        """Forget the users to whom nothing happened for longer than the allowed lateness before `watermark` (ms)."""
        oldest = self._let_go(watermark) >> _PAGE_BITS
        for page in [page for page in self._pages if page < oldest]:
            for user_id in self._pages.pop(page):
                stretch = self._users.get(user_id)
                if stretch is None:
                    continue
                now_in = stretch.happened >> _PAGE_BITS
                if now_in >= oldest:
                    self._pages.setdefault(now_in, []).append(user_id)
                else:
                    del self._users[user_id]
                    self.hot.over.pop(user_id, None)

    def snapshot(self, profile: Profile) -> bytes:
        """Return the profile without what only matters on arrival; nothing for a new user."""
        if not profile.newest and not profile.clock:
            return b""
        seen, profile.seen = profile.seen, b""
        blob = self._encode(profile)
        profile.seen = seen
        return blob

    def encode_all(self, user_ids: Iterable[str]) -> dict[str, bytes]:
        """Return what is kept as bytes, of those users of whom there is something."""
        find = self._users.get
        return {user_id: _encode(stretch) for user_id in user_ids if (stretch := find(user_id)) is not None}

    def load(self, user_id: str, blob: bytes | None) -> None:
        """Take in what `encode_all` returned of a user, None: nothing is kept."""
        known = self._users.pop(user_id, None)
        if blob is not None:
            stretch, kept = _decode(blob), self._name_of(user_id)
            if known is None:
                self._keep(kept, stretch)
            else:  # is in a page already
                self._users[kept] = stretch
            self.hot.load(user_id, stretch)

    def _keep(self, user_id: str, stretch: Stretch) -> None:
        self._users[user_id] = stretch
        self._pages.setdefault(stretch.happened >> _PAGE_BITS, []).append(user_id)

    def _goes_on(self, user_id: str, until: int) -> bool:
        """Have a user's newest stretch reach to `until` (ms); returns whether there is one."""
        stretch = self._users.get(user_id)
        if stretch is None:
            return False
        if until > stretch.happened:  # noqa: PLR1730 - as in `note`
            stretch.happened = until
        return True

    def _begin(self, user_id: str, profile: Profile, time: int, settled: bytes | None = None) -> Stretch:
        """Begin a user's first stretch; bytes that are there already need not be made."""
        stretch = Stretch(self.snapshot(profile) if settled is None else settled, time, time)
        self._keep(self._name_of(user_id), stretch)
        return stretch

    def _let_go(self, now: int) -> int:
        """Return the newest instant (ms) of which no event is asked for any more."""
        oldest = now - self.allowed_lateness
        return oldest if self.keep_from is None else min(oldest, self.keep_from - 1)

    def _next(self, user_id: str, stretch: Stretch, profile: Profile, time: int) -> Stretch:
        """Begin a new stretch, and let go of those that no event within the allowed lateness can belong to."""
        following = Stretch(
            self.snapshot(profile), time, stretch.happened, 0, b"", stretch, stretch.minute_ends, stretch.steps
        )
        self._users[user_id] = following
        self.hot.spend(user_id, following, time, stretch.count)
        oldest = self._let_go(time)
        kept = 1
        each = following
        while each.before is not None:
            if each.began < oldest or (each.before.began <= oldest and open_from(each.base) <= oldest):
                each.before = None
                break
            if kept == _STRETCHES_KEPT:
                if self.keep_from is None:
                    each.before = None
                else:
                    _join(each.before, each)
                break
            each = each.before
            kept += 1
        return following


def _join(before: Stretch, after: Stretch) -> None:
    """Have `after` begin where the stretch before it did."""
    after.base, after.began, after.before = before.base, before.began, before.before
    after.events = before.events + after.events
    after.count += before.count


def base_of(stretch: Stretch) -> Profile:
    """Return a new copy of the profile as it was before the stretch."""
    return decode_profile(stretch.base) if stretch.base else Profile()
