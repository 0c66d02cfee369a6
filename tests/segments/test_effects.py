"""Which way an event can move a condition: what can only confirm a membership is not judged."""

import pytest

from segments.conditions.base import FALLS, RISES, UNKNOWN
from segments.conditions.session import MOVED, STARTED
from segments.definitions import parse_definitions
from segments.plan import Plan

Effects = dict[str, int]  # by the role of the input: all conditions below read one feature, but for sessions


def effects(condition: str) -> Effects:
    (rule,) = Plan(parse_definitions(f"segments: [{{name: s, when: {condition}}}]")).rules
    roles = {role: effect for (_, role), effect in rule.effects.items()}
    assert len(roles) == len(rule.effects)
    return roles


def compared(operator: str, kind: str, **more: str) -> str:
    """A condition of this kind over `Buy` whose value is compared with 1."""
    arguments = {"event": "Buy", **more, operator: "1"}
    return f"{{{kind}: {{{', '.join(f'{name}: {value}' for name, value in arguments.items())}}}}}"


@pytest.mark.parametrize(
    ("operator", "expected"), [("gt", RISES), ("gte", RISES), ("lt", FALLS), ("lte", FALLS), ("eq", UNKNOWN)]
)
def test_a_number_of_events_only_rises(operator: str, expected: int) -> None:
    assert effects(compared(operator, "count", within="1h")) == {"": expected}
    assert effects(compared(operator, "distinct", property="p", within="1h")) == {"": expected}
    assert effects(compared(operator, "lifetime", of="count")) == {"": expected}
    assert effects(f"{{score: {{points: {{Buy: 0, View: 2}}, {operator}: 1}}}}") == {"": expected}
    assert effects(f"{{not: {compared(operator, 'count', within='1h')}}}") == {"": -expected}


@pytest.mark.parametrize("operator", ["gt", "gte", "lt", "lte", "eq"])
def test_one_more_amount_lets_only_the_extremes_move_one_way(operator: str) -> None:
    for kind in ("sum", "avg", "min", "max"):
        rises = (kind, operator) in {("max", "gt"), ("max", "gte"), ("min", "lt"), ("min", "lte")}
        assert effects(compared(operator, kind, property="p", within="1h")) == {"": RISES if rises else UNKNOWN}
        assert effects(compared(operator, "lifetime", of=kind, property="p")) == {"": RISES if rises else UNKNOWN}


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("{count: {event: Buy, within: 1h}}", RISES),
        ("{distinct: {event: Buy, property: p, within: 1h}}", RISES),
        ("{sum: {event: Buy, property: p, within: 1h}}", UNKNOWN),
        ("{max: {event: Buy, property: p, within: 1h}}", RISES),
        ("{lifetime: {of: count, event: Buy}}", RISES),
        ("{lifetime: {of: min, event: Buy, property: p}}", UNKNOWN),
        ("{lifetime: {of: max, event: Buy, property: p}}", RISES),
        ("{score: {points: {Buy: 0, View: 2}}}", RISES),
        ("{score: {points: {Buy: 2, Return: -1}}}", UNKNOWN),
    ],
)
def test_a_threshold_is_moved_as_its_number_is(number: str, expected: int) -> None:
    assert effects(f"{{threshold: {{of: {number}, percentile: 80}}}}") == {"": expected}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("{score: {points: {Buy: 2, Return: -1}, gt: 1}}", {"": UNKNOWN}),
        ("{score: {points: {Buy: 2}, half_life: 1h, gt: 1}}", {"": RISES}),
        ("{recency: {event: Buy, within: 1h}}", {"": RISES}),
        ("{recency: {event: Buy, not_within: 1h}}", {"": FALLS}),
        ("{recency: {event: Buy, which: first, within: 1h}}", {"": UNKNOWN}),
        ("{sequence: {steps: [View, Buy], within: 1h}}", {"": RISES}),
        ("{sequence: {steps: [View, Buy, {not: Drop, within: 1m}], within: 1h}}", {"": UNKNOWN}),
        ("{absence: {after: Add, of: Buy, within: 1h}}", {"after": UNKNOWN, "of": FALLS}),
        ("{session: {of: duration, gte: 1h}}", {STARTED: UNKNOWN, MOVED: RISES}),
        ("{session: {of: duration, lt: 1h}}", {STARTED: UNKNOWN, MOVED: FALLS}),
        ("{session: {of: count, event: Buy, gte: 1}}", {STARTED: UNKNOWN, "": RISES}),
        ("{session: {of: sum, event: Buy, property: p, gte: 1}}", {STARTED: UNKNOWN, "": UNKNOWN}),
        ("{trait: {name: plan, eq: gold}}", {"": UNKNOWN}),
        ("{local_time: {hours: '09:00-17:00'}}", {"": UNKNOWN}),
    ],
)
def test_each_input_has_its_effect(condition: str, expected: Effects) -> None:
    assert effects(condition) == expected


@pytest.mark.parametrize(
    ("steps", "judged"),
    [
        ("[View, Buy]", ["Buy"]),
        ("[View, Add, View]", ["View"]),
        ("[View, {not: Drop}, {event: Buy, where: {p: 1}}]", ["Buy"]),
        ("[View, Buy, {not: Drop, within: 1m}]", ["View", "Buy", "Drop"]),
        ("[any, Buy]", ["View", "Add", "Buy", "Drop", "Other"]),
    ],
)
def test_a_sequence_is_judged_when_an_event_can_complete_it(steps: str, judged: list[str]) -> None:
    plan = Plan(parse_definitions(f"segments: [{{name: s, when: {{sequence: {{steps: {steps}, within: 1h}}}}}}]"))
    events = [plan.decoder.made("u", name, 1) for name in ("View", "Add", "Buy", "Drop", "Other")]
    assert [event.name for event in events if plan.route(event).judged] == judged


def test_a_condition_names_the_features_that_move_it_each_once() -> None:
    absence, count = "{absence: {after: Add, of: Buy, within: 1h}}", compared("gte", "count", within="this_day")
    plan = Plan(parse_definitions(f"segments: [{{name: s, when: {{all: [{absence}, {count}]}}}}]"))
    read = [[plan.condition(feature) for feature in fact.features] for fact in plan.rules[0].facts]
    assert read == [["pending|Add|Buy|"], ["log|Buy", "latest context|timezone"]]


def test_what_two_conditions_move_both_ways_is_unknown() -> None:
    rises, falls = compared("gte", "count", within="1h"), compared("lt", "count", within="1h")
    for combine in ("all", "any"):
        assert effects(f"{{{combine}: [{rises}, {rises}]}}") == {"": RISES}
        assert effects(f"{{{combine}: [{rises}, {falls}]}}") == {"": UNKNOWN}
        assert effects(f"{{{combine}: [{falls}, {falls}, {falls}]}}") == {"": FALLS}


def test_a_membership_is_judged_with_its_segment_not_by_events() -> None:
    plan = Plan(
        parse_definitions("segments: [{name: a, when: {segment: b}}, {name: b, when: {trait: {name: t, eq: 1}}}]")
    )
    assert {rule.name: dict(rule.effects) for rule in plan.rules}["a"] == {}
