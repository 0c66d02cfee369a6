import json

import pytest

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


def test_an_event_is_judged_by_the_time_its_record_was_written(processor: Processor) -> None:
    outcome = processor.process([page("a", T + 25 * HOUR), page("a", T + 23 * HOUR)], [T, T])
    assert [(place, rejected.reason) for place, rejected in outcome.rejected] == [(0, "implausible_time")]
    assert outcome.applied == 1


def test_an_empty_batch_does_nothing(processor: Processor) -> None:
    outcome = processor.process([], [])
    assert (outcome.applied, outcome.changes, outcome.memberships, outcome.rejected) == (0, [], [], [])
