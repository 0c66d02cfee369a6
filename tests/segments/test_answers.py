"""When a condition wants to be asked again, and how much it has kept to be able to answer."""

import json

import pytest

from segments.conditions.base import first_false
from segments.definitions import parse_definitions
from segments.engine import Engine
from segments.features.distinct import DistinctValues
from segments.features.event_log import EventLog
from segments.features.pending import Pending
from segments.plan import Plan
from segments.processor import Processor
from segments.profile import NEVER

START = 1_772_409_600_000  # Monday 2026-03-02T00:00:00Z
MINUTE = 60_000
DAY = 1_440  # minutes


def plan(condition: str) -> Plan:
    return Plan(parse_definitions(f"segments: [{{name: s, when: {condition}}}]"))


def answer(condition: str, buys: list[tuple[int, float]], minute: int) -> tuple[bool, float | None]:
    """Whether the condition holds, and the minute at which it wants to be asked again, after buys (minute, total)."""
    running = Processor(Engine(plan(condition)))
    for number, (at, total) in enumerate(buys):
        event = {
            "type": "track",
            "event": "Buy",
            "userId": "u",
            "messageId": str(number),
            "properties": {"total": total},
        }
        running.process([json.dumps({**event, "timestamp": START + at * MINUTE}).encode()], [None])
    (rule,) = running.engine.plan.rules
    holds, until = rule.decide(running.profiles.open("u"), False, 0, START + minute * MINUTE)
    return holds, None if until == NEVER else (until - START) / MINUTE


def ones(*minutes: int) -> list[tuple[int, float]]:
    return [(minute, 1) for minute in minutes]


@pytest.mark.parametrize(
    ("condition", "buys", "minute", "expected"),
    [
        # a window of amounts names the departure that changes the answer, not the next one
        ("{sum: {event: Buy, property: total, within: 10m, gte: 2}}", ones(1, 2, 3), 3, (True, 12)),
        ("{sum: {event: Buy, property: total, within: 10m, lt: 2}}", ones(1, 2, 3), 3, (False, 12)),
        ("{sum: {event: Buy, property: total, within: 10m, gte: 0}}", ones(1, 2, 3), 3, (True, None)),
        ("{avg: {event: Buy, property: total, within: 10m, gte: 1}}", ones(1, 2, 3), 11, (True, 13)),
        # those of one instant leave together: in between 3 would be -2
        ("{sum: {event: Buy, property: total, within: 10m, gte: 3}}", [(1, 5), (1, -5), (2, 3)], 2, (True, 12)),
        # a day of the calendar is left by all at once, at midnight, and holds what happened at the last one
        ("{sum: {event: Buy, property: total, within: this_day, gte: 1}}", ones(0, 1, 2), 3, (True, DAY)),
        ("{sum: {event: Buy, property: total, within: this_day, gte: 0}}", ones(0, 1, 2), 3, (True, None)),
        ("{count: {event: Buy, within: this_day, gte: 1}}", ones(0), 3, (True, DAY)),
        ("{count: {event: Buy, within: this_day, gte: 1}}", ones(0), DAY, (False, None)),
        ("{distinct: {event: Buy, property: total, within: this_day, gte: 1}}", ones(0), 3, (True, DAY)),
        ("{recency: {event: Buy, within: this_day}}", ones(0), 3, (True, DAY)),
        ("{recency: {event: Buy, not_within: this_day}}", ones(0), 3, (False, DAY)),
        # a number of events is whole and not below zero
        ("{count: {event: Buy, within: 10m, eq: 2.5}}", ones(1, 2, 3), 3, (False, None)),
        ("{count: {event: Buy, within: 10m, eq: -1}}", [], 3, (False, None)),
        # 32 departures are looked at; then it asks to be asked again
        ("{sum: {event: Buy, property: total, within: 99m, gte: 0}}", ones(*range(31)), 31, (True, None)),
        ("{sum: {event: Buy, property: total, within: 99m, gte: 0}}", ones(*range(33)), 33, (True, 31 + 99)),
    ],
)
def test_a_condition_is_asked_again_when_it_may_change(
    condition: str, buys: list[tuple[int, float]], minute: int, expected: tuple[bool, float | None]
) -> None:
    assert answer(condition, buys, minute) == expected


@pytest.mark.parametrize(
    ("kind", "buys", "minute"),
    [
        ("sum", [(1, 1), (2, 2)], None),
        ("sum", [(1, 0), (2, 2)], None),
        ("sum", [(1, -1), (2, 2)], 11),
        ("avg", [(1, 1), (2, 2)], 11),
        ("min", [(1, 1), (2, 2)], 11),
        ("max", [(1, 1), (2, 2)], None),
        ("max", [(1, -1), (2, 2)], None),
        ("distinct", [(1, 1), (2, 2)], None),
        # who does not belong to the population, with a number that is not above zero
        ("sum", [(1, -1), (2, -2)], 11),
        ("max", [(1, -1), (2, -2)], None),
    ],
)
def test_below_a_bound_only_a_number_that_time_can_raise_is_asked_again(
    kind: str, buys: list[tuple[int, float]], minute: int | None
) -> None:
    number = f"{{{kind}: {{event: Buy, property: total, within: 10m}}}}"
    assert answer(f"{{threshold: {{of: {number}, percentile: 80}}}}", buys, 3) == (False, minute)


@pytest.mark.parametrize("guess", range(15))
def test_the_first_instant_from_which_it_is_false_is_found_from_either_side(guess: int) -> None:
    assert first_false(lambda instant: instant < 7, guess) == 7


@pytest.mark.parametrize(
    ("comparison", "expected"),
    [
        ("gte: 3", 3),
        ("gt: 3", 4),
        ("lt: 3", 3),
        ("lte: 3", 4),
        ("eq: 3", 4),
        ("gte: 2.5", 3),
        ("gt: 2.5", 3),
        ("gte: 0", 1),
        ("gte: 1", 1),
    ],
)
def test_no_more_is_kept_than_the_bound_needs(comparison: str, expected: int) -> None:
    for condition in (
        f"{{count: {{event: A, within: 1h, {comparison}}}}}",
        f"{{distinct: {{event: A, property: p, within: 1h, {comparison}}}}}",
    ):
        (feature,) = plan(condition)._features.values()
        assert isinstance(feature, EventLog | DistinctValues)
        assert feature.capacity == expected


@pytest.mark.parametrize(("lasts", "expected"), [("", None), (", lasts: 20m", 80)])
def test_an_absence_is_kept_for_as_long_as_it_can_hold(lasts: str, expected: int | None) -> None:
    (feature,) = plan(f"{{absence: {{after: A, of: B, within: 1h{lasts}}}}}").features.values()
    assert isinstance(feature, Pending)
    assert feature.window == (None if expected is None else expected * MINUTE)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("{sum: {event: A, property: p, within: 1h, gt: 1}}", ["p"]),
        ("{lifetime: {of: max, event: A, property: p, gt: 1}}", ["p"]),
        ("{session: {of: sum, event: A, property: p, gt: 1}}", ["p"]),
        ("{lifetime: {of: count, event: A, gt: 1}}", []),
        ("{session: {of: count, event: A, gt: 1}}", []),
        ("{distinct: {event: A, property: p, within: 1h, gt: 1}}", []),
    ],
)
def test_a_property_read_as_a_number_is_declared(condition: str, expected: list[str]) -> None:
    assert list(plan(condition).property_types) == expected
