"""`parent:`: who follows the changes one by one never sees a child without its parent, whatever moved them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from segments.changes import Change
from segments.control import ControlRecord, Release, Thresholds
from segments.definitions import DefinitionErrors, parse_definitions
from segments.engine import Engine
from segments.explain import explain
from segments.plan import Plan
from segments.processor import Processor
from segments.replay import replay
from segments.shadow import definitions_of, in_one_plan
from segments.shadow_names import in_shadow, plain_name
from segments.timeline import timeline_of
from tests import strategies
from tests.oracle.records import records
from tests.segments.support import TIME_LIMIT_S, examples, parsed
from tests.vocabulary import MINUTE

pytestmark = pytest.mark.timeout(TIME_LIMIT_S)
DAY = 24 * 60 * MINUTE
START = 1_795_341_600_000
Definitions = dict[str, Any]
ORDER = {"type": "track", "event": "Order", "userId": "u1", "timestamp": START}


@st.composite
def hierarchies(draw: st.DrawFn) -> Definitions:
    """Two to five segments, each but the first inside one of those before it, in any order in the file."""
    made: list[dict[str, Any]] = []
    for name in ("alpha", "beta", "gamma", "delta", "epsilon")[: draw(st.integers(2, 5))]:
        known = tuple(segment["name"] for segment in made)
        inner = strategies.conditions(known, 1)
        segment = draw(strategies.segments(name, inner, inner))
        made.append(segment | ({"parent": draw(st.sampled_from(known))} if known else {}))
    return draw(strategies.file_of(draw(st.permutations(made))))


def parents_of(definitions: Definitions) -> dict[str, str]:
    return {segment["name"]: segment["parent"] for segment in definitions["segments"] if "parent" in segment}


def follow(changes: Iterable[Change], *hierarchies: Mapping[str, str]) -> None:
    """Apply changes one by one: each member of a child is in the parent that one of the hierarchies gives it."""
    inside: set[str] = set()
    for number, change in enumerate(changes, 1):
        assert change.seq == number
        if change.action == "exited":
            inside.remove(change.segment)
        else:
            inside.add(change.segment)
        for name in inside:
            parents = [each.get(name) for each in hierarchies]
            assert any(parent is None or parent in inside for parent in parents), (number, name, inside)


@examples(150, 10_000)
@given(hierarchies(), strategies.timelines(disorder=True))
def test_no_child_without_its_parent_in_any_order_of_events(
    definitions: Definitions, timeline: strategies.Timeline
) -> None:
    told: list[ControlRecord] = [Release(1, 0, yaml.safe_dump(definitions, sort_keys=False)), Thresholds(1, 0, {}, {})]
    follow(replay(told, records(timeline.events), until=timeline.until), parents_of(definitions))


@examples(60, 5_000)
@given(hierarchies(), strategies.timelines(), st.data())
def test_no_child_without_its_parent_when_bounds_move(
    definitions: Definitions, timeline: strategies.Timeline, data: st.DataObject
) -> None:
    keys = Plan(parsed(definitions)).thresholds
    bounds = [
        Thresholds(version, at, dict.fromkeys(keys, bound), dict.fromkeys(keys, 1_000))
        for version, (at, bound) in enumerate(data.draw(strategies.bounds(timeline)), 1)
    ]
    told: list[ControlRecord] = [Release(1, 0, yaml.safe_dump(definitions, sort_keys=False)), *bounds]
    follow(replay(told, records(timeline.events), until=timeline.until), parents_of(definitions))


@examples(100, 5_000)
@given(hierarchies(), hierarchies(), strategies.timelines(disorder=True), st.data())
def test_over_a_release_each_child_has_its_old_or_its_new_parent(
    one: Definitions, other: Definitions, timeline: strategies.Timeline, data: st.DataObject
) -> None:
    at = data.draw(st.sampled_from([t for t, _ in timeline.events]))
    texts = [yaml.safe_dump(each, sort_keys=False) for each in (one, other)]
    told: list[ControlRecord] = [Release(1, 0, texts[0]), Release(2, at, texts[1]), Thresholds(1, 0, {}, {})]
    made = replay(told, records(timeline.events), until=timeline.until)
    follow(made, parents_of(one), parents_of(other))


@examples(100, 5_000)
@given(hierarchies(), strategies.timelines())
def test_no_segment_flips_twice_at_one_instant_of_time_alone(
    definitions: Definitions, timeline: strategies.Timeline
) -> None:
    told: list[ControlRecord] = [Release(1, 0, yaml.safe_dump(definitions, sort_keys=False)), Thresholds(1, 0, {}, {})]
    made = replay(told, records(timeline.events), until=timeline.until)
    flips = [(change.segment, change.at) for change in made if change.cause.kind == "timer"]
    assert len(set(flips)) == len(flips)


def swapped(first: str, second: str, until: int = 0) -> list[Change]:
    releases = [Release(1, 0, first), Release(2, START + MINUTE, second)]
    processor = Processor(timeline_of(releases, lambda each: Engine(Plan(definitions_of(each)))))
    changes = processor.process([payload for payload, _ in records([(START, ORDER)])], [None]).changes
    return changes + processor.advance(until or START + MINUTE).changes + sweep(processor)


def sweep(processor: Processor) -> list[Change]:
    made: list[Change] = []
    while processor.sweeping:
        made += processor.sweep(10).changes
    return made


def test_a_child_goes_from_one_parent_to_another_without_a_gap() -> None:
    first = """segments:
      - {name: old, when: {count: {event: Order, within: 1h, gte: 1}}}
      - {name: child, parent: old, when: {count: {event: Order, within: 1h, gte: 1}}}"""
    second = """segments:
      - {name: new, when: {count: {event: Order, within: 1h, gte: 1}}}
      - {name: child, parent: new, when: {count: {event: Order, within: 1h, gte: 1}}}"""
    told = [(change.segment, change.action) for change in swapped(first, second)]
    assert told == [("old", "entered"), ("child", "entered"), ("new", "entered"), ("old", "exited")]


def test_a_parent_and_its_child_that_are_both_removed_are_left_child_first() -> None:
    first = """segments:
      - {name: other, when: {recency: {event: any, within: 1h}}}
      - {name: parent, when: {count: {event: Order, within: 1h, gte: 1}}}
      - {name: child, parent: parent, when: {count: {event: Order, within: 1h, gte: 1}}}"""
    second = "\n".join(first.splitlines()[:2])
    told = [(change.segment, change.action) for change in swapped(first, second)[3:]]
    assert told == [("child", "exited"), ("parent", "exited")]


HIERARCHY = """segments:
  - {name: child, parent: above, exit_when: {count: {event: Refund, within: 1h, gte: 1}},
     when: {count: {event: Order, within: 2h, gte: 1}}}
  - {name: above, when: {count: {event: Order, within: 1h, gte: 1}}}"""


def test_reasons_and_explanations_show_the_parent_as_a_condition() -> None:
    definitions = parse_definitions(HIERARCHY)
    payload = records([(START, ORDER)])
    entered, left = (change for change in replay(definitions, payload, until=START + DAY) if change.segment == "child")
    assert [(each.condition, each.expected, each.value, each.holds) for each in entered.because] == [
        ("in segment above", "yes", True, True),
        ("count of Order in 2h", ">= 1", 1, True),
    ]
    assert entered.next_change_at == left.at == START + 60 * MINUTE
    assert [(each.condition, each.holds) for each in left.because] == [
        ("in segment above", False),
        ("count of Refund in 1h", False),
    ]
    child = next(each for each in explain(definitions, payload, "u1").segments if each.segment == "child")
    assert [each.condition for each in child.conditions] == ["in segment above", "count of Order in 2h"]


def problems(text: str) -> list[str]:
    with pytest.raises(DefinitionErrors) as refused:
        parse_definitions(text, "f.yaml")
    return [str(problem) for problem in refused.value.problems]


def test_a_parent_that_does_not_exist_is_an_error_at_its_line() -> None:
    (problem,) = problems(HIERARCHY.replace("parent: above", "parent: abov"))
    assert problem == "f.yaml:2: child: no segment is named 'abov' (did you mean 'above'?)"


def test_a_circle_of_parents_and_references_is_an_error() -> None:
    text = HIERARCHY.replace("when: {count: {event: Order, within: 1h, gte: 1}}", "when: {segment: child}")
    (problem,) = problems(text)
    assert "segments refer to each other in a circle: child -> above -> child" in problem
    (problem,) = problems(HIERARCHY.replace("parent: above", "parent: child"))
    assert "segments refer to each other in a circle: child -> child" in problem


def test_in_the_shadow_a_child_is_inside_the_parent_that_the_shadow_has() -> None:
    live = parse_definitions(HIERARCHY)
    changed_parent = parse_definitions(HIERARCHY.replace("within: 1h, gte: 1}}}", "within: 3h, gte: 1}}}"))
    names = [segment.name for segment in in_one_plan(live, changed_parent).segments]
    assert sorted(names) == ["above", "above@shadow", "child", "child@shadow"], "a child differs with its parent"
    assert Plan(in_one_plan(live, changed_parent)).parents["child@shadow"] == "above@shadow"
    changed_child = parse_definitions(HIERARCHY.replace("within: 2h", "within: 3h"))
    assert Plan(in_one_plan(live, changed_child)).parents["child@shadow"] == "above", "its parent is only live"


@examples(60, 5_000)
@given(hierarchies(), hierarchies(), strategies.timelines())
def test_the_shadows_readers_see_no_child_without_its_parent(
    live: Definitions, shadow: Definitions, timeline: strategies.Timeline
) -> None:
    shadow = {**live, "segments": shadow["segments"]}
    both = in_one_plan(parsed(live), parsed(shadow))
    parents = Plan(both).parents
    processor = Processor(Engine(Plan(both)))
    inside: set[str] = set()
    payloads = records(timeline.events)
    outcome = processor.process([payload for payload, _ in payloads], [None] * len(payloads))
    for change in outcome.changes + processor.advance(timeline.until).changes:
        (inside.remove if change.action == "exited" else inside.add)(change.segment)
        assert all(parents.get(name, name) in inside for name in inside if in_shadow(parents.get(name, "")))
    assert all(parents.get(name, name) in inside for name in inside)
    assert {plain_name(name) for name in parents} <= {each["name"] for each in live["segments"] + shadow["segments"]}


def test_a_warming_child_leaves_with_its_parent_and_says_why() -> None:
    definitions = parse_definitions(HIERARCHY)
    processor = Processor(Engine(Plan(definitions)))
    processor.process([payload for payload, _ in records([(START, ORDER)])], [None])
    profile = processor.profiles.open("u1")
    warming = Engine(Plan(definitions, warming={"child": 1}))
    changes: list[Change] = []
    warming.advance("u1", profile, START + DAY, changes)
    assert [(change.segment, change.action) for change in changes] == [("child", "exited"), ("above", "exited")]
    assert [(each.condition, each.holds) for each in changes[0].because] == [("in segment above", False)]
