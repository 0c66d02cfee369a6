"""Which way an event can move a condition: what can only confirm a membership is not judged."""

import pytest

from segments.changes import Change
from segments.conditions.base import Answer
from segments.conditions.effects import FALLS, RISES, RISES_UNLESS_DUE, UNKNOWN, Effect
from segments.conditions.session import MOVED, STARTED
from segments.definitions import parse_definitions
from segments.engine import Engine
from segments.plan import Plan
from segments.profile import Profile

DAY = 86_400_000

Effects = dict[str, Effect]  # by the role of the input: all conditions below read one feature, but for sessions


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
    ("operator", "expected", "opposite"),
    [
        ("gt", RISES, FALLS),
        ("gte", RISES, FALLS),
        ("lt", FALLS, RISES),
        ("lte", FALLS, RISES),
        ("eq", UNKNOWN, UNKNOWN),
    ],
)
def test_a_number_of_events_only_rises(operator: str, expected: Effect, opposite: Effect) -> None:
    assert effects(compared(operator, "count", within="1h")) == {"": expected}
    assert effects(compared(operator, "distinct", property="p", within="1h")) == {"": expected}
    assert effects(compared(operator, "lifetime", of="count")) == {"": expected}
    assert effects(f"{{score: {{points: {{Buy: 0, View: 2}}, {operator}: 1}}}}") == {"": expected}
    assert effects(f"{{not: {compared(operator, 'count', within='1h')}}}") == {"": opposite}


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
def test_a_threshold_is_moved_as_its_number_is(number: str, expected: Effect) -> None:
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


def test_where_only_the_first_of_all_has_instants_who_waits_for_one_is_not_asked() -> None:
    first, second = "{recency: {event: Buy, not_within: 2h}}", "{count: {event: View, within: 1h, gte: 1}}"

    def found(conditions: str, more: str = "") -> set[Effect]:
        made = f"segments: [{{name: s, when: {conditions}{more}}}, {{name: p, when: {second}}}]"
        (rule,) = (rule for rule in Plan(parse_definitions(made)).rules if rule.name == "s")
        return set(rule.effects.values())

    moved = (False, False, True)  # it falls, and its instant moves
    assert found(f"{{all: [{first}, {second}]}}") == {moved, RISES_UNLESS_DUE}
    assert found(f"{{all: [{first}, {second}, {{trait: {{name: t, eq: 1}}}}]}}") == {moved, RISES_UNLESS_DUE, UNKNOWN}
    assert found(f"{{all: [{second}, {first}]}}") == {FALLS, RISES}, "the first may end by itself, and the due with it"
    assert found(f"{{all: [{first}, {second}, {first}]}}") == {FALLS, RISES}
    assert found(f"{{any: [{{all: [{first}, {second}]}}, {second}]}}") == {FALLS, RISES}
    assert found(f"{{all: [{{all: [{first}, {second}]}}, {second}]}}") == {FALLS, RISES}
    assert found(f"{{not: {{all: [{first}, {second}]}}}}") == {RISES, FALLS}
    assert found(f"{{all: [{first}, {second}]}}", ", parent: p") == {FALLS, RISES}
    assert found(f"{{all: [{first}, {second}]}}", ", min_dwell: 1h") == {FALLS, RISES}


def test_an_event_asks_nothing_of_who_is_outside_until_an_instant_by_another_condition() -> None:
    """A user who ordered may lapse in 60 days: the views until then only keep up what is so anyway."""
    lapsed = "{all: [{recency: {event: Order, not_within: 60d}}, {recency: {event: any, within: 30d}}]}"
    engine = Engine(Plan(parse_definitions(f"segments: [{{name: lapsed, when: {lapsed}}}]")))
    (rule,), profile, asked, changes = engine.plan.rules, Profile(), list[int](), list[Change]()
    plain = rule.plain
    assert plain is not None

    def counting(profile: Profile, now: int) -> Answer:
        asked.append(now)
        return plain(profile, now)

    rule.plain = counting
    for day, name in enumerate(["View", "View", "Order", *["View"] * 30, *["Other"] * 40], start=1):
        engine.apply(profile, engine.plan.decoder.made("u", name, day * DAY), changes)
    assert [(change.action, change.at) for change in changes] == [("entered", 63 * DAY)]
    assert asked == [3 * DAY, 63 * DAY, 93 * DAY]  # the order, the instant, and from there when that ends


def test_a_membership_is_judged_with_its_segment_not_by_events() -> None:
    plan = Plan(
        parse_definitions("segments: [{name: a, when: {segment: b}}, {name: b, when: {trait: {name: t, eq: 1}}}]")
    )
    assert {rule.name: dict(rule.effects) for rule in plan.rules}["a"] == {}
