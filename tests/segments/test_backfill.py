"""What a release lacks is found, stands still while it is filled in, and is then what it would always have been."""

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from segments.backfill import Backfill, Knowledge, backfill_of, fill
from segments.changes import Change
from segments.control import Filled, Release
from segments.definitions import DefinitionErrors, parse_definitions
from segments.engine import Engine
from segments.plan import Plan
from segments.profile import Profile, decode_profile, encode_profile, mover
from tests import strategies
from tests.oracle.records import records
from tests.segments.support import examples
from tests.strategies import Timeline
from tests.vocabulary import MINUTE, STARTS

WEEK = 7 * 24 * 60 * MINUTE
OTHER = "segments: [{name: other, when: {count: {event: Other, within: 1m, gte: 1}}}]"


def plan_of(text: str, **options: Any) -> Plan:
    return Plan(parse_definitions(text), **options)


def lacks(new: str, old: str | None = None) -> Backfill:
    return lacking(plan_of(new), plan_of(old or OTHER))


def lacking(plan: Plan, before: Plan) -> Backfill:
    """What a plan lacks that follows another one, which always held."""
    knowledge = Knowledge()
    knowledge.after(Release(1, 0, ""), before)
    return knowledge.after(Release(2, 0, ""), plan)[0]


ONE_DAY = "{count: {event: Order, within: 1d, gte: 1}}"
WEEKLY = "{count: {event: Order, within: 7d, gte: 3}}"
LOST = "{absence: {after: Add, of: Order, within: 1d%s}}"
VIEWED = "{sequence: {steps: [View, Order], within: 7d}}"
SPENT = "{lifetime: {of: sum, property: total, event: Order, gte: 100}}"


@pytest.mark.parametrize(
    ("new", "old", "warming", "reach"),
    [
        (f"segments: [{{name: a, backfill: replay, when: {WEEKLY}}}]", None, {"a": 1}, WEEK),
        (f"segments: [{{name: a, when: {WEEKLY}}}]", None, {}, 0),
        (f"backfill: replay\nsegments: [{{name: a, when: {LOST % ', lasts: 6d'}}}]", None, {"a": 1}, WEEK),
        (f"backfill: replay\nsegments: [{{name: a, when: {LOST % ''}}}]", None, {"a": 1}, None),
        (f"backfill: replay\nsegments: [{{name: a, when: {VIEWED}}}]", None, {"a": 1}, WEEK),
        (f"backfill: replay\nsegments: [{{name: a, when: {WEEKLY}}}]", None, {"a": 1}, WEEK),
        (f"backfill: replay\nsegments: [{{name: a, backfill: from_now, when: {WEEKLY}}}]", None, {}, 0),
        (f"backfill: replay\nsegments: [{{name: a, when: {SPENT}}}]", None, {"a": 1}, None),
        (  # the same aggregate, kept for longer
            f"backfill: replay\nsegments: [{{name: a, version: 5, when: {WEEKLY}}}]",
            f"segments: [{{name: a, version: 4, when: {ONE_DAY}}}]",
            {"a": 4},
            WEEK,
        ),
        (  # the same aggregate, kept for less
            f"backfill: replay\nsegments: [{{name: b, when: {ONE_DAY}}}]",
            f"segments: [{{name: a, when: {WEEKLY}}}]",
            {},
            0,
        ),
        (  # what is unknown is of a segment that does not ask for it
            f"segments: [{{name: a, backfill: replay, when: {ONE_DAY}}}, {{name: b, when: {SPENT}}}]",
            f"segments: [{{name: a, when: {WEEKLY}}}]",
            {},
            0,
        ),
        (  # who refers to a warming segment waits for it
            f"""segments:
              - {{name: c, when: {{not: {{segment: b}}}}}}
              - {{name: b, when: {{segment: a}}}}
              - {{name: a, backfill: replay, when: {WEEKLY}}}
              - {{name: d, when: {ONE_DAY}}}""",
            None,
            {"a": 1, "b": 1, "c": 1},
            WEEK,
        ),
    ],
)
def test_what_a_release_lacks(new: str, old: str | None, warming: dict[str, int], reach: int | None) -> None:
    found = lacks(new, old)
    assert (dict(found.warming), found.reach, bool(found)) == (warming, reach, bool(warming))


def test_only_what_is_lacking_is_filled_in() -> None:
    new = f"backfill: replay\nsegments: [{{name: a, when: {ONE_DAY}}}, {{name: b, when: {SPENT}}}]"
    plan = plan_of(new)
    found = lacks(new, f"segments: [{{name: a, when: {ONE_DAY}}}]")
    assert [plan.features[number].key for number in found.features] == ["total|Order|total"]


def test_a_wrong_word_is_an_error_with_its_line() -> None:
    with pytest.raises(DefinitionErrors, match=r"<text>:3: .*'replay' or 'from_now'"):
        parse_definitions(f"segments:\n  - name: a\n    backfill: relpay\n    when: {ONE_DAY}\n")


def event(plan: Plan, at: int) -> Any:
    payload = f'{{"type": "track", "event": "Order", "userId": "u", "timestamp": {at}, "properties": {{"total": 60}}}}'
    return plan.decoder.decode(payload.encode())


def test_while_it_warms_members_stay_and_nobody_enters() -> None:
    text = f"segments: [{{name: a, version: 2, when: {ONE_DAY}}}, {{name: b, when: {SPENT}}}]"
    start, changes = STARTS[0], list[Change]()
    before, warming = plan_of(text), plan_of(text, warming={"a": 1, "b": 1})
    profile = Profile()
    Engine(before).apply(profile, event(before, start), changes)
    assert [(change.segment, change.action) for change in changes] == [("a", "entered")]
    engine = Engine(warming)
    engine.apply(profile, event(warming, start + 1), changes)
    engine.advance("u", profile, start + WEEK, changes)
    assert len(changes) == 1
    current = engine.memberships("u", profile).segments
    assert {name: (one.segment_version, one.since) for name, one in current.items()} == {"a": (1, start)}
    assert profile.features[before.feature(next(iter(warming.features.values())))] == [start, start + 1][-1:]


def run(engine: Engine, timeline: Timeline, profile: Profile, first: int, last: int) -> None:
    """Apply the events of `first` up to and without `last` (ms)."""
    for (at, _), (payload, written) in zip(timeline.events, records(timeline.events), strict=True):
        if first <= at < last:
            engine.apply(profile, engine.plan.decoder.decode(payload, written), [])


def values(plan: Plan, profile: Profile, now: int) -> dict[str, Any]:
    """What all conditions say, those aside that ask about memberships."""
    return {
        rule.name: [each for each in rule.because(profile, now, entered=True) if "in segment" not in each.condition]
        for rule in plan.rules
    }


@examples(150, 5_000)
@given(strategies.definitions(), strategies.definitions(), strategies.timelines(), st.data())
def test_filled_in_states_are_those_of_a_run_from_the_start(
    old: dict[str, Any], new: dict[str, Any], timeline: Timeline, data: st.DataObject
) -> None:
    instants = st.sampled_from(sorted({at + more for at, _ in timeline.events for more in (0, 1)}))
    cut, released = sorted((data.draw(instants), data.draw(instants)))
    end = timeline.until + 1
    new = {**new, "backfill": "replay"}
    plan = plan_of(yaml.safe_dump(new))
    before = plan_of(yaml.safe_dump({**new, "segments": old["segments"]}))
    wanted = lacking(plan, before)
    still = plan_of(yaml.safe_dump(new), warming={rule.name: 1 for rule in plan.rules})

    live = Profile()
    run(Engine(before), timeline, live, 0, released)
    mover(before.layout, plan.layout)(live)
    run(Engine(still), timeline, live, released, end)

    filled = Profile()
    run(Engine(still), timeline, filled, 0, cut)  # the side job
    filled = decode_profile(encode_profile(filled))
    run(Engine(still), timeline, filled, cut, end)  # what the worker kept

    always = Profile()
    run(Engine(still), timeline, always, 0, end)
    fill(plan, wanted, live.features, filled.features, 0)
    for now in (timeline.until, timeline.until + MINUTE, timeline.until + 4 * MINUTE + 1):
        assert values(plan, live, now) == values(plan, always, now)


@pytest.mark.parametrize(
    ("when", "kept", "filled", "joined"),
    [
        ("count: {event: Order, within: 1h, gte: 3}", [1, 2, 3], [30, 40], [3, 30, 40]),
        (
            "sum: {event: Order, property: total, within: 1h, gte: 3}",
            ([1, 30], [5, 6]),
            ([30, 40], [6, 7]),
            ([1, 30, 40], [5, 6, 7]),
        ),
        (
            "distinct: {event: Order, property: sku, within: 1h, gte: 3}",
            {"a": 1, "b": 2},
            {"b": 30},
            {"a": 1, "b": 30},
        ),
        (
            "absence: {after: Add, of: Order, per: cart, within: 1h, lasts: 1h}",
            [7, {"a": [5, 0], "c": [20, 0]}],
            [6, {"b": [30, 0]}],
            [7, {"a": [5, 0], "b": [30, 0]}],
        ),
        (
            "sequence: {steps: [View, Order], per: sku, within: 1h}",
            [7, {"a": [5, 5], "c": [20, 20]}],
            [6, {"b": [30, 30]}],
            [7, {"a": [5, 5], "b": [30, 30]}],
        ),
    ],
)
def test_older_than_the_recorded_events_stays_what_was_kept(when: str, kept: Any, filled: Any, joined: Any) -> None:
    plan = plan_of(f"segments: [{{name: a, backfill: replay, when: {{{when}}}}}]")
    states = {1: kept}
    fill(plan, lacking(plan, plan_of(OTHER)), states, {1: filled}, since=20)
    assert states == {1: joined}


MONTH = "count: {event: Order, within: 30d, gte: 3}"
EVER = "lifetime: {of: count, event: Order, gte: 3}"
BEGAN = STARTS[0]


@pytest.mark.parametrize(
    ("when", "later", "refills", "is_lacking"),
    [
        (MONTH, WEEK, True, True),
        (MONTH, 5 * WEEK, True, False),  # by then it holds all of its window
        (EVER, 5 * WEEK, True, True),
        (EVER, WEEK, False, False),  # a release of before that was so
    ],
)
def test_what_began_with_a_release_is_lacking_until_its_window_is_full(
    when: str, later: int, refills: bool, is_lacking: bool
) -> None:
    plan = plan_of(f"segments: [{{name: a, when: {{{when}}}}}]")
    replays = plan_of(f"segments: [{{name: a, backfill: replay, when: {{{when}}}}}]")
    knowledge = Knowledge()
    knowledge.after(Release(1, 0, ""), plan_of(OTHER))
    assert not knowledge.after(Release(2, BEGAN, ""), plan)[0]
    assert not knowledge.after(Release(3, BEGAN + 1, "", refills=True), plan)[0], "nobody asks for it"
    found, _ = knowledge.after(Release(4, BEGAN + later, "", refills=refills), replays)
    assert (dict(found.warming), set(found.begun.values())) == (({"a": 1}, {BEGAN}) if is_lacking else ({}, set()))
    if is_lacking:
        owed, _ = knowledge.after(Release(5, BEGAN + later + 1, ""), replays)
        assert owed == found, "whatever comes meanwhile"
        completion = Release(6, BEGAN + later + 2, "", filled=Filled(5, 1, BEGAN + later + 1, 0, (), 0))
        assert knowledge.after(completion, replays) == (Backfill(), owed)
        assert not knowledge.after(Release(7, BEGAN + later + 3, "", refills=True), replays)[0], "it is whole now"


@pytest.mark.parametrize(("since", "expected"), [(BEGAN, 7), (BEGAN + 1, 5)])
def test_a_number_stays_that_is_known_from_further_back_than_the_recorded_events(since: int, expected: int) -> None:
    plan = plan_of(f"segments: [{{name: a, backfill: replay, when: {{{EVER}}}}}]")
    (number,) = plan.features
    states = {number: 5}
    fill(plan, backfill_of(plan, {number: BEGAN}, {}), states, {number: 7}, since)
    assert states == {number: expected}
