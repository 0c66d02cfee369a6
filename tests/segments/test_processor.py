import json

import pytest

from segments import processor as processor_module
from segments import profiles_in_use as profiles_module
from segments.definitions import parse_definitions
from segments.engine import Engine
from segments.plan import Plan
from segments.processor import Processor

T = 1_764_000_000_000
HOUR = 3_600_000
DEFINITIONS = """
version: 1
segments:
  - name: active
    when: {count: {event: any, within: 1h, gte: 2}}
  - name: quiet
    when: {recency: {event: any, not_within: 2h}}
"""


@pytest.fixture
def processor() -> Processor:
    return Processor(Engine(Plan(parse_definitions(DEFINITIONS)), allowed_lateness=HOUR))


def page(user: str, time: int, message: str | None = None) -> bytes:
    event = {"type": "page", "userId": user, "timestamp": time}
    return json.dumps(event | ({"messageId": message} if message else {})).encode()


def test_a_batch_is_sorted_into_what_became_of_it(processor: Processor) -> None:
    batch = [page("a", T, "m1"), b"{", page("a", T + 1, "m1"), page("a", T - HOUR - 1), page("a", T + 5), b"[]"]
    outcome = processor.process(batch, [T] * len(batch))
    assert (outcome.applied, outcome.duplicates, outcome.late) == (2, 1, [3])
    assert [(place, rejected.reason) for place, rejected in outcome.rejected] == [(1, "not_json"), (5, "wrong_type")]
    assert [(change.segment, change.at) for change in outcome.changes] == [("active", T + 5)]
    assert [list(each.segments) for each in outcome.memberships] == [["active"]]


def test_memberships_are_those_after_the_batch_once_a_user(processor: Processor) -> None:
    batch = [page("b", T), page("a", T), page("a", T + 1), page("b", T + 2), page("a", T + 5 * HOUR)]
    outcome = processor.process(batch, [None] * len(batch))
    assert [change.user_id for change in outcome.changes] == ["a", "b", "a", "a", "a"]
    found = {each.user_id: (each.seq, list(each.segments)) for each in outcome.memberships}
    assert found == {"a": (4, []), "b": (1, ["active"])}
    assert len(outcome.memberships) == 2


def test_time_moves_users_by_itself_in_order_of_time(processor: Processor) -> None:
    processor.process([page("b", T + 1), page("a", T), page("a", T)], [None] * 3)
    assert processor.advance(T + HOUR - 1).changes == []
    outcome = processor.advance(T + 2 * HOUR + 1)
    assert [(change.user_id, change.segment, change.action, change.at - T) for change in outcome.changes] == [
        ("a", "active", "exited", HOUR),
        ("a", "quiet", "entered", 2 * HOUR),
        ("b", "quiet", "entered", 2 * HOUR + 1),
    ]
    assert processor.advance(T + 90 * HOUR).changes == []


def test_one_advance_is_as_many_small_ones(processor: Processor) -> None:
    other = Processor(Engine(Plan(parse_definitions(DEFINITIONS)), allowed_lateness=HOUR))
    batch = [page(f"u{number % 7}", T + number * 400_000) for number in range(40)]
    for each in (processor, other):
        each.process(batch, [None] * len(batch))
    steps = [change for step in range(60) for change in other.advance(T + step * HOUR).changes]
    at_once = processor.advance(T + 59 * HOUR).changes
    assert sorted(steps, key=lambda change: (change.user_id, change.seq)) == sorted(
        at_once, key=lambda change: (change.user_id, change.seq)
    )


def test_an_outcome_does_not_depend_on_how_events_are_batched(
    processor: Processor, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = [page(f"u{number % 13}", T + number * 100_000, f"m{number % 90}") for number in range(100)]
    whole = processor.process(batch, [None] * len(batch)).changes
    monkeypatch.setattr(profiles_module, "_DECODED_KEPT", 2)
    other = Processor(Engine(Plan(parse_definitions(DEFINITIONS)), allowed_lateness=HOUR))
    assert [change for event in batch for change in other.process([event], [None]).changes] == whole


def test_who_comes_once_is_at_rest_soon_after_and_who_comes_again_stays(processor: Processor) -> None:
    batch = [page(f"u{number}", T + number) for number in range(1_000)]
    batch[41:41] = [page("again", T + 40)]
    batch[43:43] = [page("again", T + 41)]
    outcome = processor.process(batch, [None] * len(batch))
    assert outcome.applied == 1_002
    assert len(processor.profiles.decoded) < 2 * 128
    assert "again" in processor.profiles.decoded
    assert [each.user_id for each in outcome.memberships] == ["again"]


def test_very_many_who_are_due_are_told_of_and_at_rest_soon_after(processor: Processor) -> None:
    batch = [page(f"u{number}", T + number) for number in range(1_000)]
    processor.process(batch, [None] * len(batch))
    outcome = processor.advance(T + 3 * HOUR)
    assert len(outcome.changes) == 1_000
    assert {each.user_id: list(each.segments) for each in outcome.memberships} == {
        f"u{number}": ["quiet"] for number in range(1_000)
    }
    assert len(processor.profiles.decoded) < 2 * 128


@pytest.mark.parametrize(("at_hand", "kept"), [(1, 0), (2, 1), (5, 3)])
def test_an_outcome_does_not_depend_on_who_is_at_rest(at_hand: int, kept: int, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = [page(f"u{number % 13}", T + number * 700_000, f"m{number % 90}") for number in range(100)]
    batch[::9] = [page(f"u{number}", T + number * 690_000) for number in range(len(batch[::9]))]  # some are late
    seen = []
    for settings in ((processor_module._AT_HAND, profiles_module._DECODED_KEPT), (at_hand, kept)):
        monkeypatch.setattr(processor_module, "_AT_HAND", settings[0])
        monkeypatch.setattr(profiles_module, "_DECODED_KEPT", settings[1])
        made = Processor(Engine(Plan(parse_definitions(DEFINITIONS)), allowed_lateness=HOUR))
        outcomes = [
            outcome
            for first in range(0, 100, 20)
            for outcome in (
                made.process(batch[first : first + 20], [None] * 20),
                made.advance(T + first * 700_000),
            )
        ]
        seen.append([(each.changes, each.current, each.late, each.applied, each.rewound) for each in outcomes])
    assert seen[0] == seen[1]
    assert sum(len(changes) for changes, *_ in seen[0]) > 50


def test_an_event_is_judged_by_the_time_its_record_was_written(processor: Processor) -> None:
    outcome = processor.process([page("a", T + 25 * HOUR), page("a", T + 23 * HOUR)], [T, T])
    assert [(place, rejected.reason) for place, rejected in outcome.rejected] == [(0, "implausible_time")]
    assert outcome.applied == 1


def test_an_empty_batch_does_nothing(processor: Processor) -> None:
    outcome = processor.process([], [])
    assert (outcome.applied, outcome.changes, outcome.memberships, outcome.rejected) == (0, [], [], [])
