"""A feature set compiled into a plan: the input of a model for a profile at an instant, and what identifies it."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from segments.conditions.base import Builder
from segments.definitions.errors import DefinitionErrors, Problem
from segments.definitions.model import Definitions
from segments.definitions.paths import property_paths
from segments.models.spec import FeatureSet
from segments.models.values import Scalar, Value, compile_feature
from segments.profile import Profile

Vector = tuple[Scalar, ...]
_Column = tuple[int, Callable[[Profile, int], Scalar]]  # its place, and what gives its value


class Features:
    """The columns of a model's input, in order; training and the job ask this same object.

    >>> from segments.definitions import parse_definitions
    >>> from segments.plan import Plan
    >>> of = FeatureSet.model_validate({"features": [{"name": "pages", "count": {"event": "any", "within": "1d"}}]})
    >>> text = "segments: [{name: seen, when: {recency: {event: any, within: 1h}}}]"
    >>> plan = Plan(parse_definitions(text), feature_sets={"visitor": of})
    >>> plan.models["visitor"].vector(Profile(), 1795341600000)
    (0,)
    """

    def __init__(self, values: Iterable[Value]) -> None:
        self.values = tuple(values)
        self.names = tuple(value.name for value in self.values)
        self.numbers = tuple(value.name for value in self.values if value.kind == "number")
        self.categories = tuple(value.name for value in self.values if value.kind == "category")
        nobody, asked = Profile(), dict[int | None, list[_Column]]()
        for place, value in enumerate(self.values):
            asked.setdefault(value.feature, []).append((place, value.of))
        self._always = asked.pop(None, [])
        self._where_known = [(feature, columns) for feature, columns in asked.items() if feature is not None]
        self._nobody = [value.of(nobody, 0) for value in self.values]

    def vector(self, profile: Profile, at: int) -> Vector:
        """Return a user's values at `at` (ms), which is not before the profile's newest event; None is unknown."""
        known, values = profile.features, self._nobody.copy()
        for place, of in self._always:
            values[place] = of(profile, at)
        for feature, columns in self._where_known:  # most users lack most of what can be known
            if feature in known:
                for place, of in columns:
                    values[place] = of(profile, at)
        return tuple(values)


def compile_features(spec: FeatureSet, builder: Builder) -> Features:
    """Compile a feature set; raises DefinitionErrors when two columns have one name."""
    features = Features(value for feature in spec.features for value in compile_feature(feature, builder))
    twice = [name for name, count in Counter(features.names).items() if count > 1]
    if twice:
        message = f"two features make a column '{twice[0]}'"
        raise DefinitionErrors([Problem("models", 1, "features", message, "rename one of them")])
    return features


def feature_hash(spec: FeatureSet, definitions: Definitions, property_types: Mapping[str, str]) -> str:
    """Return what identifies the numbers that a feature set makes: its features and what they depend on, as 16 digits.

    What else the definitions say does not count; `property_types` are those of their plan.
    """
    read = property_paths(spec)
    meaning: dict[str, Any] = {
        "features": [feature.model_dump(mode="json", exclude_unset=True, by_alias=True) for feature in spec.features],
        "timezone": definitions.timezone,
        "week_starts": definitions.week_starts,
        "session_gap": definitions.session.gap,
        "properties": {path: property_types[path] for path in sorted(read) if path in property_types},
    }
    canonical = json.dumps(meaning, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def known_paths(sets: Iterable[FeatureSet]) -> dict[str, set[str]]:
    """Return the paths of traits and of the context that feature sets read."""
    found: dict[str, set[str]] = {"context": set(), "trait": set()}
    for each in sets:
        for feature in each.features:
            kind, arguments = feature.kind()
            if kind in found:
                found[kind].add(arguments.path)
    return found


def without_segments(definitions: Definitions, property_types: Mapping[str, str]) -> Definitions:
    """Return definitions that say how events are read and sessions cut, with no segment to judge."""
    return definitions.model_copy(update={"segments": [], "properties": dict(property_types)})
