"""Bounds that move: the engine makes exactly the oracle's changes, whenever a bound comes to be known."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segments.changes import Change
from segments.control import Thresholds
from segments.engine import Engine
from segments.plan import Plan
from segments.processor import Processor
from tests import strategies
from tests.oracle import oracle
from tests.oracle.records import records
from tests.segments.support import examples, parsed
from tests.segments.test_against_oracle import DAY, plain
from tests.strategies import Timeline

Bounds = list[tuple[int, float | None]]
Definitions = dict[str, Any]


def processor(definitions: Definitions) -> Processor:
    return Processor(Engine(Plan(parsed(definitions))))


def tell(running: Processor, version: int, starts: int, bound: float | None) -> None:
    keys = running.population.thresholds
    assert (
        running.accept(Thresholds(version, starts, dict.fromkeys(keys, bound), dict.fromkeys(keys, 1_000))) or not keys
    )


def known_before(definitions: Definitions, timeline: Timeline, bounds: Bounds) -> list[Change]:
    running = processor(definitions)
    for version, (starts, bound) in enumerate(bounds, 1):
        tell(running, version, starts, bound)
    made = records(timeline.events)
    changes = running.process([payload for payload, _ in made], [written for _, written in made]).changes
    return changes + running.advance(timeline.until).changes


@st.composite
def cases(draw: st.DrawFn, made: st.SearchStrategy, *, disorder: bool = False) -> tuple[Definitions, Timeline, Bounds]:
    timeline = draw(strategies.timelines(disorder=disorder))
    return draw(made), timeline, draw(strategies.bounds(timeline))


@pytest.mark.parametrize("disorder", [False, True], ids=["in order", "in disorder"])
def test_bounds_that_are_known_before(disorder: bool) -> None:
    @examples(150, 3_000, shrunk=True)
    @given(cases(strategies.plain_definitions("threshold"), disorder=disorder))
    def compare(case: tuple[Definitions, Timeline, Bounds]) -> None:
        definitions, timeline, bounds = case
        expected = oracle.changes(definitions, timeline.events, timeline.until, bounds=bounds)
        assert plain(known_before(definitions, timeline, bounds)) == expected

    compare()


@pytest.mark.parametrize("disorder", [False, True], ids=["in order", "in disorder"])
def test_bounds_under_nested_conditions_references_and_modifiers(disorder: bool) -> None:
    @examples(150, 5_000)
    @given(cases(strategies.definitions(), disorder=disorder))
    def compare(case: tuple[Definitions, Timeline, Bounds]) -> None:
        definitions, timeline, bounds = case
        expected = oracle.changes(definitions, timeline.events, timeline.until, bounds=bounds)
        assert plain(known_before(definitions, timeline, bounds)) == expected

    compare()


@pytest.mark.parametrize("made", [strategies.plain_definitions("threshold"), strategies.definitions()])
def test_a_bound_may_come_to_be_known_at_any_time_before_it_takes_effect(made: st.SearchStrategy) -> None:
    @examples(150, 3_000)
    @given(cases(made), st.data())
    def compare(case: tuple[Definitions, Timeline, Bounds], data: st.DataObject) -> None:
        definitions, timeline, bounds = case
        expected = known_before(definitions, timeline, bounds)
        running, told, changes = processor(definitions), 0, []
        for (t, _), (payload, written) in zip(timeline.events, records(timeline.events), strict=True):
            while told < len(bounds) and (bounds[told][0] <= t or data.draw(st.booleans())):
                told += 1
                tell(running, told, *bounds[told - 1])
                changes += running.sweep(data.draw(st.integers(0, 1))).changes
            changes += running.process([payload], [written]).changes
        for version, (starts, bound) in enumerate(bounds[told:], told + 1):
            tell(running, version, starts, bound)
        changes += running.sweep(10).changes
        assert running.sweeping == 0
        changes += running.advance(timeline.until).changes
        assert changes == expected

    compare()


@examples(100, 2_000)
@given(cases(strategies.plain_definitions("threshold")), st.data())
def test_a_bound_that_comes_late_ends_in_the_same_memberships(
    case: tuple[Definitions, Timeline, Bounds], data: st.DataObject
) -> None:
    definitions, timeline, bounds = case
    horizon = timeline.until + DAY
    running, changes = processor(definitions), []
    late = data.draw(st.integers(0, len(timeline.events)))
    made = records(timeline.events)
    for payload, written in made[:late]:
        changes += running.process([payload], [written]).changes
    for version, (starts, bound) in enumerate(bounds, 1):
        tell(running, version, starts, bound)
    for payload, written in made[late:]:
        changes += running.process([payload], [written]).changes
    changes += running.sweep(10).changes + running.advance(horizon).changes
    known = processor(definitions)
    for version, (starts, bound) in enumerate(bounds, 1):
        tell(known, version, starts, bound)
    known.process([payload for payload, _ in made], [written for _, written in made])
    known.advance(horizon)
    inside = [set(each.engine.memberships("u1", each.profiles.open("u1")).segments) for each in (running, known)]
    assert inside[0] == inside[1]
    assert [change.seq for change in changes] == list(range(1, len(changes) + 1))
    assert [change.at for change in changes] == sorted(change.at for change in changes)
