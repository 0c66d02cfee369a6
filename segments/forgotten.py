"""What is left of users who were forgotten: numbers to give out again, ids that the log still has, and since when."""

from __future__ import annotations

from array import array
from collections.abc import Container

from segments.log_segment import LogSegment, encode_segment
from segments.profile import Layout


class Forgotten:
    """Of a worker's users by shard: all of it is bounded by how many users a shard had at once.

    >>> forgotten = Forgotten()
    >>> forgotten.add(3, 17, "u1", in_log=True, reached=1_764_000_000_000)
    >>> forgotten.number(3), forgotten.number(3), len(forgotten.take_gone(3, known={}))
    (17, None, 1)
    """

    def __init__(self) -> None:
        self.users = 0  # forgotten since `take_users`
        self._free: dict[int, array[int]] = {}
        self._gone: dict[int, dict[str, None]] = {}
        self._until: dict[int, int] = {}

    @property
    def until(self) -> int:
        """How far event time (ms) had come when a user was forgotten last, 0 when none was."""
        return max(self._until.values(), default=0)

    @property
    def free(self) -> int:
        """How many numbers nobody has."""
        return sum(map(len, self._free.values()))

    def add(self, shard: int, number: int, user_id: str, *, in_log: bool, reached: int) -> None:
        """Note that a user is forgotten, at event time `reached` (ms), whose number was this."""
        self._free.setdefault(shard, array("I")).append(number)
        self.note_until(shard, reached)
        if in_log:
            self._gone.setdefault(shard, {})[user_id] = None

    def take_users(self) -> int:
        """Return how many users were forgotten since the last call."""
        users, self.users = self.users, 0
        return users

    def number(self, shard: int) -> int | None:
        """Return a number of the shard to be given out again, None when there is none."""
        free = self._free.get(shard)
        return free.pop() if free else None

    def note_until(self, shard: int, reached: int) -> None:
        """Note how far event time (ms) had come when a user of the shard was forgotten."""
        self._until[shard] = max(reached, self.until_of(shard))

    def until_of(self, shard: int) -> int:
        """Return how far event time (ms) had come when a user of the shard was forgotten last, 0 when none was."""
        return self._until.get(shard, 0)

    def take_gone(self, shard: int, known: Container[str]) -> list[bytes]:
        """Return a segment of the log: users forgotten since the last call whom the log has and nobody knows now."""
        gone = [user_id for user_id in self._gone.pop(shard, ()) if user_id not in known]
        return self._segment(shard, gone) if gone else []

    def rewritten(self, shard: int) -> list[bytes]:
        """Return a segment for a log that is written anew: nobody need be named, but when it was stays known."""
        self._gone.pop(shard, None)
        return self._segment(shard, []) if self.until_of(shard) else []

    def _segment(self, shard: int, gone: list[str]) -> list[bytes]:
        return [encode_segment(LogSegment(0, Layout(), {}, {}, gone, self.until_of(shard)))]
