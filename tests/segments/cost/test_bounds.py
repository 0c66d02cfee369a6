"""What a definition guarantees holds whatever events come: the largest states that events can make fit the bounds."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given

from segments.cost import features_of, state_bound
from segments.cost.bounds import KINDS, bound_of
from segments.cost.metered import MeteredPlan
from segments.definitions import load_definitions, parse_definitions
from segments.engine import Engine
from segments.processor import Processor
from segments.profile import Profile, encode_profile
from tests import strategies
from tests.conftest import ROOT
from tests.oracle.records import records
from tests.segments.support import examples, parsed
from tests.strategies import Timeline

T0 = 1_795_341_600_000
LONG = "\U0001f9e5" * 300  # four bytes a character, cut to 256 characters
BASE = 330  # bytes of a profile in which no segment has anything
CONDITIONS: dict[str, tuple[float, int]] = {  # what part of its bound the worst events here fill at least
    "count: {event: X, within: 9d, gte: 300}": (0.9, 300),
    "sum: {event: X, property: price, within: 9d, gte: 3}": (0.9, 1_100),
    "distinct: {event: X, property: text, within: 9d, gte: 30}": (0.9, 50),
    "absence: {after: X, of: Y, within: 9d, per: text}": (0.8, 50),
    "sequence: {steps: [X, Y], within: 9d, per: text}": (0.8, 1_000),
    "sequence: {steps: [X, {not: Y, within: 8d}], within: 9d, per: text}": (0.7, 1_000),
    "sequence: {steps: [X, {not: Y, within: 8d}], within: 9d}": (0.9, 50),
    "trait: {name: many, exists: true}": (0.9, 2),
    "recency: {event: X, within: 9d}": (0.5, 2),
    "session: {of: sum, event: X, property: price, gte: 3}": (0.3, 50),
    "lifetime: {of: avg, event: X, property: price, gte: 3}": (0.3, 50),
    "lifetime: {of: count, event: X, gte: 3}": (0.1, 50),
    "score: {points: {X: 3.5}, half_life: 9d, gte: 3}": (0.5, 50),
}


def worst(number: int) -> dict[str, Any]:
    """An event whose parts are as long as they may be."""
    return {
        "type": "track",
        "event": "X",
        "userId": "u",
        "timestamp": T0 + number,
        "properties": {"price": 1e12, "text": f"{number % 40}{LONG}"},
        "traits": {"many": [[LONG] * 64, *[LONG] * 90]},
    }


@pytest.mark.parametrize("condition", CONDITIONS)
def test_the_worst_events_fit_the_bound_and_nearly_fill_it(condition: str) -> None:
    filled, number = CONDITIONS[condition]
    definitions = parse_definitions(f"segments: [{{name: a, when: {{{condition}}}}}]")
    plan = MeteredPlan(definitions)
    processor = Processor(Engine(plan))
    processor.process([json.dumps(worst(n)).encode() for n in range(number)], [T0] * number)
    profile = processor.profiles.open("u")
    features = features_of(definitions.segments[0], definitions)
    bound = sum(map(bound_of, features.values()))
    size = sum(1 + len(msgspec.msgpack.encode(profile.features[plan.feature_ids[key]])) for key in features)
    assert filled * bound <= size <= bound
    assert len(encode_profile(profile)) <= BASE + state_bound(definitions.segments[0], definitions)


def test_every_condition_of_the_shipped_definitions_has_a_bound() -> None:
    definitions = load_definitions(ROOT / "conf" / "segments.yaml")
    assert all(0 < state_bound(segment, definitions) <= 262_144 for segment in definitions.segments)


def test_every_kind_of_feature_has_a_bound() -> None:
    named = {kind.__name__ for kind in KINDS}
    files = (ROOT / "segments" / "features").glob("*.py")
    found = {name for file in files for name in _features_in(file)}
    assert found == named


def _features_in(file: Path) -> set[str]:
    parts = file.read_text(encoding="utf-8").split("\nclass ")[1:]
    return {part.partition(":")[0].partition("(")[0] for part in parts if "def inputs" in part} - {"Feature"}


@examples(100, 3_000)
@given(strategies.definitions(), strategies.timelines(disorder=True))
def test_no_profile_is_larger_than_all_bounds_together(definitions: dict[str, Any], timeline: Timeline) -> None:
    model = parsed(definitions)
    processor = Processor(Engine(MeteredPlan(model)))
    made = records(timeline.events)
    processor.process([payload for payload, _ in made], [at for _, at in made])
    profile = processor.profiles.open("u1") if processor.profiles.has("u1") else Profile()
    assert len(encode_profile(profile)) <= BASE + sum(state_bound(segment, model) for segment in model.segments)


def test_what_a_segment_refers_to_is_not_its_own() -> None:
    text = yaml.safe_dump(
        {
            "segments": [
                {"name": "a", "when": {"count": {"event": "X", "within": "1d", "gte": 9}}},
                {"name": "b", "when": {"segment": "a"}},
            ]
        }
    )
    definitions = parse_definitions(text)
    assert features_of(definitions.segments[1], definitions) == {}
