"""A release with `backfill: replay` in the middle of a stream ends where a run ends that always had its definitions."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from segments.backfill_chunks import Chunk, Handed, chunks_of, collected, decode_chunk, encode_chunk
from segments.changes import Change
from segments.control import Filled, Release
from segments.definitions import parse_definitions
from segments.engine import Engine
from segments.explain import explain
from segments.plan import Plan
from segments.processor import Processor
from segments.profile import Layout
from segments.timeline import timeline_of
from tests import strategies
from tests.oracle import oracle
from tests.oracle.records import records
from tests.segments.support import TIME_LIMIT_S, examples
from tests.vocabulary import MINUTE, STARTS

DAY = 24 * 60 * MINUTE
Definitions = dict[str, Any]
Events = list[tuple[int, dict[str, Any]]]
pytestmark = pytest.mark.timeout(TIME_LIMIT_S)


class Run:
    """A processor that is told releases, chunks, events and instants, and restarted in between."""

    def __init__(self, first: Release, lateness: int = DAY) -> None:
        self._lateness = lateness
        self._told: list[Release] = [first]
        self.chunks: list[Chunk] = []
        self.changes: list[Change] = []
        self.processor = Processor(timeline_of(self._told, self._engine))

    def _engine(self, release: Release) -> Engine:
        return Engine(Plan(parse_definitions(release.definitions)), allowed_lateness=self._lateness)

    def take(self, events: Events) -> None:
        for payload, written in records(events):
            self.changes += self.processor.process([payload], [written]).changes

    def release(self, release: Release) -> None:
        self._told.append(release)
        assert self.processor.accept(release)

    def hand(self, chunk: Chunk) -> None:
        self.chunks.append(decode_chunk(encode_chunk(chunk)))
        assert self.processor.hand(self.chunks[-1])
        assert not self.processor.hand(self.chunks[-1])

    def restart(self) -> None:
        saved = list(self.processor.profiles.all_of(0))
        self.processor = Processor(timeline_of(self._told[:1], self._engine))
        for release in self._told[1:]:
            self.processor.accept(release)
        for chunk in self.chunks:
            self.processor.hand(chunk)
        self.processor.profiles.load(0, saved)

    def tick(self, until: int) -> None:
        self.changes += self.processor.advance(until).changes
        while self.processor.sweeping:
            self.changes += self.processor.sweep(1).changes

    def members(self) -> set[tuple[str, str]]:
        """Who is in what, as one knows who read the changes."""
        inside: set[tuple[str, str]] = set()
        for change in self.changes:
            (inside.discard if change.action == "exited" else inside.add)((change.user_id, change.segment))
        return inside


@st.composite
def plain_definitions(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Segments in which a user is for what is so now, whatever was before: no modifiers."""
    made: list[dict[str, Any]] = []
    for name in ("alpha", "beta", "gamma")[: draw(st.integers(1, 3))]:
        when = draw(strategies.conditions(tuple(each["name"] for each in made), 1))
        made.append({"name": name, "when": when})
    return made


def one_a_millisecond(events: Events) -> Events:
    return [
        (t + number, {**event, "timestamp": t + number, "messageId": f"m{number}"})
        for number, (t, event) in enumerate(events)
    ]


def text(definitions: Definitions) -> str:
    return yaml.safe_dump(definitions, sort_keys=False)


def side_job(run: Run, release: int, definitions: str, events: Events, cut: int) -> tuple[list[Chunk], Filled]:
    """What a side job hands over that read the events before the cut, no further back than what is lacking reaches."""
    parsed = parse_definitions(definitions)
    still = Engine(Plan(parsed, warming={segment.name: 1 for segment in parsed.segments}))
    lacking = run.processor.timeline.backfills.lacking(release)
    first = 0 if lacking.reach is None else cut - lacking.reach
    by_user: dict[str, list[tuple[bytes, int]]] = {}
    for (at, event), record in zip(events, records(events), strict=True):
        if at >= first:
            by_user.setdefault(event["userId"], []).append(record)
    found = collected(still, lacking, by_user.values(), cut)
    chunks = list(chunks_of(release, 1, 0, still.plan.layout, found))
    return chunks, Filled(release, 1, cut, first, (len(chunks),), len(by_user))


@examples(200, 5_000)
@given(plain_definitions(), plain_definitions(), strategies.timelines(), st.data())
def test_it_ends_as_if_it_had_always_been_so(
    old: list[Definitions], new: list[Definitions], timeline: strategies.Timeline, data: st.DataObject
) -> None:
    assert_as_always(old, new, timeline, data)


def assert_as_always(
    old: list[Definitions], new: list[Definitions], timeline: strategies.Timeline, data: st.DataObject
) -> None:
    """Release the new segments anywhere among the events; once completed they have the members they always had."""
    events = one_a_millisecond(timeline.events)
    file = data.draw(strategies.file_of(new))
    before, after = text({**file, "segments": old}), text({**file, "backfill": "replay"})
    instants = st.integers(events[0][0] - 1, timeline.until) | st.sampled_from([at for at, _ in events])
    began, released, complete = sorted((data.draw(instants), data.draw(instants), data.draw(instants)))
    lateness = data.draw(st.sampled_from((DAY, 0)))
    always, run = Run(Release(1, 0, after), lateness), Run(Release(1, 0, before), lateness)

    heard = data.draw(st.integers(0, sum(at < began for at, _ in events)))
    run.take(events[:heard])
    number = 2
    if data.draw(st.booleans()):  # first without what was before, which then is asked for
        run.release(Release(2, began, text(file)))
        number = 3
    run.release(Release(number, released, after, refills=True))
    warming = set(run.processor.timeline.backfills.lacking(number).warming)
    so_far = len(run.changes)
    arriving = data.draw(st.permutations(events[heard:])) if lateness else events[heard:]
    in_time = next((place for place, (at, _) in enumerate(arriving) if at >= complete), len(arriving))
    told = data.draw(st.integers(0, in_time))
    run.take(arriving[:told])
    assert [each for each in run.changes[so_far:] if each.segment in warming and each.at >= released] == []

    chunks, filled = side_job(run, number, after, events, released)
    handed: list[Release | Chunk] = [Release(number + 1, complete, after, action="backfill", filled=filled), *chunks]
    for record in data.draw(st.permutations(handed)) if warming else []:
        if isinstance(record, Release):
            run.release(record)
        else:
            run.hand(record)
    for event in arriving[told:]:
        run.take([event])
        if data.draw(st.integers(0, 5)) == 0:
            run.restart()
    always.take(events)
    for until in (timeline.until + 1_000, timeline.until + 2 * MINUTE, timeline.until + 7 * MINUTE):
        run.tick(until)
        always.tick(until)
        assert run.members() == always.members()


@st.composite
def longer(draw: st.DrawFn) -> tuple[list[Definitions], list[Definitions]]:
    """Segments that ask what profiles keep, and the same ones that ask further back."""
    short, long = "1m", draw(st.sampled_from(("4m", "10m", "30m")))
    windows = {"count": "within", "sum": "within", "distinct": "within", "sequence": "within", "absence": "lasts"}
    kind = draw(st.sampled_from([*windows, "absence", "absence"]))
    found = draw(strategies.conditions_of(kind))[kind]
    if kind == "sequence":
        short, long = "4m", "30m"
    wider = found | {windows[kind]: long}
    if kind == "absence" and draw(st.booleans()):
        wider.pop("lasts")  # open for ever
    old = [{"name": "alpha", "when": {kind: found | {windows[kind]: short}}}]
    stays = [{**old[0], "backfill": "from_now"}] if draw(st.booleans()) else []
    return old, [*stays, {"name": "beta", "when": {kind: wider}}]


@examples(300, 5_000)
@given(longer(), strategies.timelines(), st.data())
def test_what_must_reach_further_back_ends_as_if_it_always_had(
    versions: tuple[list[Definitions], list[Definitions]], timeline: strategies.Timeline, data: st.DataObject
) -> None:
    assert_as_always(*versions, timeline, data)


OLD = "segments: [{name: active, when: {count: {event: Order, within: 1h, gte: 1}}}]"
NEW = """backfill: replay
segments:
  - {name: active, when: {count: {event: Order, within: 1h, gte: 1}}}
  - {name: loyal, when: {lifetime: {of: count, event: Order, gte: 3}}}"""
START = STARTS[0]
RELEASED, COMPLETE = START + 10 * MINUTE, START + 20 * MINUTE


def order(at: int, user: str = "u1", cart: str | None = None) -> tuple[int, dict[str, Any]]:
    made: dict[str, Any] = {
        "type": "track",
        "event": "Order",
        "userId": user,
        "messageId": f"{user}{at}",
        "timestamp": at,
    }
    return at, made if cart is None else made | {"properties": {"cart": cart}}


def released_run(lateness: int = 0) -> Run:
    run = Run(Release(1, 0, OLD), lateness)
    run.take([order(START), order(START + 1)])
    run.release(Release(2, RELEASED, NEW))
    run.tick(RELEASED)
    return run


def hand_all(run: Run, events: Events) -> Filled:
    chunks, filled = side_job(run, 2, NEW, events, RELEASED)
    for chunk in chunks:
        run.hand(chunk)
    return filled


def completion(filled: Filled) -> Release:
    return Release(3, COMPLETE, NEW, action="backfill", filled=filled)


LOST = "absence: {after: Add, of: Order, within: 1m, per: cart, lasts: %s}"
SHORT = "segments: [{name: lost, when: {" + LOST % "2m" + "}}]"
LONG = "backfill: replay\nsegments: [{name: lost, version: 2, when: {" + LOST % "30m" + "}}]"


def add(minute: int, cart: str) -> tuple[int, dict[str, Any]]:
    at, made = order(START + minute * MINUTE, cart=cart)
    return at, made | {"event": "Add"}


def lost_carts(before: Events, after: Events, recorded: Events, since: int = 0) -> list[tuple[str, int, int]]:
    """What follows from a release after which a lost cart counts for half an hour instead of two minutes."""
    run = Run(Release(1, 0, SHORT), 0)
    run.take(before)
    run.release(Release(2, RELEASED, LONG))
    run.take(after)
    chunks, filled = side_job(run, 2, LONG, recorded, RELEASED)
    for chunk in chunks:
        run.hand(chunk)
    since = max(filled.since, since)
    run.release(Release(3, COMPLETE, LONG, action="backfill", filled=structs.replace(filled, since=since)))
    run.tick(COMPLETE + 30 * MINUTE)
    return [(each.action, each.at, each.segment_version) for each in run.changes]


def test_carts_that_no_absence_saw_any_more_come_back_from_the_replay() -> None:
    before, ordered = [add(0, "a"), add(4, "b"), add(8, "c")], order(START + 12 * MINUTE, cart="c")
    always = oracle.changes(yaml.safe_load(LONG), [*before, ordered], COMPLETE + 30 * MINUTE)
    told = lost_carts(before, [ordered], before)
    assert told[-1] == (always[-1].action, always[-1].at, 2) == ("exited", START + 35 * MINUTE, 2)
    assert all(at <= RELEASED for _, at, _ in told[:-1]), "the user, lost cart c, stays in for cart b"


def test_a_cart_from_before_the_recorded_events_stays_what_it_was() -> None:
    before, ordered = [add(8, "kept"), add(9, "recorded")], order(START + 12 * MINUTE, cart="recorded")
    told = lost_carts(before, [ordered], before[1:], since=START + 9 * MINUTE)
    assert told[-1] == ("exited", START + 39 * MINUTE, 2)


def test_everybody_is_judged_at_the_instant_of_completion() -> None:
    run = released_run()
    run.take([order(RELEASED + 1)])
    run.release(completion(hand_all(run, [order(START), order(START + 1)])))
    run.tick(COMPLETE + 5)
    (change,) = [change for change in run.changes if change.segment == "loyal"]
    assert (change.action, change.at, change.cause.kind) == ("entered", COMPLETE, "definition")
    assert change.because[0].value == 3


def test_explain_says_what_is_warming_and_then_counts_what_was_filled_in() -> None:
    run, events = released_run(), [order(START), order(START + 1), order(RELEASED + 1)]
    filled = hand_all(run, events)
    told = [Release(1, 0, OLD), Release(2, RELEASED, NEW), completion(filled)]
    found = {}
    for at in (COMPLETE - 1, COMPLETE):
        explanation = explain(told, records(events), "u1", at=at, handed=run.chunks)
        found[at] = next(each for each in explanation.segments if each.segment == "loyal")
    assert (found[COMPLETE - 1].warming, found[COMPLETE - 1].inside) == (True, False)
    assert (found[COMPLETE].warming, found[COMPLETE].inside, found[COMPLETE].since) == (False, True, COMPLETE)
    (condition,) = found[COMPLETE].conditions
    assert (condition.value, len(condition.events)) == (3, 3)


def test_who_has_no_profile_gets_one() -> None:
    run = released_run()
    recorded = [order(START), order(START + 1), *(order(START + number, "silent") for number in range(3))]
    run.release(completion(hand_all(run, recorded)))
    run.tick(COMPLETE)
    assert ("silent", "loyal") in run.members()
    assert ("u1", "loyal") not in run.members()


def test_a_completion_heard_of_late_gives_profiles_too() -> None:
    run = released_run()
    run.tick(COMPLETE + MINUTE)
    run.release(completion(hand_all(run, [order(START + number, "silent") for number in range(3)])))
    run.tick(COMPLETE + MINUTE)
    assert ("silent", "loyal") in run.members()


def test_a_completion_waits_for_all_that_was_handed_over_and_what_follows_waits_with_it() -> None:
    run = released_run()
    chunks, filled = side_job(run, 2, NEW, [order(START), order(START + 1), order(START + 2)], RELEASED)
    run.release(completion(filled))
    run.release(Release(4, COMPLETE + MINUTE, OLD))
    run.tick(COMPLETE + 2 * MINUTE)
    assert run.processor.timeline.newest == 2
    run.hand(chunks[0])
    assert run.processor.timeline.newest == 4


def test_when_no_late_event_can_ask_for_it_again_all_is_forgotten() -> None:
    run = released_run()
    run.take([order(RELEASED + 1 + number) for number in range(2_000)])
    recent, backfills = run.processor.profiles.recent, run.processor.timeline.backfills
    assert len(run.processor.timeline.backfills.kept("u1", RELEASED, COMPLETE)) == 2_000
    filled = hand_all(run, [order(START), order(START + 1)])
    run.release(completion(filled))
    run.tick(COMPLETE)
    assert (recent.keep_from, set(backfills.handed.users(filled))) == (RELEASED, {"u1"})
    run.tick(COMPLETE + DAY)
    run.tick(COMPLETE + 2 * DAY)
    assert (recent.keep_from, len(recent), set(backfills.handed.users(filled))) == (None, 0, set())


def test_another_release_begins_anew() -> None:
    run = released_run()
    run.release(Release(3, RELEASED + MINUTE, NEW.replace("loyal,", "loyal, description: those who come back,")))
    backfills = run.processor.timeline.backfills
    assert dict(backfills.lacking(3).warming) == {"loyal": 1}
    run.tick(COMPLETE + DAY)
    run.tick(COMPLETE + DAY + 1)
    assert run.processor.profiles.recent.keep_from == RELEASED + MINUTE
    run.release(Release(4, RELEASED + 2 * MINUTE, OLD))
    assert not backfills.lacking(4)
    run.tick(COMPLETE + 2 * DAY)
    run.tick(COMPLETE + 2 * DAY + 1)
    assert run.processor.profiles.recent.keep_from is None


def test_many_users_come_in_several_chunks() -> None:
    profiles = [(f"u{number}", b"x" * 100_000) for number in range(20)]
    chunks = list(chunks_of(2, 7, 5, Layout((1, 2)), profiles))
    assert [(chunk.index, len(chunk.profiles)) for chunk in chunks] == [(0, 8), (1, 8), (2, 4)]
    assert max(len(encode_chunk(chunk)) for chunk in chunks) < 1_000_000
    handed, filled = Handed(), Filled(2, 7, 0, 0, (0, 0, 0, 0, 0, 3), 20)
    for chunk in chunks[:2]:
        handed.take(chunk)
    assert not handed.is_whole(filled, [5])
    handed.take(chunks[2])
    assert handed.is_whole(filled, [0, 5])
    assert handed.of_shard(5) == chunks
    assert handed.of_shard(0) == []
    assert not handed.is_whole(Filled(2, 8, 0, 0, (1,), 1), [0])


def test_with_retention_nothing_is_filled_in_of_an_earlier_life() -> None:
    old, new = f"retention: 1d\n{OLD}", f"retention: 1d\n{NEW}"
    released = START + 3 * DAY
    run = Run(Release(1, 0, old), lateness=0)
    recorded = [order(START + number, user) for user in ("back", "gone") for number in range(3)]
    stays = [order(released - 10 + number, user) for user in ("here", "silent") for number in range(3)]
    run.take([*recorded, *stays[:3]])
    run.release(Release(2, released, new))
    run.tick(released)
    chunks, filled = side_job(run, 2, new, [*recorded, *stays], released)
    for chunk in chunks:
        run.hand(chunk)
    run.take([order(released + 1, "back")])
    run.release(Release(3, released + MINUTE, new, action="backfill", filled=filled))
    run.tick(released + MINUTE)
    loyal = [(each.user_id, each.seq > START) for each in run.changes if each.segment == "loyal"]
    assert sorted(loyal) == [("here", True), ("silent", True)]
    assert sorted(run.processor.profiles.users()) == ["back", "here", "silent"]
