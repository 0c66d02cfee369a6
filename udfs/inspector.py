"""Answers what is asked about a worker's users, a slice at a time: events go on meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from segments.inspection import Inspect, Inspected, Stands, decode_question, encode_inspection, stands
from udfs.frames import OutputFrame, Target
from udfs.redis_users import ProfileUsers

_SLICE_S = 0.05  # of each frame
_USERS_A_RECORD = 500


class Inspector:
    """The questions that are not yet answered, oldest first; `clock` is the wall clock (s)."""

    def __init__(self, users: ProfileUsers, clock: Callable[[], float] = time.time) -> None:
        self._users, self._clock = users, clock
        self._asked: list[tuple[Inspect, Iterator[tuple[int, dict[str, Stands]]], int]] = []
        self._looked, self._since = 0, 0.0

    def hear(self, payload: bytes) -> None:
        """Take a question in, unless nobody waits for its answer any more; raises msgspec.DecodeError."""
        question = decode_question(payload)
        if question.until > self._clock() * 1_000:
            self._asked.append((question, *self._answers(question)))

    def tell(self, shards: list[int]) -> Iterator[bytes]:
        """Yield frames with parts of the answers, for a slice of time and no faster than was asked for."""
        until = time.perf_counter() + _SLICE_S
        while self._asked and time.perf_counter() < until:
            question, answers, of = self._asked[0]
            now = self._clock()
            self._since = self._since or now
            if self._looked > (now - self._since) * question.rate:
                return
            looked, users = next(answers, (0, {}))
            self._looked += looked
            so_far, done = min(self._looked, of), not looked
            if done:
                self._asked.pop(0)
                self._looked, self._since = 0, 0.0
            if users or done:
                output = OutputFrame()
                answer = encode_inspection(Inspected(question.id, shards, users, done, so_far, of))
                output.add(Target.INTERNAL, b"inspection", answer, int(now * 1_000))
                yield output.to_bytes()

    def _answers(self, question: Inspect) -> tuple[Iterator[tuple[int, dict[str, Stands]]], int]:
        """Return, bit by bit, how many users were looked at and what those are in who were asked for; and how many."""
        asked = question.users
        if asked is not None:
            parts = (asked[first : first + _USERS_A_RECORD] for first in range(0, len(asked), _USERS_A_RECORD))
            return ((len(some), self._stand(some)) for some in parts), len(asked)
        count = self._users.settle()
        ranges = ((first, min(first + _USERS_A_RECORD, count)) for first in range(0, count, _USERS_A_RECORD))
        return ((_USERS_A_RECORD, self._chosen(question, *each)) for each in ranges), count

    def _chosen(self, question: Inspect, first: int, last: int) -> dict[str, Stands]:
        users = [user for user, _ in self._users.seqs(first, last)]
        return self._stand([user for user in users if question.choice.has(user)])

    def _stand(self, users: list[str]) -> dict[str, Stands]:
        known = ((user, self._users.memberships(user)) for user in users)
        return {user: stands(found) for user, found in known if found is not None and found.seq}
