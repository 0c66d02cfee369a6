"""Users who are gone: once event time has passed the newest event by the retention, a user is forgotten.

First the user leaves all segments. What is left, a shell with no features, is kept for as long as a late event may come
that would have kept the user; then the profile is dropped. A shell has no newest event; a dropped one no clock either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from segments.changes import Cause, Change, Reason
from segments.durations import format_duration
from segments.hierarchy import children_first
from segments.profile import NEVER, Profile
from segments.rules import DUE

if TYPE_CHECKING:
    from segments.engine import Engine

RETENTION = Cause("retention")
# ms between the end of a life and the first event of the next at least (`too_old`): more than a life's changes exceed
# its milliseconds by, so that the numbers of the next one, which begin with its first event's time, are above them.
GAP = 3_600_000


def too_old(retention: int, reached: int) -> int:
    """Return the newest instant (ms) at which the first event of an unknown user is late, at event time `reached`.

    Such a user would be forgotten within the hour, and may be one who was. 0 where users are kept for ever.
    """
    return reached + GAP - retention if retention < NEVER else 0


def is_due(profile: Profile, retention: int, now: int) -> bool:
    """Say whether the user's time is over at `now` (ms); always of a shell.

    Who had so many changes that their numbers ran ahead of the clock stays: numbers never go backwards.
    """
    if not profile.newest:
        return True
    last = max(profile.seq, profile.shadow_seq) + len(profile.members)
    return now >= profile.newest + retention and last <= profile.newest + GAP


def begin(profile: Profile, retention: int) -> None:
    """Have a new user forgotten in time, and changes numbered from above what an earlier life can have reached."""
    newest = profile.newest
    profile.seq, profile.shadow_seq = max(profile.seq, newest), max(profile.shadow_seq, newest)
    profile.due = min(profile.due, newest + retention)


def next_due(profile: Profile, retention: int, now: int) -> int:
    """Return when (ms) a profile must be looked at again; who is due to be forgotten and may not be: a while later."""
    over = profile.newest + retention
    due = min(over if over > now else now + retention, NEVER)
    for member in profile.members.values():
        if member[DUE] < due:  # noqa: PLR1730 - as in the engine
            due = member[DUE]
    return due


def forget(engine: Engine, user_id: str, profile: Profile, now: int, changes: list[Change]) -> None:
    """Have the user leave all segments at `now` (ms), or drop the shell of one who has."""
    if not profile.newest:
        profile.clock, profile.due = 0, NEVER
        return
    first, age = len(changes), now - profile.newest
    kept = engine.plan.definitions.retention or 0
    reason = Reason("time since the newest event", f"< {format_duration(kept)}", format_duration(age), holds=False)
    engine.dismiss(user_id, profile, (), now, RETENTION, changes)
    changes[first:] = [replace(each, because=[reason], next_change_at=None) for each in changes[first:]]
    children_first(changes, first, engine.plan.parents)
    profile.features, profile.members, profile.seen = {}, {}, b""
    profile.newest, profile.clock, profile.due = 0, now, now + engine.allowed_lateness + 1
