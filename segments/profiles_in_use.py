"""Profiles of a worker's users: kept as bytes, decoded while in use, with the order in which they fall due."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

from segments.events import RejectedEvent
from segments.failures import failure
from segments.numbered_users import NumberedUsers
from segments.profile import (
    NEVER,
    Profile,
    decode_profile,
    due_of,
    profile_encoder,
    release_of,
    seq_of,
)
from segments.recent import RecentEvents
from segments.unreadable import Unreadable
from segments.watcher import Watcher

_DECODED_KEPT = 8_192

T = TypeVar("T")
Passes = Callable[[str, int, int, int], int]  # user, number, instant and until (ms): the next due (ms)


class ProfilesInUse(NumberedUsers):
    """Profiles by user. Bytes are the truth; up to 8,192 decoded profiles lie above them until `settle`.

    `reached` is event time (ms). `passing` are users who were opened since `rest`, for an event or because they were
    due, each with the time (ms) that is the newest event's if no other one comes. `again` came soon after, and may so.
    """

    def __init__(self, shards: int = 1) -> None:
        super().__init__(shards, self._due_of)
        self._encode = profile_encoder()
        self.recent = RecentEvents(name_of=self._name_of)
        self.reached = 0
        self.decoded: dict[str, Profile] = {}
        self.passing: list[tuple[str, int]] = []
        self.again: set[str] = set()
        self.unreadable = Unreadable()
        self.watcher: Watcher | None = None

    def __len__(self) -> int:
        self.settle()
        return len(self._users) - self.forgotten.free

    def open(self, user_id: str) -> Profile:
        """Return the user's profile to be changed; a new one for a new user. Raises RejectedEvent if unreadable."""
        return self.open_settled(user_id)[0]

    def open_settled(self, user_id: str) -> tuple[Profile, bytes | None]:
        """Return what `open` does, and its bytes where nothing has happened to it since it was made of them."""
        profile = self.decoded.get(user_id)
        if profile is not None:
            return profile, None
        number = self._numbers.get(user_id)
        if number is None:
            profile = self.decoded[user_id] = Profile()
            return profile, b""
        blob = self._blobs[number]
        profile = self.decoded[user_id] = self.unreadable.read(user_id, blob, decode_profile)
        if self.watcher is None:
            return profile, blob
        self.watcher.opened(number, profile)  # which may move it
        return profile, None

    def peek(self, number: int) -> Profile:
        """Return a copy of a profile as it was settled last."""
        return decode_profile(self._blobs[number])

    def look(self, user_id: str) -> Profile | None:
        """Return a user's profile to be read only, None when there is none that can be read; nothing happens to it."""
        profile, number = self.decoded.get(user_id), self._numbers.get(user_id)
        return self._if_readable(number, decode_profile) if profile is None and number is not None else profile

    def seq(self, number: int) -> int | None:
        """Return the number of a settled profile's newest change, None where `look` would return None."""
        return self._if_readable(number, seq_of)

    def has(self, user_id: str) -> bool:
        """Say whether the user has a profile."""
        return user_id in self.decoded or user_id in self._numbers

    def users(self) -> Iterator[str]:
        """Return all users, in no order."""
        self.settle()
        return iter(self._numbers)

    def behind(self, number: int, release: int) -> str | None:
        """Return the user of a number (from 0, below `numbered`) unless its profile is of this release."""
        blob, user_id = self._blobs[number], self._users[number]
        if user_id not in self.decoded and (not blob or release_of(blob) == release):
            return None
        if user_id in self.unreadable:
            return None
        return user_id

    def mark_changed(self, user_id: str) -> None:
        """Have `take_changed` return the user: its recent events changed, if not its profile."""
        number = self._number(user_id)
        self._changed.mark(number, self._shard[number])

    def renumber(self, user_id: str, was: int, becomes: int) -> bool:
        """Have the newest change, if it is number `was`, be of a higher number, and no more; returns whether it is."""
        profile = self.look(user_id)
        if profile is None or profile.seq != was or becomes <= was:
            return False
        profile.seq = becomes
        if user_id not in self.decoded:
            self.replace(self._number(user_id), self._encode(profile))
        return True

    def replace(self, number: int, blob: bytes) -> None:
        """Have a settled profile be what these bytes say."""
        self._blobs[number] = blob
        self._changed.mark(number, self._shard[number])

    def schedule(self, user_id: str, due: int) -> None:
        """Have `take_due` return the user at `due` (ms)."""
        self._due.schedule(self._number(user_id), due)

    def take_due(self, until: int, passes: Passes | None = None) -> Iterator[tuple[str, Profile, bytes | None]]:
        """Return the users that are due up to `until` (ms), in order of time, each once for each time.

        Each comes as `open_settled` returns it. `passes` lets an instant (ms) pass for who need not be opened for it,
        and returns when (ms) the user is due next, 0 for the others.
        """
        users, decoded, schedule = self._users, self.decoded, self._due.schedule
        for instant, number in self._due.take(until):
            user_id = users[number]
            if passes is not None and (next_due := passes(user_id, number, instant, until)):
                schedule(number, next_due)
                continue
            profile, settled = decoded.get(user_id), None
            if profile is None:
                if (due := self._due_of(number)) > instant:
                    schedule(number, due)
                    continue
                try:
                    profile, settled = self.open_settled(user_id)
                except RejectedEvent:
                    continue
                self.passing.append((user_id, profile.newest))
            if profile.due <= instant:
                yield user_id, profile, settled
            schedule(number, profile.due)
            self.settle_if_many()

    def due_between(self, after: int, until: int, most: int) -> list[tuple[int, str]]:
        """Return who falls due after one instant (ms) and up to another, with when: at most so many, the first ones."""
        return [(due, self._users[number]) for due, number in self._due.between(after, until, most)]

    def settle(self) -> None:
        """Turn decoded profiles back into bytes and mark those that differ as changed."""
        self.settle_some(len(self.decoded))

    def settle_some(self, count: int) -> None:
        """Settle up to so many profiles, those that have been decoded for longest."""
        self.settle_these(list(islice(self.decoded, count)))

    def settle_these(self, user_ids: Iterable[str]) -> None:
        """Settle the profiles of those users that are decoded."""
        decoded, blobs, changed, encode = self.decoded, self._blobs, self._changed, self._encode
        for user_id in user_ids:
            profile = decoded.pop(user_id, None)  # one by one: what was just encoded is freed from warm caches
            if profile is None:
                continue
            if not profile.newest and not profile.clock:
                if user_id in self._numbers:
                    self._forget(user_id, self.reached)
                    self.forgotten.users += 1
                continue
            number = self._number(user_id)
            try:
                blob = encode(profile)
            except Exception as error:  # noqa: BLE001 - a bug concerns one user: the others must be kept
                blob = self._as_before(number, profile, error)
            if blob != blobs[number]:
                blobs[number] = blob
                if self.watcher is not None:
                    self.watcher.settled(number, profile)
                changed.mark(number, self._shard[number])

    def rest(self) -> None:
        """Settle who is passing while that memory is in the processor's caches; who came again stays, up to 8,192."""
        decoded, again, leaving = self.decoded, self.again, list[str]()
        for user_id, newest in self.passing:
            profile = decoded.get(user_id)
            if profile is not None and profile.newest != newest:
                again.add(user_id)
            elif user_id not in again:
                leaving.append(user_id)
        self.settle_these(leaving)
        self.passing.clear()
        if len(again) > _DECODED_KEPT:
            self.settle_these(again)
            again.clear()

    def settle_if_many(self) -> None:
        """Settle all but the last 4,096 when more than 8,192 profiles are decoded: those may be due soon."""
        if len(self.decoded) > _DECODED_KEPT:
            self.settle_some(len(self.decoded) - _DECODED_KEPT // 2)

    def _if_readable(self, number: int, read: Callable[[bytes], T]) -> T | None:
        """Return what is read of a settled profile; None where there is none, or none that can be read."""
        blob, user_id = self._blobs[number], self._users[number]
        if not blob or user_id in self.unreadable:
            return None
        try:
            return self.unreadable.read(user_id, blob, read)
        except RejectedEvent:
            return None

    def _as_before(self, number: int, profile: Profile, error: Exception) -> bytes:
        """Return the profile that was settled last; its changes are counted on, as people saw the later ones."""
        self.unreadable.failures.append(failure("failed_profile", self._users[number], profile.clock, error))
        before = decode_profile(self._blobs[number]) if self._blobs[number] else Profile()
        before.seq, before.shadow_seq = profile.seq, profile.shadow_seq
        return self._encode(before)

    def _forget(self, user_id: str, reached: int) -> None:
        if self.watcher is not None:
            self.watcher.settled(self._numbers[user_id], Profile())
        super()._forget(user_id, reached)

    def _due_of(self, number: int) -> int:
        user_id, blob = self._users[number], self._blobs[number]
        profile = self.decoded.get(user_id)
        if profile is not None:
            return profile.due
        return NEVER if not blob or user_id in self.unreadable else due_of(blob)
