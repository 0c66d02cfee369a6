"""Definitions in the shadow: evaluated beside the live ones in the same plan, under names that nobody sees."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from segments.control import Release
from segments.definitions import DefinitionErrors, Problem, parse_definitions
from segments.definitions.model import Condition, Definitions, Segment
from segments.events import Plausibility
from segments.models.released import ModelVersion
from segments.models.releasing import champions
from segments.models.scores import ScorerSource, in_force, unscored
from segments.plan import Plan
from segments.population.bounds import Bounds
from segments.preview.versions import differences
from segments.shadow_names import SHADOW, in_shadow, plain_name

_SETTINGS = ("timezone", "session", "properties", "retention")


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
    hidden = [
        _renamed(segment, names).model_copy(update={"backfill": segment.backfill or shadow.backfill})
        for segment in shadow.segments
        if segment.name in names
    ]
    return live.model_copy(update={"segments": [*live.segments, *hidden]})


def refuse_harm(live: Definitions, shadow: Definitions, models: Iterable[ModelVersion] = ()) -> None:
    """Raise DefinitionErrors where the shadow would make dead letters of events that the live definitions take.

    It would where it alone reads a property as a number, itself or by a model that it asks: an event that has a text
    there is refused for both.
    """
    versions = in_force(models, unscored)
    known = Plan(live, models=versions).property_types
    both = Plan(in_one_plan(live, shadow), models=versions).property_types
    hint = "declare 'PROPERTY: number' under properties in the live definitions first, or release it without --shadow"
    problems = [
        Problem(
            "the shadow", 1, "properties", f"only the shadow reads '{name}' as a number", hint.replace("PROPERTY", name)
        )
        for name, kind in both.items()
        if known.get(name) != kind
    ]
    if problems:
        raise DefinitionErrors(problems)


def promoted(old: Plan, new: Plan) -> tuple[str, ...]:
    """Return the segments that were in the shadow of one plan and are live, and the same, in the next.

    One that asked for the version of a model by its number is the same if that version is now in force.
    """
    hidden = {segment.name: segment for segment in old.definitions.segments if in_shadow(segment.name)}
    names = {plain_name(name) for name in hidden}
    live = (segment for segment in new.definitions.segments if segment.name in names)
    versions = {name: each.version for name, each in champions(model.version for model in new.in_force).items()}

    def meaning(segment: Segment) -> Any:
        return _as_in_force(segment.model_dump(exclude={"backfill"}), versions)  # what began how, is over

    return tuple(
        segment.name for segment in live if meaning(_renamed(segment, names)) == meaning(hidden[segment.name + SHADOW])
    )


def _as_in_force(value: Any, versions: Mapping[str, int]) -> Any:
    """Return a dumped segment that asks for the version in force wherever it means that one."""
    if isinstance(value, list):
        return [_as_in_force(each, versions) for each in value]
    if not isinstance(value, dict):
        return value
    asked = value.get("model")
    if isinstance(asked, dict) and asked["version"] == versions.get(asked["name"]):
        return {**value, "model": {**asked, "version": None}}
    return {name: _as_in_force(each, versions) for name, each in value.items()}


def definitions_of(release: Release) -> Definitions:
    """Return all that a release has evaluated, its shadow under inner names; raises DefinitionErrors."""
    live = parse_definitions(release.definitions, f"release {release.number}")
    if release.shadow is None:
        return live
    return in_one_plan(live, parse_definitions(release.shadow, f"the shadow of release {release.number}"))


def plan_of(
    release: Release,
    plausibility: Plausibility | None = None,
    *,
    bounds: Bounds | None = None,
    warming: Mapping[str, int] = MappingProxyType({}),
    scorers: ScorerSource = unscored,
) -> Plan:
    """Return the plan of all that a release has evaluated; raises DefinitionErrors, and what `scorers` raises."""
    models = in_force(release.models, scorers)
    return Plan(definitions_of(release), plausibility, bounds=bounds, warming=warming, models=models)


def _renamed(segment: Segment, names: Collection[str]) -> Segment:
    leaving = _renamed_condition(segment.exit_when, names) if segment.exit_when else None
    parent = f"{segment.parent}{SHADOW}" if segment.parent in names else segment.parent
    changed = {"name": segment.name + SHADOW, "parent": parent, "when": _renamed_condition(segment.when, names)}
    return segment.model_copy(update={**changed, "exit_when": leaving})


def _renamed_condition(condition: Condition, names: Collection[str]) -> Condition:
    kind, arguments = condition.kind()
    if kind == "segment":
        return condition.model_copy(update={"segment": arguments + SHADOW}) if arguments in names else condition
    if kind == "not":
        return condition.model_copy(update={"not_": _renamed_condition(arguments, names)})
    if kind in ("all", "any"):
        return condition.model_copy(update={kind: [_renamed_condition(inner, names) for inner in arguments]})
    return condition
