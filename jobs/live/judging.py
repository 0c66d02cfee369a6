"""Is a user the same in the memberships topic and beside it (in the job, in Redis)? Both move while they are looked at.

A look reads the side first and then the topic to its end. Looks of one user are at least the patience apart: nothing is
on the way for longer. So of several looks it can be said what is only on the way and what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

from segments.changes import Memberships

S = TypeVar("S")
SURE_AFTER = 3  # looks: who is behind or ahead in all of them, and does not move, stays so
MOST_LOOKS = 8  # of one who moves all the time and whose numbers never meet


class Look(NamedTuple, Generic[S]):
    """What the side said in one moment (up to change `seq`, 0: nothing), and then the topic (None: no membership).

    `reached` is the least number of which the topic knew by then; a tombstone has none, but comes after one.
    """

    stand: S
    seq: int
    is_empty: bool
    told: int | None
    reached: int


class Verdict(NamedTuple):
    """Equal (no text), different, or, while neither can be said, open."""

    is_open: bool
    text: str | None = None


class Topic(NamedTuple):
    """What the topic said of one user lately."""

    at: Callable[[int], Memberships | None]  # its record of a change's number
    was_nowhere: Callable[[int], bool]  # it said of that change that the user left the last segment


EQUAL, OPEN = Verdict(is_open=False), Verdict(is_open=True)


def judge(
    looks: Sequence[Look[S]], topic: Topic, difference: Callable[[Memberships, S], str | None], side: str
) -> Verdict:
    """Judge a user by the looks so far, oldest first; `difference` compares a stand with the record of its number."""
    for number, look in enumerate(looks[-2:], max(len(looks) - 2, 0)):
        told = topic.at(look.seq)
        text = None if told is None else difference(told, look.stand)
        if text is not None:
            return Verdict(is_open=False, text=text)
        agrees = told is not None or (look.is_empty and topic.was_nowhere(look.seq))
        if (agrees and _is_fresh(look, number, looks[0])) or (look.is_empty and look.told is None):
            return EQUAL
    return Verdict(is_open=False, text=text) if (text := _lasting(looks, side)) else OPEN


def _is_fresh(look: Look[S], number: int, first: Look[S]) -> bool:
    """Say whether the side has not stood still since before the first look."""
    return look.seq == look.told or (number > 0 and look.seq >= first.reached)


def _lasting(looks: Sequence[Look[S]], side: str) -> str | None:
    """Return what is wrong for longer than anything is on the way."""
    if len(looks) < SURE_AFTER:
        return None
    first, before, last = looks[0], looks[-2], looks[-1]
    is_last = len(looks) >= MOST_LOOKS
    side_stands = is_last or all(look.seq == first.seq for look in looks)
    topic_stands = is_last or all(look.told == first.told for look in looks)
    is_behind = first.told is not None and before.told is not None and max(before.seq, last.seq) < first.told
    if is_behind and side_stands:
        seen = f"at {last.seq}" if last.seq else "has no such user"
        return f"the memberships topic is at change {last.told or first.told}, {side} {seen}"
    if last.told is not None and last.told < first.seq and topic_stands:
        return f"the memberships topic is at change {last.told}, {side} at {last.seq}"
    if last.told is None and last.seq <= first.seq and not last.is_empty:
        return f"{side} has segments, the memberships topic nothing"
    return None
