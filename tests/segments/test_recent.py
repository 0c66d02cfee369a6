"""What is kept of recent events: how long, how much, and what becomes of those that come too late for it."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from segments.changes import Cause
from segments.definitions import parse_definitions
from segments.engine import Engine
from segments.outcome import Outcome
from segments.plan import Plan
from segments.processor import Processor
from segments.profile import NEVER
from segments.recent import RecentEvents

T = 1_764_000_000_000
MINUTE = 60_000
HOUR = 60 * MINUTE
DEFINITIONS = """
segments:
  - name: busy
    when: {count: {event: any, within: 30m, gte: 2}}
  - name: seen
    when: {recency: {event: any, within: 20m}}
"""


def processor(lateness: int = HOUR, definitions: str = DEFINITIONS) -> Processor:
    return Processor(Engine(Plan(parse_definitions(definitions)), allowed_lateness=lateness))


def page(user: str, time: int, message: str | None = None, **more: Any) -> bytes:
    event = {"type": "page", "userId": user, "timestamp": time, **more}
    return json.dumps(event | ({"messageId": message} if message else {})).encode()


def take(running: Processor, *events: bytes) -> Outcome:
    return running.process(events, [None] * len(events))


def told(outcome: Outcome) -> list[tuple[str, str, int]]:
    return [(change.segment, change.action, change.at - T) for change in outcome.changes]


def test_a_late_event_that_changes_nothing_tells_nothing() -> None:
    running = processor()
    take(running, page("u", T), page("u", T + 1), page("u", T + 5))
    outcome = take(running, page("u", T + 3))
    assert (outcome.applied, outcome.rewound, outcome.changes) == (1, 1, [])


def test_a_correction_says_when_it_was_true_and_which_event_told_it() -> None:
    running = processor()
    take(running, page("u", T + 10 * MINUTE))
    outcome = take(running, page("u", T, "late"))
    assert told(outcome) == [("busy", "entered", 10 * MINUTE), ("seen", "updated", 0)]
    assert {change.cause for change in outcome.changes} == {Cause("event", "late")}
    assert [change.seq for change in outcome.changes] == [2, 3]
    assert outcome.memberships[0].segments["seen"].since == T
    assert [change.next_change_at for change in outcome.changes] == [T + 30 * MINUTE] * 2


def test_what_time_alone_had_changed_is_taken_back() -> None:
    running = processor()
    take(running, page("u", T))
    assert told(running.advance(T + 25 * MINUTE)) == [("seen", "exited", 20 * MINUTE)]
    outcome = take(running, page("u", T + 15 * MINUTE))
    assert told(outcome) == [("busy", "entered", 15 * MINUTE), ("seen", "entered", 0)]
    assert told(running.advance(T + HOUR)) == [("busy", "exited", 30 * MINUTE), ("seen", "exited", 35 * MINUTE)]


def test_a_membership_that_never_was_ends_at_the_users_clock() -> None:
    running = processor(definitions="segments: [{name: new, when: {lifetime: {of: count, event: any, lt: 2}}}]")
    assert told(take(running, page("u", T))) == [("new", "entered", 0)]
    assert told(take(running, page("u", T - 5))) == [("new", "exited", 0)]


def test_an_event_at_the_instant_of_a_timer_comes_before_it() -> None:
    running = processor()
    take(running, page("u", T))
    assert told(running.advance(T + 20 * MINUTE)) == [("seen", "exited", 20 * MINUTE)]
    assert told(take(running, page("u", T + 20 * MINUTE))) == [
        ("busy", "entered", 20 * MINUTE),
        ("seen", "entered", 0),
    ]


def test_a_user_is_kept_for_the_allowed_lateness_after_what_last_happened() -> None:
    running = processor()
    take(running, page("u", T), page("v", T))
    running.advance(T + 21 * MINUTE)  # the timers at 20 minutes happened too
    running.advance(T + 21 * MINUTE + HOUR)
    assert take(running, page("u", T - 1)).rewound == 1
    running.advance(T + 31 * MINUTE + HOUR)
    outcome = take(running, page("v", T - 1))
    assert (outcome.rewound, outcome.late) == (0, [0])
    running.advance(T + 9 * HOUR)
    assert len(running.profiles.recent) == 0


def test_an_event_older_than_the_lateness_is_late_whatever_is_kept() -> None:
    running = processor()
    outcome = take(running, page("u", T), page("u", T + HOUR), page("u", T), page("u", T - 1))
    assert (outcome.applied, outcome.rewound, outcome.late) == (3, 1, [3])


def test_a_late_duplicate_counts_once_and_a_late_stranger_is_not_remembered() -> None:
    running = processor()
    outcome = take(running, page("u", T + HOUR, "a"), page("u", T + 5, "b"), page("u", T + 5, "b"))
    assert (outcome.applied, outcome.duplicates) == (2, 1)
    outcome = take(running, page("u", T - 1, "c"), page("u", T + HOUR, "c"))
    assert (outcome.late, outcome.applied) == ([0], 1)


def test_without_lateness_nothing_is_kept_and_only_the_newest_is_applied() -> None:
    running = processor(lateness=0)
    outcome = take(running, page("u", T), page("u", T), page("u", T + 1), page("u", T))
    assert (outcome.applied, outcome.late) == (3, [3])
    assert len(running.profiles.recent) == 0


def test_of_a_very_busy_user_the_newest_thousand_events_are_kept() -> None:
    running = processor()
    take(running, *(page("bot", T + number) for number in range(5_000)))
    kept = sum(stretch.count for stretch in running.profiles.recent.get("bot"))
    assert 1_016 <= kept <= 1_024
    outcome = take(running, page("bot", T + 5_000 - 1_017), page("bot", T + 5))
    assert (outcome.rewound, outcome.late) == (1, [1])


def test_what_is_kept_of_a_steady_user_does_not_grow() -> None:
    running = processor()
    take(running, *(page("u", T + number * 10 * MINUTE) for number in range(2_000)))
    assert (
        sum(stretch.count for stretch in running.profiles.recent.get("u")) <= 16
    )  # at most two lateness' worth of events, and one


def test_an_event_that_nothing_reads_is_kept_all_the_same() -> None:
    running = processor()
    huge = 10**30  # more than MessagePack can hold
    take(running, page("u", T + 5, properties={"n": huge}, context={"deep": [huge, {"a": "\n"}]}))
    assert take(running, page("u", T)).rewound == 1


def test_profiles_of_the_first_format_are_read_and_judged_anew() -> None:
    old = [NEVER, T, T, 3, b"", {}, {0: (1, T, T + 20 * MINUTE)}]
    plan = Plan(parse_definitions("segments: [{name: seen, when: {recency: {event: any, within: 20m}}}]"))
    segment = [1, plan.layout.features, plan.layout.segments, {"u": msgspec.msgpack.encode(old)}]
    running = Processor(Engine(plan))
    running.profiles.load(0, [msgspec.msgpack.encode(segment)])
    running.advance(T)
    outcome = running.sweep(10)
    assert [(change.segment, change.action, change.seq, change.cause.kind) for change in outcome.changes] == [
        ("seen", "exited", 4, "definition")  # the profile holds no visit
    ]


@pytest.mark.parametrize("cut", range(6))
def test_recent_events_survive_a_restart(cut: int) -> None:
    events = [page("u", T + minute * MINUTE, f"m{minute}") for minute in (0, 12, 24, 5, 18, 3)]
    straight, restarted = processor(), processor()
    take(straight, *events)
    take(restarted, *events[:cut])
    again = processor()
    again.profiles.load(0, restarted.profiles.all_of(0))
    take(again, *events[cut:])
    assert again.profiles.open("u").members == straight.profiles.open("u").members


def test_a_user_who_comes_back_all_the_time_is_listed_once_and_forgotten_at_the_same_instant() -> None:
    running = processor(definitions="segments: [{name: new, when: {lifetime: {of: count, event: any, lt: 2}}}]")
    for minute in range(0, 180, 2):
        take(running, page("u", T + minute * MINUTE))
        running.advance(T + minute * MINUTE)
        assert sum(map(len, running.profiles.recent._pages.values())) == 1
    last = T + 178 * MINUTE
    running.advance(last + HOUR)
    assert len(running.profiles.recent) == 1
    running.advance(last + HOUR + 65_536)
    assert len(running.profiles.recent) == sum(map(len, running.profiles.recent._pages.values())) == 0


def test_a_user_is_listed_once_who_stands_in_a_log_many_times() -> None:
    running, recent = processor(), RecentEvents()
    for minute in range(0, 30, 3):
        take(running, page("u", T + minute * MINUTE))
        recent.load("u", running.profiles.recent.encode_all("u").get("u"))
    assert sum(map(len, recent._pages.values())) == 1
    recent.forget(T + 27 * MINUTE + HOUR + 65_536)
    assert len(recent) == 0


@pytest.mark.parametrize("settled", [True, False])
def test_the_profile_before_a_users_first_recent_event_is_as_it_was_then(settled: bool) -> None:
    running = processor(definitions="segments: [{name: third, when: {lifetime: {of: count, event: any, gte: 3}}}]")
    take(running, page("u", T))
    running.advance(T + 3 * HOUR)
    assert not running.profiles.recent.get("u")
    if settled:
        running.profiles.settle()
    take(running, page("u", T + 3 * HOUR + MINUTE))
    outcome = take(running, page("u", T + 3 * HOUR))
    assert told(outcome) == [("third", "entered", 3 * HOUR + MINUTE)]


def test_the_profile_before_a_users_first_recent_event_takes_no_further_memory() -> None:
    running = processor(definitions="segments: [{name: third, when: {lifetime: {of: count, event: any, gte: 3}}}]")
    take(running, page("u", T, "m1"))
    running.advance(T + 3 * HOUR)
    running.profiles.settle()
    before = running.profiles.settled("u")
    take(running, page("u", T + 3 * HOUR + MINUTE, "m2"))
    assert running.profiles.recent.get("u")[0].base is before
    running.profiles.settle()
    assert running.profiles.settled("u") != before


def test_so_does_the_profile_before_time_alone_changes_it() -> None:
    running = processor(definitions="segments: [{name: seen, when: {recency: {event: any, within: 5h}}}]")
    take(running, page("u", T))
    running.advance(T + 3 * HOUR)
    running.profiles.settle()
    before = running.profiles.settled("u")
    assert told(running.advance(T + 6 * HOUR)) == [("seen", "exited", 5 * HOUR)]
    assert running.profiles.recent.get("u")[0].base is before
