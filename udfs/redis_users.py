"""A worker's users as Redis is to know them, and whether it may lack something, kept in Flink's state."""

from __future__ import annotations

from segments.changes import Memberships
from segments.inspection import Renumber
from segments.processor import Processor
from segments.profile import UNJUDGED
from udfs.told import ToldState

PLACE = -3  # in the map state of a shard
_LACKING, _WHOLE = b"1", b"0"


class ProfileUsers:
    """What profiles say, without opening them: nothing happens to a user who is looked at, or gets other numbers."""

    def __init__(self, processor: Processor) -> None:
        self._processor = processor
        self._profiles = processor.profiles

    def settle(self) -> int:
        """Give all users a number; returns how many there are."""
        self._profiles.settle()
        return self._profiles.numbered

    def seqs(self, first: int, last: int) -> list[tuple[str, int]]:
        """Return users by number, each with the number of the newest change; those whose profiles can be read."""
        user, seq_of = self._profiles.user, self._profiles.seq
        return [(user(number), seq) for number in range(first, last) if (seq := seq_of(number)) is not None]

    def memberships(self, user_id: str) -> Memberships | None:
        """Return what a user is in now, None for one who is gone, or whose profile cannot be read."""
        profile = self._profiles.look(user_id)
        if profile is None or not profile.release:
            return None
        return self._processor.timeline.engine(profile.release & ~UNJUDGED).memberships(user_id, profile)

    def is_readable(self, user_id: str) -> bool:
        """Say whether the user's profile can be read, as far as anybody has tried."""
        return user_id not in self._profiles.unreadable

    def renumber(self, user_id: str, wanted: Renumber) -> bool:
        """Have a user's newest change be of a higher number, once the user is there; returns whether it is now.

        That is when event time is, and nobody is behind a release or a bound of the population.
        """
        profiles = self._profiles
        if self._processor.sweeping or profiles.reached < wanted.after:
            return False
        return profiles.renumber(user_id, wanted.was, wanted.becomes)


class RedisGap:
    """Whether Redis may lack what a shard's users went through; a worker that starts then compares them all."""

    def __init__(self) -> None:
        self.lacking = False
        self._written: dict[int, bytes] = {}

    def load(self, shard: int, state: ToldState) -> None:
        """Read what a shard's state says; nothing: Redis had all."""
        found = state.get(PLACE)
        self._written[shard] = _WHOLE if found is None else bytes(found)
        self.lacking = self.lacking or self._written[shard] == _LACKING

    def note(self, *, lacking: bool) -> bool:
        """Take in how Redis stands; returns whether the state of all shards is to be written."""
        self.lacking = lacking
        return any(each != self._now for each in self._written.values())

    def save(self, shard: int, state: ToldState) -> int:
        """Write how Redis stands if a shard's state says otherwise; returns the bytes written."""
        if self._written.get(shard) == self._now:
            return 0
        self._written[shard] = self._now
        state.put(PLACE, self._now)
        return len(self._now)

    @property
    def _now(self) -> bytes:
        return _LACKING if self.lacking else _WHOLE
