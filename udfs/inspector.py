"""Answers what is asked about a worker's users, a slice at a time: events go on meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from segments.changes import Memberships
from segments.inspection import Inspect, Inspected, Stands, decode_question, encode_inspection, stands
from udfs.frames import OutputFrame, Target
from udfs.redis_users import ProfileUsers

_Part = tuple[int, dict[str, Stands], list[Memberships]]  # users looked at, how they stand, what is written anew
_SLICE_S = 0.05  # of each frame
_USERS_A_RECORD = 500


class Inspector:
    """The questions that are not yet answered, oldest first; `clock` is the wall clock (s)."""

    def __init__(self, users: ProfileUsers, clock: Callable[[], float] = time.time) -> None:
        self._users, self._clock = users, clock
        self._asked: list[tuple[Inspect, Iterator[_Part], int]] = []
        self._looked, self._since = 0, 0.0
        self._renumbered = False

    def take_renumbered(self) -> bool:
        """Say whether users got other numbers since this was asked last: their profiles are to be written."""
        renumbered, self._renumbered = self._renumbered, False
        return renumbered

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
            looked, users, again = next(answers, (0, {}, []))
            self._looked += looked
            so_far, done = min(self._looked, of), not looked
            if done:
                self._asked.pop(0)
                self._looked, self._since = 0, 0.0
            if users or done:
                output = OutputFrame()
                failed = output.add_each(output.add_memberships, again)  # before what may yet happen to these users
                written = len(again) - len(failed)
                answer = encode_inspection(Inspected(question.id, shards, users, done, so_far, of, written))
                output.add(Target.INTERNAL, b"inspection", answer, int(now * 1_000))
                yield output.to_bytes()

    def _answers(self, question: Inspect) -> tuple[Iterator[_Part], int]:
        """Return, bit by bit, how many users were looked at and what those are in who were asked for; and how many."""
        asked = question.users
        if asked is not None:
            parts = range(0, len(asked), _USERS_A_RECORD)
            return (self._named(question, asked, first) for first in parts), len(asked)
        count = self._users.settle()
        ranges = ((first, min(first + _USERS_A_RECORD, count)) for first in range(0, count, _USERS_A_RECORD))
        return ((_USERS_A_RECORD, self._chosen(question, *each), []) for each in ranges), count

    def _named(self, question: Inspect, asked: list[str], first: int) -> _Part:
        """Look at users by name; who has gone as far as the topic, or further, is written there as they are now.

        So is who gets another number.
        """
        part = slice(first, first + _USERS_A_RECORD)
        some = asked[part]
        wanted = zip(some, (question.renumber or ())[part], strict=False)
        renumbered = {user for user, number in wanted if self._users.renumber(user, number)}
        self._renumbered = self._renumbered or bool(renumbered)
        found = self._memberships(some, with_changes=question.renumber is None)
        told = dict(zip(some, (question.told or ())[part], strict=False))
        again = [each for each in found if each.user_id in told and each.seq >= told[each.user_id]]
        again += [each for each in found if each.user_id in renumbered]
        return len(some), {each.user_id: stands(each) for each in found}, again

    def _chosen(self, question: Inspect, first: int, last: int) -> dict[str, Stands]:
        users = [user for user, _ in self._users.seqs(first, last)]
        found = self._memberships([user for user in users if question.choice.has(user)])
        return {each.user_id: stands(each) for each in found}

    def _memberships(self, users: list[str], *, with_changes: bool = True) -> list[Memberships]:
        """Return what users are in; `with_changes` only of those who ever had one."""
        known = (self._users.memberships(user) for user in users)
        return [found for found in known if found is not None and (found.seq or not with_changes)]
