"""Definitions in the shadow: evaluated beside the live ones in the same plan, under names that nobody sees."""

from __future__ import annotations

from collections.abc import Collection

from segments.definitions import DefinitionErrors, Problem
from segments.definitions.model import Condition, Definitions, Segment
from segments.preview.versions import differences

SHADOW = "@shadow"  # no segment's own name can end like this
_SETTINGS = ("timezone", "session", "properties")


def in_shadow(name: str) -> bool:
    """Say whether a name is one of the shadow's."""
    return name.endswith(SHADOW)


def plain_name(name: str) -> str:
    """Return the name that people know.

    >>> plain_name("loyal@shadow")
    'loyal'
    """
    return name.removesuffix(SHADOW)


def shadowed(live: Definitions, shadow: Definitions) -> list[str]:
    """Return the segments of the shadow that are new or whose members may differ from the live ones."""
    return [each.segment for each in differences(live, shadow) if each.status != "removed"]


def in_one_plan(live: Definitions, shadow: Definitions) -> Definitions:
    """Return the live definitions and behind them what differs in the shadow, with `@shadow` after each such name.

    References among segments of the shadow go to the shadow. Raises DefinitionErrors when the shadow cannot be
    evaluated beside the live definitions: both read the same events in the same way.
    """
    problems = [
        Problem("the shadow", 1, setting, "is not that of the live definitions", "release it without --shadow")
        for setting in _SETTINGS
        if getattr(live, setting) != getattr(shadow, setting)
    ]
    if problems:
        raise DefinitionErrors(problems)
    names = set(shadowed(live, shadow))
    hidden = [_renamed(segment, names) for segment in shadow.segments if segment.name in names]
    return live.model_copy(update={"segments": [*live.segments, *hidden]})


def _renamed(segment: Segment, names: Collection[str]) -> Segment:
    leaving = _renamed_condition(segment.exit_when, names) if segment.exit_when else None
    when = _renamed_condition(segment.when, names)
    return segment.model_copy(update={"name": segment.name + SHADOW, "when": when, "exit_when": leaving})


def _renamed_condition(condition: Condition, names: Collection[str]) -> Condition:
    kind, arguments = condition.kind()
    if kind == "segment":
        return condition.model_copy(update={"segment": arguments + SHADOW}) if arguments in names else condition
    if kind == "not":
        return condition.model_copy(update={"not_": _renamed_condition(arguments, names)})
    if kind in ("all", "any"):
        return condition.model_copy(update={kind: [_renamed_condition(inner, names) for inner in arguments]})
    return condition
