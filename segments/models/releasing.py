"""Which versions of models are in force after a release, and what definitions ask of them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec
import yaml

from segments.definitions.errors import DefinitionErrors, Problem
from segments.definitions.model import Definitions, ModelScore
from segments.definitions.paths import parts
from segments.models.model import Models
from segments.models.released import ModelVersion, version_meant

Versions = tuple[ModelVersion, ...]


class Asked(NamedTuple):
    """A model that a segment asks; without a version that in force."""

    segment: str
    name: str
    version: int | None
    calibrated: bool


def champions(versions: Iterable[ModelVersion]) -> dict[str, ModelVersion]:
    """Return by name the versions that a condition without a number means."""
    return {each.name: each for each in versions if not each.challenger}


def challengers(versions: Iterable[ModelVersion]) -> dict[str, ModelVersion]:
    """Return by name the versions that score in the shadow."""
    return {each.name: each for each in versions if each.challenger}


def with_champion(versions: Iterable[ModelVersion], champion: ModelVersion) -> Versions:
    """Return versions with this one in force, in the place of another of its name.

    >>> first, second = (ModelVersion("churn", number, "classify", {}, "", "") for number in (1, 2))
    >>> [each.label for each in with_champion([first], second)]
    ['churn:2']
    """
    return _with(versions, champion, challenger=False)


def with_challenger(versions: Iterable[ModelVersion], challenger: ModelVersion) -> Versions:
    """Return versions with this one in the shadow, in the place of another challenger of its name."""
    return _with(versions, challenger, challenger=True)


def promoted_versions(versions: Iterable[ModelVersion]) -> Versions:
    """Return versions of which each challenger is the champion now."""
    listed = tuple(versions)
    found = tuple(each for each in listed if not each.challenger)
    for each in challengers(listed).values():
        found = with_champion(found, each)
    return found


def withdrawn_versions(versions: Iterable[ModelVersion]) -> Versions:
    """Return versions with no challenger."""
    return tuple(each for each in versions if not each.challenger)


def _with(versions: Iterable[ModelVersion], new: ModelVersion, *, challenger: bool) -> Versions:
    others = (each for each in versions if (each.name, each.challenger) != (new.name, challenger))
    found = [*others, msgspec.structs.replace(new, challenger=challenger)]
    return tuple(sorted(found, key=lambda each: (each.name, each.challenger)))


def asked_by(definitions: Definitions) -> Iterator[Asked]:
    """Yield the models that segments ask, in the order of the definitions."""
    for segment in definitions.segments:
        for part in parts(segment):
            if isinstance(part, ModelScore):
                yield Asked(segment.name, part.name, part.version, part.calibrated)


def unmet(definitions: Definitions, versions: Iterable[ModelVersion]) -> list[str]:
    """Return why definitions cannot be judged with these versions in force, empty when they can.

    >>> from segments.definitions import parse_definitions
    >>> asking = parse_definitions("segments: [{name: leaving, when: {model: {name: churn, gte: 0.7}}}]")
    >>> unmet(asking, [])
    ['leaving asks model churn, of which no version is in force: segments release model churn VERSION']
    """
    listed, found = tuple(versions), []
    for each in asked_by(definitions):
        meant = version_meant(listed, each.name, each.version)
        if meant is None:
            which = "of which no version is in force" if each.version is None else "which is not in force"
            label = each.name if each.version is None else f"{each.name}:{each.version}"
            command = f"segments release model {each.name} {each.version or 'VERSION'}"
            found.append(f"{each.segment} asks model {label}, {which}: {command}")
        elif each.calibrated and not meant.calibrated:
            found.append(
                f"{each.segment} asks for calibrated scores, and {meant.label} has none: train it with calibrate"
            )
    return list(dict.fromkeys(found))


def refuse_unknown(definitions: Definitions, models: Models, source: str, where: str) -> None:
    """Raise DefinitionErrors with every model that definitions ask and that is not in `where`, a models.yaml."""
    known = {each.name: each for each in models.models}
    problems = []
    for each in asked_by(definitions):
        model, field = known.get(each.name), f"segment {each.segment}, model"
        if model is None:
            close = difflib.get_close_matches(each.name, known, 1)
            hint = f"did you mean '{close[0]}'?" if close else f"there are: {', '.join(known)}"
            problems.append(Problem(source, 1, field, f"{where} has no model '{each.name}'", hint))
        elif model.features is None:
            message = f"'{each.name}' reads a table; segments ask models that read features of events"
            problems.append(Problem(source, 1, field, message, "train one with features"))
        elif each.calibrated and (model.classify is None or model.classify.calibrate == "none"):
            message = f"calibrated scores are asked of '{each.name}', which is not calibrated"
            problems.append(Problem(source, 1, field, message, f"give it classify.calibrate in {where}"))
    if problems:
        raise DefinitionErrors(list(dict.fromkeys(problems)))


def pinned(definitions: str, versions: Mapping[str, ModelVersion]) -> str:
    """Return definitions in which the models of these names, where no version is given, are asked by these versions.

    >>> churn = ModelVersion("churn", 4, "classify", {}, "", "", challenger=True)
    >>> print(pinned("segments: [{name: a, when: {model: {name: churn, gte: 0.7}}}]", {"churn": churn}), end="")
    segments:
    - name: a
      when:
        model:
          name: churn
          gte: 0.7
          version: 4
    """
    content = yaml.safe_load(definitions)
    for segment in content["segments"]:
        for place in ("when", "exit_when"):
            _pin(segment.get(place), versions)
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)


def _pin(condition: Any, versions: Mapping[str, ModelVersion]) -> None:
    if isinstance(condition, list):
        for each in condition:
            _pin(each, versions)
    elif isinstance(condition, dict):
        asked = condition.get("model")
        if isinstance(asked, dict) and asked.get("name") in versions:
            asked.setdefault("version", versions[asked["name"]].version)
        for inner in ("all", "any", "not"):
            _pin(condition.get(inner), versions)
