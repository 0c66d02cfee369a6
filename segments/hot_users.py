"""Users who make too much work, such as bots: what is above a limit is not done, so that the others do not wait."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from segments.events import RejectedEvent

_MINUTE = 60_000


class Spent(Protocol):
    """What is kept of a user's work: steps in the minute that ends at `minute_ends` (ms)."""

    minute_ends: int
    steps: int


class Hot(NamedTuple):
    """A user of whom nothing is done from `at` until `until` (ms, event time), after so many steps."""

    user_id: str
    at: int
    until: int
    steps: int


class HotUsers:
    """Counts steps by user and minute of the user's own event time.

    An event in order is one step, a late one as many as are applied anew. Above `most` (None: no limit) the user's
    events are left out until the minute is over. `found` is to be told; who reads it empties the list.

    >>> class Kept:
    ...     minute_ends = steps = 0
    >>> hot, kept = HotUsers(10), Kept()
    >>> for second in range(3):
    ...     hot.spend("bot", kept, 1_000 * second, 8)
    >>> hot.over, hot.found[0].steps
    ({'bot': 60000}, 16)
    """

    def __init__(self, most: int | None = None) -> None:
        self.most = most
        self.over: dict[str, int] = {}  # by user, until when (ms)
        self.found: list[Hot] = []

    def spend(self, user_id: str, spent: Spent, now: int, steps: int) -> None:
        """Note steps of a user whose newest event is at `now` (ms)."""
        if self.most is None:
            return
        if now >= spent.minute_ends:
            spent.minute_ends, spent.steps = now + _MINUTE, 0
        spent.steps += steps
        if spent.steps > self.most and user_id not in self.over:
            self.over[user_id] = spent.minute_ends
            self.found.append(Hot(user_id, now, spent.minute_ends, spent.steps))

    def load(self, user_id: str, spent: Spent) -> None:
        """Take in what was kept of a user."""
        if self.most is not None and spent.steps > self.most:
            self.over[user_id] = spent.minute_ends

    def check(self, user_id: str, time: int, newest: int) -> None:
        """Check an event at `time` (ms) of a user who was over the limit, and whose newest event is at `newest`.

        Raises RejectedEvent while the minute is not over.
        """
        until = self.over[user_id]
        if time >= until or newest >= until:
            del self.over[user_id]
            return
        detail = f"the user made more than {self.most} steps of work in a minute (limits.user_steps), until {until}"
        raise RejectedEvent("over_limit", detail, user=user_id)
