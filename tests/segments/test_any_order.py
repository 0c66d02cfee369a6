"""Events within the allowed lateness, in whatever order they come: the end is that of the events in order."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from segments.changes import Change
from segments.control import Release
from segments.definitions import parse_definitions
from segments.engine import Engine
from segments.plan import Plan
from segments.processor import Processor
from segments.profile import Profile, decode_profile, encode_profile
from segments.timeline import Timeline, timeline_of
from tests import strategies
from tests.oracle import oracle
from tests.oracle.records import records
from tests.segments.support import TIME_LIMIT_S, examples
from tests.vocabulary import MINUTE, STARTS

DAY = 24 * 60 * MINUTE
USER = "u1"
Definitions = dict[str, Any]
Events = list[tuple[int, dict[str, Any]]]
pytestmark = pytest.mark.timeout(TIME_LIMIT_S)


def engine_of(release: Release) -> Engine:
    return Engine(Plan(parse_definitions(release.definitions)), allowed_lateness=DAY)


def released(*versions: tuple[int, Definitions]) -> list[Release]:
    return [
        Release(number, at, yaml.safe_dump(definitions, sort_keys=False))
        for number, (at, definitions) in enumerate(versions, 1)
    ]


class Run:
    """A processor that is told releases, events and instants in any order, and restarted in between."""

    def __init__(self, releases: list[Release]) -> None:
        self.known = releases
        self.processor = Processor(timeline_of(releases, engine_of))
        self.changes: list[Change] = []

    def take(self, events: Events) -> None:
        """Apply events as they come."""
        for payload, written in records(events):
            self.changes += self.processor.process([payload], [written]).changes

    def restart(self) -> None:
        """Go on from what was saved."""
        saved = list(self.processor.profiles.all_of(0))
        self.processor = Processor(timeline_of(self.known, engine_of))
        self.processor.profiles.load(0, saved)

    def tick(self, until: int) -> None:
        """Let event time pass."""
        self.changes += self.processor.advance(until).changes
        while self.processor.sweeping:
            self.changes += self.processor.sweep(1).changes

    def release(self, release: Release) -> None:
        """Hear of a release."""
        self.known = [*self.known, release]
        assert self.processor.accept(release)

    def profile(self) -> Profile:
        """The profile but for what depends on arrival: how many changes were told, which messages were seen."""
        profile = decode_profile(encode_profile(self.processor.profiles.open(USER)))
        profile.seq, profile.seen = 0, b""
        return profile

    def told(self) -> dict[str, int]:
        """Since when the user is in which segment, as one knows who read the changes."""
        assert [change.seq for change in self.changes] == list(range(1, len(self.changes) + 1))
        standing: dict[str, int] = {}
        for change in self.changes:
            if change.action == "exited":
                del standing[change.segment]
            else:
                assert (change.segment in standing) == (change.action == "updated")
                standing[change.segment] = change.at
        return standing


def disturbed(run: Run, events: Events, span: range, data: st.DataObject) -> None:
    """Have a run take events in any order, restarted now and then, while event time comes to instants of the span."""
    for event in data.draw(st.permutations(events)):
        run.take([event])
        step = data.draw(st.integers(0, 5))
        if step == 0:
            run.restart()
        elif step == 1:
            run.tick(data.draw(st.integers(span.start, span.stop - 1)))


def one_a_millisecond(events: Events) -> Events:
    """Each event at an instant and with an id of its own: those of one instant would count in order of arrival."""
    return [
        (t + number, {**event, "timestamp": t + number, "messageId": f"m{number}"})
        for number, (t, event) in enumerate(events)
    ]


@examples(50, 5_000)
@given(strategies.definitions(), strategies.timelines(), st.data())
def test_any_permutation_ends_in_the_same_profile_and_memberships(
    definitions: Definitions, timeline: strategies.Timeline, data: st.DataObject
) -> None:
    events, releases = one_a_millisecond(timeline.events), released((0, definitions))
    straight, shuffled = Run(releases), Run(releases)
    straight.take(events)
    disturbed(shuffled, events, range(events[0][0], timeline.until + 1), data)
    for run in (straight, shuffled):
        run.tick(timeline.until + 1_000)
    assert shuffled.profile() == straight.profile()
    assert shuffled.told() == straight.told()


def two_versions(first: Definitions, second: Definitions) -> tuple[Definitions, Definitions]:
    """Definitions of which the second need no aggregate that the first do not keep.

    The first also have the second's segments, under other names; the second give some of those to the first's names.
    """
    names = {segment["name"]: f"z_{segment['name']}" for segment in second["segments"]}
    copies = _renamed(second["segments"], names)
    whole = {**first, "segments": [*first["segments"], *copies]}
    return whole, {**first, "segments": second["segments"]}


def _renamed(node: Any, names: dict[str, str]) -> Any:
    if isinstance(node, list):
        return [_renamed(each, names) for each in node]
    if isinstance(node, dict):
        return {
            key: names[value] if key in ("name", "segment", "parent") and value in names else _renamed(value, names)
            for key, value in node.items()
        }
    return node


@examples(50, 5_000)
@given(strategies.definitions(), strategies.definitions(), strategies.timelines(disorder=True), st.data())
def test_a_release_in_the_middle_is_what_the_oracle_says(
    one: Definitions, other: Definitions, timeline: strategies.Timeline, data: st.DataObject
) -> None:
    first, second = two_versions(one, other)
    times = [t for t, _ in timeline.events]
    at = data.draw(st.integers(min(times) - 1, timeline.until) | st.sampled_from(times))
    expected = oracle.changes(first, timeline.events, timeline.until, DAY, [(at, second)])
    run = Run(released((0, first), (at, second)))
    run.take(timeline.events)
    run.tick(timeline.until)
    assert [oracle.Change(change.at, change.segment, change.action) for change in run.changes] == expected


@examples(50, 5_000)
@given(strategies.definitions(), strategies.definitions(), strategies.timelines(), st.data())
def test_a_release_may_be_heard_of_at_any_time_before_its_instant(
    one: Definitions, other: Definitions, timeline: strategies.Timeline, data: st.DataObject
) -> None:
    events = one_a_millisecond(timeline.events)
    times = [t for t, _ in events]
    at = data.draw(st.integers(min(times) - 1, timeline.until) | st.sampled_from(times))
    before, after = released((0, one), (at, other))
    straight, running = Run([before, after]), Run([before])
    straight.take(events)
    heard = data.draw(st.integers(0, sum(t < at for t in times)))
    running.take(events[:heard])
    running.tick(min(at - 1, events[heard - 1][0]) if heard else 0)
    running.release(after)
    disturbed(running, events[heard:], range(events[0][0], timeline.until + 1), data)
    for run in (straight, running):
        run.tick(timeline.until + 1_000)
    assert running.profile() == straight.profile()
    assert running.told() == straight.told()


@pytest.mark.parametrize("heard", ["before", "between"])
def test_nobody_sees_a_release_that_was_taken_back_before_its_instant(heard: str) -> None:
    seen = {"name": "seen", "when": {"recency": {"event": "Order", "within": "1h"}}}
    other = {"name": "other", "when": {"recency": {"event": "Order", "within": "2h"}}}
    start, at = STARTS[0], STARTS[0] + MINUTE
    first, bad, again = released((0, {"segments": [seen]}), (at, {"segments": [other]}), (at, {"segments": [seen]}))
    run = Run([first, bad, again] if heard == "before" else [first])
    run.take([(start, {"type": "track", "event": "Order", "userId": USER, "timestamp": start})])
    if heard == "between":
        run.release(bad)
        run.release(again)
    run.tick(at + MINUTE)
    assert [(each.segment, each.action, each.at) for each in run.changes] == [("seen", "entered", start)]
    assert run.profile().release == 3


def test_a_timeline_of_one_engine_always_holds() -> None:
    engine = Engine(Plan(parse_definitions("segments: [{name: seen, when: {recency: {event: any, within: 1h}}}]")))
    timeline = Timeline.of(engine)
    assert timeline.engine(timeline.release_at(0)) is timeline.engine(timeline.newest) is engine


def test_what_only_later_definitions_refuse_counts_under_those_of_its_time() -> None:
    segments = [{"name": "seen", "when": {"recency": {"event": "Order", "within": "1h"}}}]
    spender = {"name": "spender", "when": {"sum": {"event": "Order", "property": "price", "within": "1h", "gt": 1}}}
    start = STARTS[0]
    releases = released((0, {"segments": segments}), (start + MINUTE, {"segments": [*segments, spender]}))
    processor = Processor(timeline_of(releases, engine_of))
    events = [
        (at, {"type": "track", "event": "Order", "userId": USER, "timestamp": at, "properties": {"price": "five"}})
        for at in (start, start + MINUTE)
    ]
    told = records(events)
    outcome = processor.process([payload for payload, _ in told], [written for _, written in told])
    assert (outcome.applied, [place for place, _ in outcome.rejected]) == (1, [1])
