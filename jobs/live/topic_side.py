"""Mending the memberships topic: the running job writes anew what it says of users of whom the topic says otherwise.

Nobody is moved back: a user whose number in the topic is above the job's is left as it is, and stays a difference. The
segment topic gets nothing, so no change is told twice. What is only on the way is written once more, which says the
same.
"""

from __future__ import annotations

from collections.abc import Callable

from jobs.live.question import Ask, ask
from jobs.live.state import chunks, difference, on_the_way
from jobs.live.table import Table
from jobs.live.told import Told, Unreadable
from jobs.settings import Settings
from segments.changes import Memberships
from segments.inspection import Choice, Stands

_ASKED_TOGETHER = 1_000


def behind(told: Memberships | Unreadable | None, state: Stands) -> int | None:
    """Return the number that the topic is at, 0 for none, where the job's state is to be written there; else None.

    >>> from segments.changes import Membership
    >>> told = Memberships("u1", 5, 9, {"a": Membership(1, 3, None, 1.0)})
    >>> [behind(told, state) for state in ((5, {"a": (1, 3)}), (5, {"a": (2, 3)}), (6, {}), (4, {}))]
    [None, 5, 5, None]
    >>> behind(None, (7, {"a": (1, 3)})), behind(None, (7, {}))
    (0, None)
    """
    if isinstance(told, Unreadable):
        return 0
    if told is None:
        return 0 if state[1] else None
    is_right = state[0] == told.seq and difference(told, state) is None
    return None if is_right or state[0] < told.seq else told.seq


def mend_topic(
    settings: Settings, told: Told, choice: Choice, rate: int, progress: Callable[[int, int], None], asks: Ask = ask
) -> tuple[int, int]:
    """Have the job write anew whom the topic is behind of; returns how many it wrote, and how many it was asked for.

    Raises TopicError, TimeoutError, KafkaError. `progress` is told how many were written, and of how many.
    """
    wanted, written, of = Table(), 0, 0
    try:
        for answer in asks(settings, choice, rate=rate):
            told.refresh()
            for user, state in answer.users.items():
                number = behind(told.now(user), state)
                if number is not None:
                    wanted[user] = str(number).encode()
        of = len(wanted)
        for some in chunks(wanted, _ASKED_TOGETHER):
            numbers = [int(wanted[user]) for user in some]
            for answer in asks(settings, Choice(), users=some, rate=rate, told=numbers):
                written += answer.written
                progress(written, of)
    finally:
        wanted.close()
    if written:
        told.settle(on_the_way(settings))
    return written, of
