"""`retention:`: who is gone leaves all segments at the exact instant, is forgotten, and begins anew when back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from segments.changes import Change, encode_change
from segments.control import ControlRecord, Release, Thresholds
from segments.definitions import DefinitionErrors, parse_definitions
from segments.engine import Engine
from segments.explain import UnknownUser, explain
from segments.log_segment import decode_segment
from segments.plan import Plan
from segments.processor import Processor
from segments.profile import NEVER, Profile
from segments.profiles import Profiles
from segments.replay import Replay, replay
from segments.retention import GAP
from segments.shadow import definitions_of, in_one_plan
from segments.timeline import timeline_of
from tests import strategies
from tests.oracle import oracle
from tests.oracle.records import records
from tests.segments.support import TIME_LIMIT_S, examples
from tests.strategies import Timeline
from tests.vocabulary import MINUTE
from udfs.profile_log import ProfileLog

pytestmark = pytest.mark.timeout(TIME_LIMIT_S)
HOUR = 60 * MINUTE
DAY = 24 * HOUR
START = 1_795_341_600_000
Events = list[tuple[int, dict[str, Any]]]
SEEN = "segments: [{name: seen, when: {lifetime: {of: count, event: any, gte: 1}}}]"
FORGETTING = f"retention: 2d\n{SEEN}"


def track(at: int, user: str = "u1", **more: object) -> tuple[int, dict[str, Any]]:
    return at, {"type": "track", "event": "Order", "userId": user, "timestamp": at, **more}


def processor(*releases: tuple[int, str], profiles: Profiles | None = None, lateness: int = HOUR) -> Processor:
    told = [Release(number, at, text) for number, (at, text) in enumerate(releases, 1)]
    timeline = timeline_of(told, lambda each: Engine(Plan(definitions_of(each)), allowed_lateness=lateness))
    return Processor(timeline, profiles)


def run(worker: Processor, *events: tuple[int, dict[str, Any]]) -> list[Change]:
    told = records(events)
    return worker.process([payload for payload, _ in told], [written for _, written in told]).changes


def tick(worker: Processor, until: int) -> list[Change]:
    made = worker.advance(until).changes
    while worker.sweeping:
        made += worker.sweep(10).changes
    return made


def brief(changes: Iterable[Change]) -> list[tuple[int, str, str, str]]:
    return [(change.at - START, change.segment, change.action, change.cause.kind) for change in changes]


# -- against the oracle: each life by itself, and an end


@st.composite
def lives(draw: st.DrawFn) -> Timeline:
    """A timeline with gaps of about a day."""
    timeline = draw(strategies.timelines(most=12))
    gaps, shift, events = (0, 0, 0, DAY - MINUTE, DAY, DAY + 1, DAY + HOUR, DAY + HOUR + 2, 3 * DAY), 0, Events()
    for number, (t, event) in enumerate(timeline.events):
        if number and timeline.events[number - 1][0] < t:
            shift += draw(st.sampled_from(gaps))
        events.append((t + shift, {**event, "timestamp": t + shift}))
    return Timeline(events, timeline.until + shift + draw(st.sampled_from(gaps)))


def by_the_oracle(definitions: dict[str, Any], timeline: Timeline) -> Iterator[tuple[int, list[oracle.Change]]]:
    """By life its first event's time and its changes, the exits at its end included."""
    life: Events = []
    for t, event in [*timeline.events, (NEVER, {})]:
        if life and t > life[-1][0] + DAY:
            over = life[-1][0] + DAY
            made = oracle.changes(definitions, life, min(over - 1, timeline.until))
            inside = [each.segment for each in made if each.action == "entered"]
            for each in made:
                if each.action == "exited":
                    inside.remove(each.segment)
            if over <= timeline.until:
                ordered = oracle.in_dependency_order(definitions["segments"])
                exits = [oracle.Change(over, each["name"], "exited") for each in ordered if each["name"] in inside]
                made += oracle.children_leave_first(exits, ordered)
            yield life[0][0], made
            life = []
        life.append((t, event))


def told_of(definitions: dict[str, Any]) -> list[ControlRecord]:
    text = yaml.safe_dump({"retention": "1d", **definitions}, sort_keys=False)
    return [Release(1, 0, text), Thresholds(1, 0, {}, {})]


def with_one_id_each(timeline: Timeline) -> Timeline:
    """An id is known for a life: what would be a duplicate across two is no question here."""
    events = [(t, {**event, "messageId": f"m{number}"}) for number, (t, event) in enumerate(timeline.events)]
    return Timeline(events, timeline.until)


@examples(200, 10_000)
@given(strategies.definitions(), lives())
def test_each_life_is_what_the_oracle_says_of_it_alone(definitions: dict[str, Any], timeline: Timeline) -> None:
    timeline = with_one_id_each(timeline)
    expected = list(by_the_oracle(definitions, timeline))
    made = list(replay(told_of(definitions), records(timeline.events), until=timeline.until))
    assert [oracle.Change(each.at, each.segment, each.action) for each in made] == [
        change for _, changes in expected for change in changes
    ]
    numbers = [began + place for began, changes in expected for place, _ in enumerate(changes, 1)]
    assert [each.seq for each in made] == numbers
    assert numbers == sorted(set(numbers)), "numbers never go backwards"


@examples(100, 5_000)
@given(strategies.definitions(), lives(), st.data())
def test_restarts_and_the_log_change_nothing(
    definitions: dict[str, Any], timeline: Timeline, data: st.DataObject
) -> None:
    timeline = with_one_id_each(timeline)
    (release, _) = told_of(definitions)
    assert isinstance(release, Release)
    state = State()
    worker, log = restored(release, state)
    made: list[Change] = []
    for event in timeline.events:
        made += run(worker, event)
        step = data.draw(st.integers(0, 3))
        if step == 0:
            made += tick(worker, event[0] - 1)
        if step <= 1:
            log.append(0, state)
        if step == 1:
            worker, log = restored(release, state)
    made += tick(worker, timeline.until)
    assert made == list(replay([release], records(timeline.events), until=timeline.until))


class State(dict[int, bytes]):
    """The map state of one shard."""

    def put(self, key: int, value: bytes) -> None:
        self[key] = value

    def remove(self, key: int) -> None:
        del self[key]


def restored(release: Release, state: State) -> tuple[Processor, ProfileLog]:
    profiles = Profiles()
    worker = processor((0, release.definitions), profiles=profiles)
    log = ProfileLog(profiles)
    log.load(0, state)
    return worker, log


@examples(60, 5_000)
@given(strategies.definitions(), lives(), st.data())
def test_any_order_within_the_lateness_ends_in_the_same(
    definitions: dict[str, Any], timeline: Timeline, data: st.DataObject
) -> None:
    events = [
        (t + number, {**event, "timestamp": t + number, "messageId": f"m{number}"})
        for number, (t, event) in enumerate(timeline.events)
    ]
    text = yaml.safe_dump({"retention": "1d", **definitions}, sort_keys=False)
    straight, shuffled = (processor((0, text), lateness=60 * DAY) for _ in range(2))
    told, others = run(straight, *events), list[Change]()
    for event in data.draw(st.permutations(events)):
        others += run(shuffled, event)
        if data.draw(st.integers(0, 4)) == 0:
            others += tick(shuffled, data.draw(st.integers(events[0][0], timeline.until)))
    end = timeline.until + 1_000
    told, others = told + tick(straight, end), others + tick(shuffled, end)
    assert inside(told) == inside(others)
    for each in (straight, shuffled):
        each.profiles.settle()
    one, other = straight.profiles.open("u1"), shuffled.profiles.open("u1")
    assert content(one) == content(other)


def inside(changes: Iterable[Change]) -> dict[str, int]:
    standing: dict[str, int] = {}
    newest = 0
    for change in changes:
        assert change.seq > newest
        newest = change.seq
        if change.action == "exited":
            del standing[change.segment]
        else:
            standing[change.segment] = change.at
    return standing


def content(profile: Profile) -> tuple[object, ...]:
    return profile.newest, profile.clock, profile.features, profile.members


@examples(60, 2_000)
@given(strategies.definitions(), lives())
def test_next_change_at_knows_the_end(definitions: dict[str, Any], timeline: Timeline) -> None:
    timeline = with_one_id_each(Timeline(timeline.events, timeline.events[-1][0] + 2 * DAY))
    *earlier, last = timeline.events
    made = list(replay(told_of(definitions), records(timeline.events), until=timeline.until))
    before = len(list(replay(told_of(definitions), records(earlier), until=last[0] - 1))) if earlier else 0
    for number, change in enumerate(made[before:], start=before):
        following = [later.at for later in made[number + 1 :] if later.segment == change.segment]
        assert following[:1] == ([] if change.next_change_at is None else [change.next_change_at])


# -- one user, step by step


def test_the_end_of_a_user_is_told_with_its_reason_and_forgotten() -> None:
    worker = processor((0, FORGETTING))
    (entered,) = run(worker, track(START))
    assert entered.next_change_at == START + 2 * DAY
    assert entered.seq == START + 1
    assert tick(worker, START + 2 * DAY - 1) == []
    outcome = worker.advance(START + 2 * DAY)
    (left,) = outcome.changes
    assert brief([left]) == [(2 * DAY, "seen", "exited", "retention")]
    assert [(each.condition, each.expected, each.value, each.holds) for each in left.because] == [
        ("time since the newest event", "< 2d", "2d", False)
    ]
    assert left.next_change_at is None
    assert [(each.seq, each.at, each.segments) for each in outcome.memberships] == [(left.seq, left.at, {})]
    assert len(worker.profiles) == 1, "a late event may still come"
    assert tick(worker, START + 2 * DAY + HOUR + 1) == []
    assert (len(worker.profiles), worker.profiles.forgotten.users) == (0, 1)


def test_both_at_once_when_event_time_jumps() -> None:
    worker = processor((0, FORGETTING))
    run(worker, track(START))
    outcome = worker.advance(START + 9 * DAY)
    assert brief(outcome.changes) == [(2 * DAY, "seen", "exited", "retention")]
    assert [(each.at, each.segments) for each in outcome.memberships] == [(START + 2 * DAY, {})]
    assert len(worker.profiles) == 0


def test_an_event_at_the_last_instant_keeps_the_user_and_one_later_does_not() -> None:
    worker = processor((0, FORGETTING))
    run(worker, track(START))
    assert run(worker, track(START + 2 * DAY)) == []
    told = run(worker, track(START + 4 * DAY + 1))
    assert brief(told) == [(4 * DAY, "seen", "exited", "retention"), (4 * DAY + 1, "seen", "entered", "event")]
    assert [each.seq for each in told] == [START + 2, START + 4 * DAY + 2]


def test_a_late_event_that_would_have_kept_the_user_brings_the_user_back() -> None:
    worker = processor((0, FORGETTING), lateness=3 * DAY)
    run(worker, track(START))
    tick(worker, START + 2 * DAY + 5)
    told = run(worker, track(START + DAY))
    assert brief(told) == [(0, "seen", "entered", "event")]
    assert told[0].next_change_at == START + 3 * DAY
    assert brief(tick(worker, START + 3 * DAY)) == [(3 * DAY, "seen", "exited", "retention")]


def test_an_event_of_an_unknown_user_that_is_older_than_the_retention_is_late() -> None:
    worker = processor((0, FORGETTING))
    now = START + 10 * DAY
    tick(worker, now)
    newest_late = now + GAP - 2 * DAY
    told = records([track(newest_late, "old"), track(newest_late + 1, "young")])
    outcome = worker.process([payload for payload, _ in told], [None, None])
    assert (outcome.late, outcome.applied) == ([0], 1)
    keeps = processor((0, SEEN))
    tick(keeps, now)
    assert keeps.process([told[0][0]], [None]).late == [], "without retention nobody was forgotten"


def test_a_worker_that_starts_again_knows_how_far_it_has_forgotten() -> None:
    state = State()
    worker, log = restored(Release(1, 0, FORGETTING), state)
    run(worker, track(START))
    log.append(0, state)
    tick(worker, START + 5 * DAY)
    log.append(0, state)
    assert decode_segment(state[max(state)]).gone == ["u1"]
    again, _ = restored(Release(1, 0, FORGETTING), state)
    assert len(again.profiles) == 0
    assert again.process([records([track(START + 1)])[0][0]], [None]).late == [0]


def test_numbers_that_ran_ahead_of_the_clock_keep_the_user() -> None:
    worker = processor((0, FORGETTING))
    run(worker, track(START))
    worker.profiles.open("u1").seq = START + GAP
    assert tick(worker, START + 3 * DAY) == []
    run(worker, track(START + 3 * DAY))
    assert brief(tick(worker, START + 6 * DAY)) == [(5 * DAY, "seen", "exited", "retention")]


# -- releases


def test_a_release_that_brings_retention_ends_who_is_older_at_its_instant() -> None:
    worker = processor((0, SEEN), (START + 5 * DAY, FORGETTING))
    run(worker, track(START, "old"), track(START + 4 * DAY, "young"))
    told = tick(worker, START + 5 * DAY)
    assert [(each.user_id, *brief([each])[0]) for each in told] == [
        ("old", 5 * DAY, "seen", "exited", "retention"),
    ]
    assert [each.seq for each in told] == [2]
    assert brief(tick(worker, START + 6 * DAY)) == [(6 * DAY, "seen", "exited", "retention")]


def test_a_release_that_takes_retention_back_keeps_users_and_their_numbers_above() -> None:
    worker = processor((0, FORGETTING), (START + 3 * DAY, SEEN))
    (first,) = run(worker, track(START, "gone"))
    run(worker, track(START + 2 * DAY, "stays"))
    tick(worker, START + 9 * DAY)
    assert list(worker.profiles.users()) == ["stays"]
    (back,) = run(worker, track(START + 9 * DAY + 1, "gone"))
    assert back.seq > first.seq
    assert tick(worker, START + 900 * DAY) == []


def test_a_longer_retention_puts_the_end_off_and_a_shorter_one_brings_it_near() -> None:
    longer = FORGETTING.replace("2d", "4d")
    worker = processor((0, FORGETTING), (START + DAY, longer))
    run(worker, track(START))
    assert brief(tick(worker, START + 9 * DAY)) == [(4 * DAY, "seen", "exited", "retention")]
    worker = processor((0, longer), (START + DAY, FORGETTING))
    run(worker, track(START))
    assert brief(tick(worker, START + 9 * DAY)) == [(2 * DAY, "seen", "exited", "retention")]


def test_nobody_is_judged_who_was_forgotten() -> None:
    idle = FORGETTING.replace("lifetime: {of: count, event: any, gte: 1}", "lifetime: {of: count, event: any, lt: 9}")
    worker = processor((0, idle), (START + 2 * DAY + MINUTE, idle.replace("lt: 9", "lt: 8")))
    run(worker, track(START))
    assert brief(tick(worker, START + 2 * DAY + 2 * MINUTE)) == [(2 * DAY, "seen", "exited", "retention")]
    assert tick(worker, START + 9 * DAY) == []
    assert len(worker.profiles) == 0


def test_bounds_of_the_population_forget_who_is_gone() -> None:
    text = """retention: 2d
segments:
  - name: top
    when: {threshold: {of: {count: {event: Order, within: 30d}}, top: 50%, among: all, min_population: 1}}"""
    worker = processor((0, text))
    run(worker, *(track(START + number, f"u{number}") for number in range(10)))
    (key,) = worker.population.thresholds
    assert len(worker.population._numbers(key, START + HOUR)) == 10
    tick(worker, START + 2 * DAY + 4)  # half of them have left, and are shells still
    worker.profiles.settle()
    assert len(worker.population._numbers(key, START + 2 * DAY + 4)) == 5


def test_retention_is_a_setting_of_the_whole_file() -> None:
    with pytest.raises(DefinitionErrors, match="retention: users are kept for a day"):
        parse_definitions(f"retention: 23h\n{SEEN}")
    with pytest.raises(DefinitionErrors, match="retention: is not that of the live definitions"):
        in_one_plan(parse_definitions(SEEN), parse_definitions(FORGETTING))


# -- state


def test_the_state_of_steady_turnover_stays_flat(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each day 200 users come who never come back: after the first days nothing grows any more."""
    monkeypatch.setattr("udfs.profile_log._SLACK", 0)
    state, sizes = State(), list[dict[str, int]]()
    worker, log = restored(Release(1, 0, FORGETTING), state)
    for day in range(60):
        begin = START + day * DAY
        run(worker, *(track(begin + number * MINUTE, f"user-{day}-{number}") for number in range(200)))
        tick(worker, begin + DAY - 1)
        log.append(0, state)
        sizes.append(lengths(worker, state))
    early, late = ({name: max(each[name] for each in some) for name in sizes[0]} for some in (sizes[:15], sizes[15:]))
    assert {name: (size, early[name]) for name, size in late.items() if size > 1.1 * early[name]} == {}
    assert sizes[-1]["numbers"] <= 800, "three days' users have numbers, not those of sixty"
    assert worker.profiles.forgotten.take_users() > 11_000


def lengths(worker: Processor, state: State) -> dict[str, int]:
    """The lengths of all that is kept by user, and of the log."""
    profiles = worker.profiles
    return {
        "numbers": profiles.numbered,
        "by user": len(profiles._numbers),
        "blobs": sum(map(len, profiles._blobs)),
        "due": len(profiles._due),
        "pages": len(profiles._due._pages),
        "recent": len(profiles.recent),
        "recent pages": sum(map(len, profiles.recent._pages.values())),
        "of shards": sum(map(len, profiles._of_shard.values())),
        "gone": len(profiles.forgotten._gone.get(0, ())),
        "free": profiles.forgotten.free,
        "log": max(10_000, sum(map(len, state.values()))),
    }


def test_a_replay_keeps_nothing_of_who_is_gone() -> None:
    run = Replay([Release(1, 0, FORGETTING)])
    traffic = [track(START + number * 10 * MINUTE, f"user-{number}") for number in range(30_000)]
    changes = list(run.run(records(traffic)))
    assert run.processor.profiles.numbered <= 10_000, "those of two days, and who is decoded"
    assert not run.processor.profiles.forgotten._gone
    again = list(Replay([Release(1, 0, FORGETTING)]).run(records(traffic)))
    assert list(map(encode_change, again)) == list(map(encode_change, changes))


# -- explain


def test_explain_begins_with_the_users_newest_life_and_says_when_there_is_none() -> None:
    definitions = parse_definitions(FORGETTING)
    events = records([track(START, messageId="m1"), track(START + 3 * DAY, messageId="m2")])
    found = explain(definitions, events, "u1")
    (standing,) = found.segments
    (condition,) = standing.conditions
    assert [each.message_id for each in condition.events] == ["m2"]
    assert standing.next_change_at == START + 5 * DAY
    with pytest.raises(UnknownUser, match="was forgotten at 2026-11-27 10:00:00 UTC: no event for 2d"):
        explain(definitions, events, "u1", at=START + 6 * DAY)
