"""Users by number, in the order in which they came: what is kept of each lies in columns."""

from __future__ import annotations

from array import array
from collections.abc import Callable

from segments.changed import Changed
from segments.due_order import DueOrder
from segments.forgotten import Forgotten
from segments.sharding import shard_of


class NumberedUsers:
    """Users with their profiles' bytes, their shards, whether the log has them, who changed and when each is due.

    `due_of` returns when (ms) a number is due. The numbers of users who were forgotten are given out again in their
    shard.
    """

    def __init__(self, shards: int, due_of: Callable[[int], int]) -> None:
        self._shards = shards
        self._numbers: dict[str, int] = {}
        self._users: list[str] = []
        self._blobs: list[bytes] = []
        self._shard = array("H")
        self._in_log = bytearray()
        self._of_shard: dict[int, array[int]] = {}
        self._changed = Changed()
        self._due = DueOrder(self._users, due_of)
        self.forgotten = Forgotten()

    @property
    def numbered(self) -> int:
        """How many users have a number: all but those that came since `settle` and are not due."""
        return len(self._users)

    def user(self, number: int) -> str:
        """Return the user of a number (from 0, below `numbered`)."""
        return self._users[number]

    def blob(self, number: int) -> bytes:
        """Return a profile's bytes as it was settled last; none for a user who has no profile yet."""
        return self._blobs[number]

    def settled(self, user_id: str) -> bytes:
        """Return the user's profile as it was settled last, as bytes; none for a user who has none yet."""
        number = self._numbers.get(user_id)
        return b"" if number is None else self._blobs[number]

    def _name_of(self, user_id: str) -> str:
        """Return the id in an object that is kept anyway."""
        number = self._numbers.get(user_id)
        return user_id if number is None else self._users[number]

    def _number(self, user_id: str) -> int:
        """Return the user's number; a new user gets the next one."""
        number = self._numbers.get(user_id)
        if number is None:
            shard = shard_of(user_id, self._shards)
            number = self.forgotten.number(shard)
            if number is not None:
                self._numbers[user_id], self._users[number] = number, user_id
                return number
            number = self._numbers[user_id] = len(self._users)
            self._users.append(user_id)
            self._blobs.append(b"")
            self._shard.append(shard)
            self._in_log.append(False)
            self._of_shard.setdefault(shard, array("I")).append(number)
            self._changed.add()
            self._due.add()
        return number

    def _forget(self, user_id: str, reached: int) -> None:
        """Let go of a user, at event time `reached` (ms); the number is free for another one of the shard."""
        number = self._numbers.pop(user_id)
        self.forgotten.add(self._shard[number], number, user_id, in_log=bool(self._in_log[number]), reached=reached)
        self._users[number], self._blobs[number], self._in_log[number] = "", b"", False
