"""Two versions of the definitions: which segments differ, and the least that must be judged to show how."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, Literal

import msgspec

from segments.calendar import Period
from segments.definitions.model import Condition, Definitions, Segment, Session
from segments.definitions.paths import asks_local_time, parts
from segments.definitions.references import references, with_references
from segments.events import SESSION_STARTED
from segments.plan import Plan

Status = Literal["changed", "added", "removed"]
BEFORE = "@before"  # no segment's name can end like this
_TEXTS = {"owner", "description", "tags", "version", "backfill", "budget", "lint"}


class Difference(msgspec.Struct, frozen=True):
    """A segment that differs between two versions; `through` names what it refers to when only that differs."""

    segment: str
    status: Status
    through: str | None = None


def differences(before: Definitions, after: Definitions) -> list[Difference]:
    """Return the segments whose members may differ: in the new file's order, then those that are gone.

    Owner, description, tags, version, budget, lint and backfill move nobody here: both versions know all events.

    >>> from segments.definitions import parse_definitions
    >>> old = parse_definitions("segments: [{name: a, when: {recency: {event: any, within: 1h}}}]")
    >>> new = parse_definitions("segments: [{name: a, owner: me, when: {recency: {event: any, within: 2h}}}]")
    >>> differences(old, new)
    [Difference(segment='a', status='changed', through=None)]
    """
    old = {segment.name: segment for segment in before.segments}
    new = {segment.name: segment for segment in after.segments}
    found: dict[str, Difference] = {}
    for name, segment in new.items():
        if name not in old:
            found[name] = Difference(name, "added")
        elif (setting := _moved_setting(before, after, segment)) or _meaning(old[name]) != _meaning(segment):
            found[name] = Difference(name, "changed", setting)
    moved = True
    while moved:
        moved = False
        for name, segment in new.items():
            cause = next((each for each in references(segment) if each in found), None)
            if name not in found and cause is not None:
                found[name] = Difference(name, "changed", cause)
                moved = True
    ordered = [found[name] for name in new if name in found]
    return ordered + [Difference(name, "removed") for name in old if name not in new]


def _meaning(segment: Segment) -> dict[str, Any]:
    return {name: value for name, value in segment.model_dump().items() if name not in _TEXTS}


def _moved_setting(before: Definitions, after: Definitions, segment: Segment) -> str | None:
    """Return the setting of the whole file that differs and that this segment depends on."""
    if before.retention != after.retention:
        return "retention"
    if before.session != after.session and any(_asks_sessions(part) for part in parts(segment)):
        return "session.gap"
    if before.timezone != after.timezone and any(map(asks_local_time, parts(segment))):
        return "timezone"
    if before.week_starts != after.week_starts and any(_asks_weeks(part) for part in parts(segment)):
        return "week_starts"
    return None


def _asks_weeks(part: object) -> bool:
    return Period.THIS_WEEK in (getattr(part, "within", None), getattr(part, "not_within", None))


def _asks_sessions(part: object) -> bool:
    names = [*(getattr(part, "event", None) or ()), *(getattr(part, "points", None) or ())]
    return isinstance(part, Session) or SESSION_STARTED in names


def restricted(definitions: Definitions, names: Collection[str]) -> Definitions:
    """Return the definitions with these segments and those they refer to; the same events are dead letters as before.

    >>> from segments.definitions import parse_definitions
    >>> whole = parse_definitions('''segments:
    ...   - {name: a, when: {recency: {event: any, within: 1h}}}
    ...   - {name: b, when: {segment: a}}
    ...   - {name: c, when: {recency: {event: any, within: 2h}}}''')
    >>> [segment.name for segment in restricted(whole, ["b"]).segments]
    ['a', 'b']
    """
    known = {segment.name: segment for segment in definitions.segments}
    wanted = with_references([name for name in names if name in known], known)
    kept = [segment for segment in definitions.segments if segment.name in wanted]
    return definitions.model_copy(update={"segments": kept, "properties": Plan(definitions).property_types})


def renamed(definitions: Definitions) -> Definitions:
    """Return the definitions with `@before` behind the name of every segment."""
    segments = [_renamed_segment(segment) for segment in definitions.segments]
    return definitions.model_copy(update={"segments": segments})


def _renamed_segment(segment: Segment) -> Segment:
    leaving = _renamed_condition(segment.exit_when) if segment.exit_when else None
    parent = segment.parent and segment.parent + BEFORE
    changed = {"name": segment.name + BEFORE, "parent": parent, "when": _renamed_condition(segment.when)}
    return segment.model_copy(update={**changed, "exit_when": leaving})


def _renamed_condition(condition: Condition) -> Condition:
    kind, arguments = condition.kind()
    if kind == "segment":
        return condition.model_copy(update={"segment": arguments + BEFORE})
    if kind == "not":
        return condition.model_copy(update={"not_": _renamed_condition(arguments)})
    if kind in ("all", "any"):
        return condition.model_copy(update={kind: [_renamed_condition(inner) for inner in arguments]})
    return condition


def sides(
    before: Definitions, after: Definitions, differing: Iterable[Difference], others: Iterable[str]
) -> list[Definitions]:
    """Return what to run: the old differing segments under names with `@before`, the new ones, and `others`.

    One engine runs both, so that what they share is kept once, unless they read events or time differently.
    """
    listed = list(differing)
    new = restricted(after, [*(each.segment for each in listed), *others])
    old = renamed(restricted(before, [each.segment for each in listed]))
    alike = all(
        getattr(old, name) == getattr(new, name)
        for name in ("session", "timezone", "week_starts", "properties", "retention")
    )
    if alike:
        return [new.model_copy(update={"segments": [*new.segments, *old.segments]})]
    return [new, old]
