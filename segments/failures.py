"""What a bug did to one user: what is told of it, and what is put off so that the others go on."""

from __future__ import annotations

from traceback import TracebackException
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from segments.plan import Plan
from segments.profile import NEVER, Profile
from segments.retention import next_due
from segments.rules import DUE, INSIDE, SINCE

if TYPE_CHECKING:
    from segments.engine import Engine

_DAY = 86_400_000
_LONGEST_PAUSE = 400 * _DAY
_FRAMES = 12  # of a traceback: those next to the error
_LONGEST = 8_000  # characters


class Failure(NamedTuple):
    """What could not be done for a user, at an instant (ms) where it has one; `content` is for the dead letters."""

    reason: str
    user_id: str
    at: int
    definition: str
    detail: str
    content: bytes


class About(msgspec.Struct, frozen=True):
    """What the dead letter of something that is no event holds; `at` in ms."""

    user_id: str
    at: int
    definition: str


def failure(reason: str, user_id: str, at: int, error: Exception) -> Failure:
    """Return what is told of an error that concerns a user at an instant (ms).

    >>> failure("failed_due", "u1", 7, ZeroDivisionError("division by zero")).content
    b'{"user_id":"u1","at":7,"definition":""}'
    """
    definition = definition_of(error)
    content = msgspec.json.encode(About(user_id, at, definition))
    return Failure(reason, user_id, at, definition, traceback_of(error), content)


def unscored(user_id: str, at: int, version: str) -> Failure:
    """Return what is told of a user for whom a version of a model had no score at an instant (ms).

    >>> unscored("u1", 7, "churn_risk:3").reason
    'failed_model'
    """
    detail = f"{version} had no score; the user keeps the last one. segment-audit and the log say what failed"
    content = msgspec.json.encode(About(user_id, at, version))
    return Failure("failed_model", user_id, at, version, detail, content)


def traceback_of(error: Exception) -> str:
    """Return an error with the frames next to it, at most 8,000 characters.

    >>> traceback_of(ZeroDivisionError("division by zero"))
    'ZeroDivisionError: division by zero'
    """
    explained = TracebackException.from_exception(error, limit=-_FRAMES, compact=True)
    return "".join(explained.format()).strip()[-_LONGEST:]


def definition_of(error: Exception) -> str:
    """Return the segment, or the condition of segments, that was being worked on; an empty text when it is not known.

    It is read off the frames, so that the work itself need not keep it.
    """
    found, plan = "", None
    trace: TracebackType | None = error.__traceback__
    while trace is not None:
        there: dict[str, Any] = trace.tb_frame.f_locals
        if trace.tb_frame.f_globals.get("__name__", "").startswith("segments."):
            plan = there.get("plan") or getattr(there.get("self"), "plan", None) or plan
            if "rule" in there:
                found = getattr(there["rule"], "name", "") or found
            elif "feature_id" in there and isinstance(plan, Plan):
                found = plan.condition(there["feature_id"])
        trace = trace.tb_next
    return found


def put_off(profile: Profile, instant: int, segment_id: int | None, engine: Engine | None) -> None:
    """Have what is due at an instant (ms) be asked again a day later, or twice as late as the user is quiet by then.

    With `segment_id` only that membership, if it is due. `engine` judges the user, None: it is not known.
    The profile is due when the next of all is.
    """
    later = instant + max(_DAY, instant - max(profile.newest, instant - _LONGEST_PAUSE))
    due = {each: member for each, member in profile.members.items() if member[DUE] <= instant}
    for each, member in due.items():
        if segment_id not in due or each == segment_id:
            profile.members[each] = (member[INSIDE], member[SINCE], later)
    scorings = engine.scorings if engine is not None else ()
    waiting = [each for each in scorings if each.due(profile) <= instant]
    for scoring in waiting if segment_id not in due else ():
        scoring.put_off(profile, later)
    asked = next_due(profile, engine.retention if engine is not None else NEVER, instant)
    asked = min([asked, *(each.due(profile) for each in scorings)])
    profile.due = asked if due or waiting else min(asked, later)
