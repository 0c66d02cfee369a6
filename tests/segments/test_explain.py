"""What an explanation says of one user: events that count, changes, and events that do not count."""

import json
from typing import Any

import pytest

from segments.control import Release
from segments.definitions import parse_definitions
from segments.explain import SHOWN, UnknownUser, explain
from segments.explanation import Condition, Explanation

T0 = 1_795_341_600_000
MINUTE = 60_000


def event(minute: float, name: str, number: int, **parts: Any) -> tuple[bytes, int]:
    at = T0 + round(minute * MINUTE)
    call = {"type": "track", "event": name, "userId": "u", "messageId": f"m{number}", "timestamp": at}
    return json.dumps(call | parts).encode(), T0


def explained(when: str, events: list[tuple[bytes, int]], minute: float | None = None, more: str = "") -> Explanation:
    definitions = parse_definitions(f"{{segments: [{{name: s, when: {when}}}], {more}}}")
    return explain(definitions, events, "u", at=None if minute is None else T0 + round(minute * MINUTE))


def condition(when: str, events: list[tuple[bytes, int]], minute: float | None = None) -> Condition:
    (standing,) = explained(when, events, minute).segments
    (found,) = standing.conditions
    return found


def ids(found: Condition) -> list[str | None]:
    return [each.message_id for each in found.events]


def test_a_count_shows_all_in_the_window_although_a_profile_keeps_fewer() -> None:
    events = [event(minute, "Order", minute) for minute in range(14)]
    found = condition("{count: {event: Order, within: 12m, gte: 2}}", events)
    assert (found.value, found.holds, found.more) == (12, True, 2)
    assert ids(found) == [f"m{number}" for number in range(4, 14)]
    assert len(found.events) == SHOWN


def test_an_amount_a_value_a_weight_or_a_step_is_told() -> None:
    events = [
        event(0, "View", 1, properties={"product": "a", "price": 2}),
        event(1, "Add", 2, properties={"product": "a", "price": 3.5}),
        event(2, "View", 3, properties={"product": "b", "price": 0}),
    ]
    assert [e.adds for e in condition("{sum: {event: any, property: price, within: 1h, gt: 0}}", events).events] == [
        2,
        3.5,
    ]
    distinct = condition("{distinct: {event: View, property: product, within: 1h, gte: 2}}", events)
    assert [each.adds for each in distinct.events] == ["a", "b"]
    score = condition("{score: {points: {View: 8}, half_life: 1m, gt: 1}}", events)
    assert [each.adds for each in score.events] == [2, 8]
    steps = condition("{sequence: {steps: [View, Add, Order], within: 1h, per: product}}", events)
    assert [(each.message_id, each.adds) for each in steps.events] == [("m1", 1), ("m2", 2)]


def test_a_known_value_names_the_event_that_told_it() -> None:
    events = [
        event(0, "View", 1, traits={"plan": "pro"}, context={"device": {"type": "mobile"}}),
        event(1, "View", 2, traits={"plan": "free"}),
        event(2, "View", 3),
    ]
    plan = condition("{trait: {name: plan, eq: free}}", events)
    assert [(each.message_id, each.adds) for each in plan.events] == [("m2", "free")]
    assert ids(condition("{context: {path: device.type, eq: mobile}}", events)) == ["m1"]


def test_an_absence_names_what_opened_it_and_else_what_closed_it() -> None:
    absence = "{absence: {after: Add, of: Order, within: 30m, per: cart}}"
    events = [
        event(0, "Add", 1, properties={"cart": "a"}),
        event(1, "Add", 2, properties={"cart": "b"}),
        event(2, "Order", 3, properties={"cart": "a"}),
    ]
    assert [(e.message_id, e.adds) for e in condition(absence, events, 40).events] == [("m2", "b")]
    closed = condition(absence, [*events, event(3, "Order", 4)], 40)
    assert closed.holds is False
    assert [(e.message_id, e.event) for e in closed.events] == [("m3", "Order"), ("m4", "Order")]


def test_a_sessions_start_stands_for_the_event_that_began_it() -> None:
    found = condition("{count: {event: Session Started, within: 1d, gte: 2}}", [event(0, "A", 1), event(60, "A", 2)])
    assert [(each.message_id, each.event) for each in found.events] == [
        ("m1", "Session Started"),
        ("m2", "Session Started"),
    ]


def test_a_segment_of_a_segment_has_no_events_of_its_own() -> None:
    definitions = parse_definitions(
        "segments: [{name: a, when: {recency: {event: any, within: 1h}}}, {name: b, when: {segment: a}}]"
    )
    found = explain(definitions, [event(0, "View", 1)], "u")
    assert [[len(each.events) for each in standing.conditions] for standing in found.segments] == [[1], [0]]


def test_a_confidence_names_what_refreshed_it() -> None:
    definitions = parse_definitions(
        "segments: [{name: s, when: {recency: {event: any, within: 1h}}, "
        "confidence: {half_life: 1m, leave_below: 0.5, refreshed_by: View}}]"
    )
    (standing,) = explain(definitions, [event(0, "View", 1), event(2, "Add", 2)], "u").segments
    recency, confidence = standing.conditions
    assert (standing.inside, recency.holds, confidence.holds) == (False, True, False)
    assert (confidence.condition, confidence.expected, confidence.value) == (
        "confidence since the last View", ">= 0.5", 0.25,
    )  # fmt: skip
    assert ids(confidence) == ["m1"]


def test_the_last_change_is_told_with_its_cause() -> None:
    events = [event(0, "View", 1), event(1, "View", 2)]
    (inside,) = explained("{count: {event: View, within: 5m, gte: 2}}", events).segments
    assert inside.last_change is not None
    assert (inside.since, inside.last_change.action, inside.last_change.at) == (T0 + MINUTE, "entered", T0 + MINUTE)
    assert (inside.last_change.cause.kind, inside.last_change.cause.message_id) == ("event", "m2")
    assert (inside.last_change.event, inside.next_change_at) == ("View", T0 + 5 * MINUTE)
    (outside,) = explained("{count: {event: View, within: 5m, gte: 2}}", events, 10).segments
    assert outside.last_change is not None
    assert (outside.since, outside.last_change.action, outside.last_change.cause.kind) == (None, "exited", "timer")
    assert explained("{count: {event: Order, within: 5m, gte: 2}}", events).segments[0].last_change is None


def test_releases_hold_from_their_instants_on_and_know_what_came_since() -> None:
    seen = "segments: [{name: s, when: {count: {event: View, within: 1h, gte: 1}}}]"
    more = seen.replace("segments: [", "segments: [{name: t, when: {count: {event: Add, within: 1h, gte: 2}}}, ")
    releases = [Release(1, T0, seen), Release(2, T0 + 10 * MINUTE, more)]
    events = [event(0, "View", 1), event(5, "Add", 2), event(12, "Add", 3)]
    before = explain(releases, events, "u", at=T0 + 9 * MINUTE)
    assert (before.release, [each.segment for each in before.segments]) == (1, ["s"])
    after = explain(releases, events, "u")
    assert after.release == 2
    t, s = after.segments
    assert (t.conditions[0].value, ids(t.conditions[0])) == (1, ["m3"])  # profiles did not keep an Add before
    assert ids(s.conditions[0]) == ["m1"]


def test_a_release_alone_moves_a_user_and_is_the_cause() -> None:
    definitions = "segments: [{name: s, when: {count: {event: View, within: 1h, gte: 2}}}]"
    releases = [Release(1, T0, definitions), Release(2, T0 + 10 * MINUTE, definitions.replace("gte: 2", "gte: 1"))]
    events = [event(0, "View", 1)]
    (standing,) = explain(releases, events, "u", at=T0 + 11 * MINUTE).segments
    assert standing.last_change is not None
    assert (standing.inside, standing.since, standing.last_change.cause.kind) == (True, T0 + 10 * MINUTE, "definition")
    assert not explain(releases, events, "u").segments[0].inside


def test_what_is_not_counted_is_named_with_the_reason() -> None:
    events = [
        event(120, "View", 1),
        event(10, "View", 2),
        event(120, "View", 1),
        event(121, "View", 3, properties={"price": "dear"}),
        (b"{", T0),
        event(120, "View", 4),
    ]
    found = explained("{sum: {event: View, property: price, within: 1h, gte: 0}}", events)
    assert found.events == 2
    assert [(each.message_id, each.reason) for each in found.not_counted] == [
        ("m2", "late"),
        ("m1", "duplicate"),
        ("m3", "wrong_type"),
    ]
    assert "more than 1h newer" in found.not_counted[0].detail


def test_of_many_that_are_not_counted_the_last_ten_are_named() -> None:
    found = explained("{count: {event: View, within: 5m, gte: 1}}", [event(0, "View", 1)] * 13)
    assert (len(found.not_counted), found.not_counted_more) == (SHOWN, 2)


@pytest.mark.parametrize(
    ("events", "at", "says"),
    [
        ([], None, "there are no events of user 'u'"),
        ([event(5, "View", 1)], 0, "up to then: the first is at 2026-11-22 10:05:00 UTC"),
        (
            [event(5, "View", 1, properties={"price": "x"})],
            None,
            "no event of user 'u' counts: the last of 1 is 'View'",
        ),
    ],
)
def test_nothing_to_explain_says_what_there_is(events: list[tuple[bytes, int]], at: int | None, says: str) -> None:
    with pytest.raises(UnknownUser, match=says):
        explained("{sum: {event: View, property: price, within: 1h, gte: 0}}", events, at)


def test_what_the_shadow_knew_counts_once_it_is_promoted_and_it_is_not_shown_before() -> None:
    live = "segments: [{name: seen, when: {count: {event: any, within: 1m, gte: 1}}}]"
    shadow = live.replace("gte: 1}}", "gte: 1}}, min_dwell: 2h")
    told = [Release(1, 0, live), Release(2, 1, live, shadow), Release(3, T0 + 30 * MINUTE, shadow)]
    events = [event(0, "Order", 1)]
    (before,) = explain(told, events, "u", at=T0 + 20 * MINUTE).segments
    assert (before.segment, before.inside) == ("seen", False)
    (after,) = explain(told, events, "u", at=T0 + 40 * MINUTE).segments
    assert (after.inside, after.next_change_at) == (True, T0 + 150 * MINUTE), "it dwells from its promotion on"
