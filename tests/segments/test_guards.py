"""A rule is not asked where its answer is known: nobody enters without a state of its guard."""

from __future__ import annotations

from pathlib import Path

import pytest

from segments.changes import Change
from segments.conditions.base import Answer
from segments.definitions import load_definitions, parse_definitions
from segments.engine import Engine
from segments.plan import Plan
from segments.profile import NEVER, Profile

SHIPPED = Path(__file__).parents[2] / "conf" / "segments.yaml"
INSTANTS = (1, 1_764_000_000_000, 1_800_000_000_000)


def guarded(condition: str) -> bool:
    plan = Plan(parse_definitions(f"segments: [{{name: s, when: {condition}}}]"))
    (rule,) = plan.rules
    return rule.guard is not None


@pytest.mark.parametrize("name", [rule.name for rule in Plan(load_definitions(SHIPPED)).rules])
def test_without_a_state_of_the_guard_a_shipped_rule_stays_false(name: str) -> None:
    (rule,) = [rule for rule in Plan(load_definitions(SHIPPED)).rules if rule.name == name]
    for now in INSTANTS:
        assert rule.guard is None or rule.decide(Profile(), False, 0, now) == (False, NEVER)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("{count: {event: A, within: 1h, gte: 1}}", True),
        ("{count: {event: A, within: 1h, lt: 1}}", False),
        ("{count: {event: any, within: 1h, gte: 1}}", False),
        ("{not: {count: {event: A, within: 1h, gte: 1}}}", False),
        ("{sum: {event: A, property: p, within: 1h, gte: 1}}", True),
        ("{sum: {event: A, property: p, within: 1h, gte: 0}}", False),
        ("{avg: {event: A, property: p, within: 1h, lt: 1}}", True),
        ("{distinct: {event: A, property: p, within: 1h, gte: 1}}", True),
        ("{distinct: {event: A, property: p, within: 1h, lt: 1}}", False),
        ("{lifetime: {of: count, event: A, gte: 1}}", True),
        ("{lifetime: {of: count, event: A, eq: 0}}", False),
        ("{lifetime: {of: sum, event: A, property: p, gte: 1}}", True),
        ("{lifetime: {of: min, event: A, property: p, lt: 1}}", True),
        ("{recency: {event: A, within: 1h}}", True),
        ("{recency: {event: A, not_within: 1h}}", True),
        ("{session: {of: count, event: A, gte: 1}}", True),
        ("{session: {of: count, event: A, lt: 1}}", False),
        ("{absence: {after: A, of: B, within: 1h}}", True),
        ("{sequence: {steps: [A, B], within: 1h}}", True),
        ("{threshold: {of: {count: {event: A, within: 1h}}, percentile: 80}}", True),
        ("{threshold: {of: {count: {event: A, within: 1h}}, percentile: 80, among: all}}", False),
        ("{threshold: {of: {max: {event: A, property: p, within: 1h}}, percentile: 80, among: all}}", True),
        ("{trait: {name: t, eq: 1}}", True),
        ("{trait: {name: t, ne: 1}}", False),
        ("{score: {points: {A: 1}, half_life: 1h, gt: 5}}", True),
        ("{score: {points: {A: 1}, lt: 5}}", False),
        ("{score: {points: {A: 1}, gt: 5}}", True),
        ("{all: [{count: {event: any, within: 1h, gte: 1}}, {count: {event: A, within: 1h, gte: 1}}]}", True),
        ("{any: [{count: {event: B, within: 1h, gte: 1}}, {count: {event: A, within: 1h, gte: 1}}]}", False),
        ("{any: [{count: {event: A, within: 1h, gte: 1}}, {count: {event: A, within: 2h, gte: 3}}]}", True),
    ],
)
def test_only_a_condition_that_needs_a_rare_feature_has_a_guard(condition: str, expected: bool) -> None:
    assert guarded(condition) is expected


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("{context: {path: device.type, eq: mobile}}", "mobile"),
        ("{trait: {name: t, exists: false}}", None),
        ("{trait: {name: t, exists: true}}", "nothing"),
        ("{trait: {name: t, eq: 1}}", "nothing"),  # True is equal to it in Python
        ("{trait: {name: t, eq: a, ne: b}}", "nothing"),
        ("{trait: {name: t, in: [a]}}", "nothing"),
        ("{not: {trait: {name: t, eq: a}}}", "nothing"),
        ("{all: [{recency: {event: any, within: 1h}}, {trait: {name: t, eq: a}}]}", "a"),
        ("{any: [{recency: {event: any, within: 1h}}, {trait: {name: t, eq: a}}]}", "nothing"),
        ("{any: [{trait: {name: t, eq: a}}, {all: [{trait: {name: t, eq: a}}, {trait: {name: u, eq: a}}]}]}", "a"),
    ],
)
def test_only_a_condition_that_one_value_makes_true_wants_it(condition: str, expected: str | None) -> None:
    (rule,) = Plan(parse_definitions(f"segments: [{{name: s, when: {condition}}}]")).rules
    assert (rule.wanted[1] if rule.wanted else "nothing") == expected


def test_a_rule_is_not_asked_about_who_has_another_value() -> None:
    condition = "{all: [{context: {path: device.type, eq: mobile}}, {lifetime: {of: count, event: any, gte: 2}}]}"
    plan = Plan(parse_definitions(f"segments: [{{name: s, when: {condition}}}]"))
    (rule,) = plan.rules
    asked, changes, profile, ask = list[int](), list[Change](), Profile(), rule.plain
    assert ask is not None

    def noting(profile: Profile, now: int) -> Answer:
        asked.append(now)
        return ask(profile, now)

    rule.plain = noting
    engine = Engine(plan)
    for second, device in enumerate(("desktop", "desktop", "mobile", "mobile", "desktop", "desktop"), 1_795_341_600):
        event = b'{"type": "page", "userId": "u", "timestamp": %d000, "context": {"device": {"type": "%b"}}}'
        engine.apply(profile, plan.decoder.decode(event % (second, device.encode())), changes)
    assert [(each.action, each.at // 1_000 - 1_795_341_600) for each in changes] == [("entered", 2), ("exited", 4)]
    assert [now // 1_000 - 1_795_341_600 for now in asked] == [2, 4]
