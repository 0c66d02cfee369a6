"""Random definitions and timelines: the engine makes exactly the oracle's changes, however it is driven."""

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from segments.changes import Change, encode_change
from segments.control import ControlRecord, Release, Thresholds
from segments.engine import Engine
from segments.plan import Plan
from segments.processor import Processor
from segments.profiles import Profiles
from segments.replay import replay
from tests import strategies
from tests.oracle import oracle
from tests.oracle.records import records
from tests.segments.support import TIME_LIMIT_S, examples, parsed
from tests.strategies import LEAVES, Timeline
from tests.vocabulary import MINUTE

DAY = 24 * 60 * MINUTE
pytestmark = pytest.mark.timeout(TIME_LIMIT_S)
Definitions = dict[str, Any]


def replayed(definitions: Definitions, timeline: Timeline) -> list[Change]:
    """What a replay says that was told of no bounds, so that it does not look for its own."""
    told: list[ControlRecord] = [Release(1, 0, yaml.safe_dump(definitions, sort_keys=False)), Thresholds(1, 0, {}, {})]
    return list(replay(told, records(timeline.events), until=timeline.until))


def plain(changes: list[Change]) -> list[oracle.Change]:
    return [oracle.Change(change.at, change.segment, change.action) for change in changes]


def agree(definitions: Definitions, timeline: Timeline) -> None:
    expected = oracle.changes(definitions, timeline.events, timeline.until)
    made = replayed(definitions, timeline)
    assert plain(made) == expected
    assert [change.seq for change in made] == list(range(1, len(made) + 1))


@pytest.mark.parametrize("kind", LEAVES)
def test_each_kind_in_order(kind: str) -> None:
    @examples(60, 1_500, shrunk=True)
    @given(strategies.plain_definitions(kind), strategies.timelines())
    def compare(definitions: Definitions, timeline: Timeline) -> None:
        agree(definitions, timeline)

    compare()


@pytest.mark.parametrize("kind", LEAVES)
def test_each_kind_with_disorder(kind: str) -> None:
    @examples(60, 1_500, shrunk=True)
    @given(strategies.plain_definitions(kind), strategies.timelines(disorder=True))
    def compare(definitions: Definitions, timeline: Timeline) -> None:
        agree(definitions, timeline)

    compare()


@examples(300, 10_000)
@given(strategies.definitions(), strategies.timelines())
def test_nested_conditions_references_and_modifiers(definitions: Definitions, timeline: Timeline) -> None:
    agree(definitions, timeline)


@examples(100, 5_000)
@given(strategies.definitions(), strategies.timelines(disorder=True))
def test_nested_conditions_references_and_modifiers_with_disorder(definitions: Definitions, timeline: Timeline) -> None:
    agree(definitions, timeline)


def processor(definitions: Definitions, profiles: Profiles | None = None) -> Processor:
    return Processor(Engine(Plan(parsed(definitions))), profiles)


@examples(100, 2_000)
@given(strategies.definitions(), strategies.timelines(disorder=True), st.data())
def test_writing_and_reading_the_profile_anywhere_changes_nothing(
    definitions: Definitions, timeline: Timeline, data: st.DataObject
) -> None:
    cuts = data.draw(st.sets(st.integers(0, len(timeline.events)), max_size=4))
    running, made = processor(definitions), []
    for number, (payload, written) in enumerate([*records(timeline.events), (None, None)]):
        if number in cuts:
            profiles = Profiles()
            profiles.load(0, running.profiles.all_of(0))
            running = processor(definitions, profiles)
        if payload is not None:
            made += running.process([payload], [written]).changes
    made += running.advance(timeline.until).changes
    assert made == replayed(definitions, timeline)


@examples(100, 2_000)
@given(strategies.definitions(), strategies.timelines(), st.data())
def test_letting_time_pass_in_between_changes_nothing(
    definitions: Definitions, timeline: Timeline, data: st.DataObject
) -> None:
    running, made, newest = processor(definitions), [], timeline.events[0][0]
    for (t, _), (payload, written) in zip(timeline.events, records(timeline.events), strict=True):
        for _ in range(data.draw(st.integers(0, 2)) if t > newest else 0):
            made += running.advance(data.draw(st.integers(newest, t - 1))).changes
        made += running.process([payload], [written]).changes
        newest = t
    made += running.advance(timeline.until).changes
    assert made == replayed(definitions, timeline)


@examples(50, 1_000)
@given(strategies.definitions(), strategies.timelines(disorder=True))
def test_the_same_input_gives_the_same_bytes(definitions: Definitions, timeline: Timeline) -> None:
    first, second = (list(map(encode_change, replayed(definitions, timeline))) for _ in range(2))
    assert first == second


@examples(100, 2_000)
@given(strategies.definitions(), strategies.timelines(disorder=True, most=12))
def test_next_change_at_is_when_it_next_changes_by_itself(definitions: Definitions, timeline: Timeline) -> None:
    horizon = max(t for t, _ in timeline.events) + DAY
    *earlier, last = timeline.events
    superseded = len(replayed(definitions, Timeline(earlier, last[0] - 1)))
    made = replayed(definitions, Timeline(timeline.events, horizon))
    for number, change in enumerate(made[superseded:], start=superseded):
        following = [later.at for later in made[number + 1 :] if later.segment == change.segment]
        announced = [] if change.next_change_at is None else [change.next_change_at]
        assert following[:1] == [instant for instant in announced if instant <= horizon]
