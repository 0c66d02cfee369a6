"""The order in which changes of one instant are told: who follows them one by one sees no child without its parent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec.structs import replace

from segments.changes import Change
from segments.shadow_names import in_shadow

if TYPE_CHECKING:
    from segments.plan import Plan


def children_first(changes: list[Change], first: int, parents: Mapping[str, str]) -> None:
    """Of the changes from place `first` on, which are in dependency order, have a child's exit precede its parent's."""
    _number_anew(changes, first, _children_first(changes[first:], parents))


def over_a_release(changes: list[Change], first: int, old: Plan, new: Plan) -> None:
    """Have a user enter first and leave then, as to the old definitions: each child keeps its old or its new parent."""
    if len(changes) < first + 2 or (not old.parents and not new.parents):
        return
    places = {rule.name: place for place, rule in enumerate(old.rules)}
    told = changes[first:]
    exits = sorted((each for each in told if each.action == "exited"), key=lambda each: places[each.segment])
    entries = [each for each in told if each.action != "exited"]
    _number_anew(changes, first, entries + _children_first(exits, old.parents))


def _children_first(changes: list[Change], parents: Mapping[str, str]) -> list[Change]:
    ordered: list[Change] = []
    for change in changes:
        place, parent = len(ordered), parents.get(change.segment)
        if parent is not None and change.action == "exited":
            exits = (i for i, other in enumerate(ordered) if other.segment == parent and other.action == "exited")
            place = next(exits, place)
        ordered.insert(place, change)
    return ordered


def _number_anew(changes: list[Change], first: int, ordered: list[Change]) -> None:
    """Put the changes from place `first` on in their order; the same numbers are given out in it."""
    hidden = iter([each.seq for each in changes[first:] if in_shadow(each.segment)])
    shown = iter([each.seq for each in changes[first:] if not in_shadow(each.segment)])
    changes[first:] = [replace(each, seq=next(hidden if in_shadow(each.segment) else shown)) for each in ordered]
