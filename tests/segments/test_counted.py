"""Which events count in a condition, and what each adds: tables worked out by hand."""

from types import SimpleNamespace
from typing import Any

import pytest

from segments.definitions import parse_definitions
from segments.events import SESSION_STARTED, Event
from segments.plan import Plan
from segments.profile import Profile

NOTHING = {"amount": None, "kind": None}


def event(name: str, time: int, **properties: Any) -> Event:
    return Event("u", name, time, None, SimpleNamespace(**NOTHING | properties), None, None)


def telling(time: int, **parts: Any) -> Event:
    """An event that tells of the user: these traits, this context."""
    traits = SimpleNamespace(plan=parts.get("plan"))
    context = SimpleNamespace(os=parts.get("os"), timezone=parts.get("timezone"))
    return Event("u", "Told", time, None, SimpleNamespace(**NOTHING), context, traits)


def counted(condition: str, events: list[Event], now: int) -> list[tuple[int, Any]]:
    """The time of each event that counts, and what it adds."""
    (rule,) = Plan(parse_definitions(f"segments: [{{name: s, when: {{{condition}}}}}]")).rules
    (fact,) = rule.facts
    assert fact.contributing is not None
    return [(each.event.time, each.adds) for each in fact.contributing(Profile(), events, now)]


def amounts(*of: Any) -> list[Event]:
    return [event("A", time, amount=amount) for time, amount in enumerate(of, 1)]


TIMES = [event("A", 1), event("A", 5), event("B", 6), event("A", 11)]
SESSIONS = [event("A", 1), event(SESSION_STARTED, 1), event("A", 50, amount=2), event(SESSION_STARTED, 50)]
VISIT = [*SESSIONS, event("B", 51), event("A", 52, amount=0), event("A", 53, amount=3)]
KINDS = [event("A", time, kind=kind) for time, kind in enumerate(["x", "y", "x", None, ["z"]], 1)]
JOINED = [event("A", 1, kind="x"), event("A", 2, kind="y"), event("B", 3, kind="x"), event("B", 4)]
CARTS = [event("A", 1, kind="x"), event("A", 2, kind="y"), event("B", 3, kind="x"), event("A", 4, kind="z")]
REOPENED = [event("A", 1, kind="x"), event("A", 2, kind="y"), event("B", 3, kind="x"), event("A", 4, kind="x")]
TOLD = [telling(1, plan="gold", os="x"), telling(2, plan=["a"], timezone="Asia/Kolkata"), telling(3)]
AT_ONCE = [event("A", 1, kind="x"), event("A", 1, kind="y")]
WAITING = "sequence: {steps: [A, B, {not: C, within: 3ms}], within: 10ms, per: kind}"
WAITS = [event("A", 1, kind="x"), event("B", 2, kind="x"), event("A", 3, kind="y"), event("B", 4, kind="y")]
ORDERED = [*CARTS, event("B", 6)]  # an order of no kind closes all


@pytest.mark.parametrize(
    ("condition", "events", "now", "expected"),
    [
        ("count: {event: A, within: 10ms, gte: 1}", TIMES, 11, [(5, None), (11, None)]),
        ("count: {event: A, within: 10ms, gte: 1}", TIMES, 14, [(5, None), (11, None)]),
        ("count: {event: A, within: 10ms, gte: 1}", TIMES, 15, [(11, None)]),
        ("count: {event: A, within: this_day, gte: 1}", TIMES, 11, [(1, None), (5, None), (11, None)]),
        ("sum: {event: A, property: amount, within: this_day, gt: 1}", amounts(2, 3), 9, [(1, 2), (2, 3)]),
        ("distinct: {event: A, property: kind, within: this_day, gte: 1}", KINDS, 9, [(3, "x"), (2, "y")]),
        # nothing is added by 0, though it counts in an average; of the equally small or large the newest is named
        ("sum: {event: A, property: amount, within: 99ms, gt: 1}", amounts(2, 0, None, "x", 3), 9, [(1, 2), (5, 3)]),
        ("avg: {event: A, property: amount, within: 99ms, gt: 1}", amounts(2, 0, None, 3), 9, [(1, 2), (2, 0), (4, 3)]),
        ("min: {event: A, property: amount, within: 99ms, gt: 1}", amounts(2, 1, 3, 1, 2), 9, [(4, 1)]),
        ("max: {event: A, property: amount, within: 99ms, gt: 1}", amounts(3, 1, 3, 2), 9, [(3, 3)]),
        ("min: {event: A, property: amount, within: 99ms, gt: 1}", amounts(0, 0.000001), 9, [(1, 0)]),
        ("max: {event: A, property: amount, within: 99ms, gt: 1}", amounts(None), 9, []),
        ("distinct: {event: A, property: kind, within: 99ms, gte: 1}", KINDS, 9, [(3, "x"), (2, "y")]),
        ("recency: {event: A, within: 99ms}", TIMES, 11, [(11, None)]),
        ("recency: {event: A, within: 99ms, which: first}", TIMES, 11, [(1, None)]),
        ("lifetime: {of: count, event: A, gte: 1}", TIMES, 99, [(1, None), (5, None), (11, None)]),
        ("lifetime: {of: sum, event: A, property: amount, gte: 1}", amounts(2, 0, 3), 99, [(1, 2), (3, 3)]),
        ("lifetime: {of: max, event: A, property: amount, gte: 1}", amounts(2, 3, 0), 99, [(2, 3)]),
        ("score: {points: {A: 2, B: -1}, gte: 1}", TIMES, 99, [(1, 2), (5, 2), (6, -1), (11, 2)]),
        ("score: {points: {A: 2}, half_life: 10ms, gte: 1}", TIMES[:1], 21, [(1, 0.5)]),
        ("score: {points: {A: 2}, half_life: 10ms, gte: 1}", TIMES[:1], 999, []),  # nothing of it shows any more
        # the newest session only: of its duration the two ends
        ("session: {of: count, event: A, gte: 1}", VISIT, 99, [(50, None), (52, None), (53, None)]),
        ("session: {of: sum, event: A, property: amount, gte: 1}", VISIT, 99, [(50, 2), (53, 3)]),
        ("session: {of: duration, gte: 1ms}", VISIT, 99, [(50, None), (53, None)]),
        ("session: {of: duration, gte: 1ms}", SESSIONS, 99, [(50, None)]),
        ("session: {of: duration, gte: 1ms}", SESSIONS[:2], 99, [(1, None)]),
        ("session: {of: duration, gte: 1ms}", [*SESSIONS[:2], event("B", 9)], 99, [(1, None), (9, None)]),
        ("session: {of: duration, gte: 1ms}", SESSIONS[:1], 99, []),
        ("session: {of: count, event: A, where: {amount: {gt: 2}}, gte: 1}", VISIT, 99, [(53, None)]),
        # what was told last
        ("trait: {name: plan, exists: true}", TOLD, 9, [(2, ["a"])]),
        ("trait: {name: plan, exists: true}", TOLD[2:], 9, []),
        ("context: {path: os, exists: true}", TOLD, 9, [(1, "x")]),
        ("local_time: {hours: '09:00-17:00'}", TOLD, 9, [(2, "Asia/Kolkata")]),
        # what is open; where nothing is, what closed it
        ("absence: {after: A, of: B, within: 9ms, per: kind}", CARTS, 9, [(2, "y"), (4, "z")]),
        ("absence: {after: A, of: B, within: 9ms, lasts: 2ms, per: kind}", CARTS, 13, [(4, "z")]),
        ("absence: {after: A, of: B, within: 9ms, per: kind}", ORDERED, 9, [(3, "x"), (6, "y"), (6, "z")]),
        ("absence: {after: A, of: B, within: 9ms}", CARTS[:3], 9, [(3, None)]),
        ("absence: {after: A, of: B, within: 2ms, lasts: 2ms, per: kind}", REOPENED, 99, []),
        ("absence: {after: A, of: B, within: 9ms, per: kind}", [*KINDS[:3]], 9, [(2, "y"), (3, "x")]),
        # the match that got furthest, joined by the property, each event one step
        ("sequence: {steps: [A, B], within: 10ms, per: kind}", JOINED, 9, [(1, 1), (3, 2)]),
        ("sequence: {steps: [A, B], within: 10ms}", JOINED, 9, [(2, 1), (4, 2)]),
        ("sequence: {steps: [A, B], within: 10ms}", [*JOINED, event("A", 8)], 9, [(2, 1), (4, 2)]),
        ("sequence: {steps: [A, B], within: 10ms}", TIMES[:1], 10, [(1, 1)]),
        ("sequence: {steps: [A, B], within: 10ms}", TIMES[:1], 11, []),
        ("sequence: {steps: [A, B], within: 10ms}", [event("B", 1)], 9, []),
        ("sequence: {steps: [A, B], within: 10ms, per: kind}", [event("A", 1), event("B", 2)], 9, []),
        ("sequence: {steps: [A, A], within: 10ms}", TIMES[:1], 9, [(1, 1)]),
        ("sequence: {steps: [A, B], within: this_day}", JOINED, 99, [(2, 1), (4, 2)]),
        ("sequence: {steps: [A, B], within: 10ms}", [event("A", 0), event("B", 1)], 9, [(0, 1), (1, 2)]),
        ("sequence: {steps: [A, B], within: 10ms, per: kind}", AT_ONCE, 9, [(1, 1)]),  # of equal ones the first
        # what must not come breaks the matches of its kind, of no kind those of all
        ("sequence: {steps: [A, {not: C}, B], within: 10ms, per: kind}", [*CARTS[:2], event("C", 3)], 9, []),
        (WAITING, [*WAITS, event("C", 5, kind="y")], 5, [(1, 1), (2, 2)]),
        (WAITING, [*WAITS, event("C", 4)], 9, [(3, 1)]),
        # a match after which nothing came for long enough goes before one that waits, though that began later
        (WAITING, WAITS, 4, [(3, 1), (4, 2)]),
        (WAITING, WAITS, 5, [(1, 1), (2, 2)]),
        (WAITING, WAITS, 6, [(1, 1), (2, 2)]),
        (WAITING, WAITS, 7, [(3, 1), (4, 2)]),
    ],
)  # fmt: skip
def test_which_events_count(condition: str, events: list[Event], now: int, expected: list[tuple[int, Any]]) -> None:
    assert counted(condition, events, now) == expected
