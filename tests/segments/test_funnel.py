"""A funnel counts what a slow search through all matches finds."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import combinations, pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segments.definitions import parse_definitions
from segments.events import Plausibility
from segments.funnel import FunnelReport, empty_funnel, funnel_question, funnel_report, sequences
from segments.funnel_count import count_funnel
from tests.oracle.history import Event as Happened
from tests.oracle.sequences import Search
from tests.segments.support import examples

T = 1_795_341_600_000
MINUTE = 60_000
Timed = tuple[int, str, dict[str, Any]]


def defined(steps: str, within: str = "10m", per: str | None = None) -> Any:
    joined = f", per: {per}" if per else ""
    sequence = f"{{sequence: {{steps: {steps}, within: {within}{joined}}}}}"
    return parse_definitions(f"segments: [{{name: f, when: {sequence}}}]")


def payload(user: str, time: int, name: str, properties: dict[str, Any], **more: Any) -> tuple[bytes, int]:
    event = {"type": "track", "event": name, "userId": user, "timestamp": time, "properties": properties, **more}
    return json.dumps(event).encode(), time


def counted(definitions: Any, users: list[list[tuple[bytes, int]]], by: str | None = None) -> FunnelReport:
    question = funnel_question(definitions, sequences(definitions.segments[0])[0], Plausibility(), by)
    total = empty_funnel(question)
    for part in (users[::2], users[1::2]):
        total.add(count_funnel(question, part))
    return funnel_report(question, total, (T, T))


def test_a_funnel_worked_out_by_hand() -> None:
    users = [
        [payload("a", T, "V", {}), payload("a", T + 2 * MINUTE, "A", {}), payload("a", T + 6 * MINUTE, "O", {})],
        [payload("b", T, "V", {}), payload("b", T + 4 * MINUTE, "A", {}), payload("b", T + 10 * MINUTE, "O", {})],
        [payload("c", T, "A", {}), payload("c", T + 1, "V", {})],
        [payload("d", T, "O", {})],
    ]
    report = counted(defined("[V, A, O]"), users)
    assert report.users == 4
    assert [(each.step, each.users, each.units, each.lost) for each in report.steps] == [
        ("V", 3, 3, 0), ("A", 2, 2, 1), ("O", 1, 1, 1),
    ]  # fmt: skip
    assert [(each.of_previous, each.of_first) for each in report.steps] == [
        (1.0, 1.0), (round(2 / 3, 6), round(2 / 3, 6)), (0.5, round(1 / 3, 6)),
    ]  # fmt: skip
    assert [(each.median_ms, each.p90_ms) for each in report.steps] == [
        (None, None), (2 * MINUTE, 4 * MINUTE), (4 * MINUTE, 4 * MINUTE),
    ]  # fmt: skip


def test_values_are_counted_beside_users() -> None:
    users = [
        [
            payload("a", T, "V", {"p": 1}), payload("a", T + 1, "V", {"p": 2}), payload("a", T + 2, "A", {"p": 2}),
            payload("a", T + 3, "A", {"p": 3}), payload("a", T + 4, "V", {}),
        ]
    ]  # fmt: skip
    report = counted(defined("[V, A]", per="p"), users)
    assert [(each.users, each.units) for each in report.steps] == [(1, 2), (1, 1)]


def test_a_breakdown_goes_by_what_was_known_at_the_first_step() -> None:
    phone, desktop = ({"context": {"device": {"type": kind}}} for kind in ("phone", "desktop"))
    users = [
        [payload("a", T, "V", {}, **phone), payload("a", T + 1, "A", {}, **desktop)],
        [payload("b", T, "X", {}, **phone), payload("b", T, "V", {})],
        [payload("c", T, "V", {})],
    ]
    report = counted(defined("[V, A]"), users, by="context:device.type")
    assert report.breakdown == {"phone": [2, 1], "unknown": [1, 0]}
    assert list(report.breakdown) == ["phone", "unknown"]


def test_duplicates_count_once_and_what_cannot_be_read_is_counted() -> None:
    first = payload("a", T, "V", {}, messageId="m")
    report = counted(defined("[V, V]"), [[first, first, (b'{"type": 1}', T)]])
    assert [each.users for each in report.steps] == [1, 0]
    assert report.events == {"applied": 1, "duplicates": 1, "rejected": 1, "rejected.wrong_type": 1}


@pytest.mark.parametrize("by", ["device", "trait:", "property:x"])
def test_a_breakdown_names_its_source(by: str) -> None:
    with pytest.raises(ValueError, match="write trait:NAME or context:PATH"):
        counted(defined("[V, A]"), [], by)


def matches(events: list[Timed], steps: list[set[str]], within: int, value: Any) -> Iterator[tuple[int, ...]]:
    """Every match of every length: places of events in order that serve the steps within the window."""
    own = [n for n, (_, _, properties) in enumerate(events) if properties.get("p") == value]
    for length in range(1, len(steps) + 1):
        for places in combinations(own, length):
            served = all(events[place][1] in step for place, step in zip(places, steps, strict=False))
            if served and events[places[-1]][0] - events[places[0]][0] < within:
                yield places


def slowly(
    users: list[list[Timed]], steps: list[set[str]], within: int
) -> tuple[list[int], list[int], list[list[int]]]:
    """Reached by users, reached by units, and the times between steps of the counted matches."""
    by_user, by_unit = Counter[int](), Counter[int]()
    gaps: dict[int, list[int]] = defaultdict(list)
    for events in users:
        deepest = 0
        for value in {properties["p"] for _, _, properties in events if properties.get("p") is not None}:
            found = list(matches(events, steps, within, value))
            if not found:
                continue
            depth = max(map(len, found))
            furthest = [places for places in found if len(places) == depth]
            soonest = min(places[-1] for places in furthest)
            times = [tuple(events[n][0] for n in places) for places in furthest if places[-1] == soonest]
            latest = max(each[0] for each in times)
            chosen = min(each for each in times if each[0] == latest)
            deepest = max(deepest, depth)
            by_unit.update(range(depth))
            for step in range(1, depth):
                gaps[step].append(chosen[step] - chosen[step - 1])
        by_user.update(range(deepest))
    places = range(len(steps))
    return [by_user[n] for n in places], [by_unit[n] for n in places], [sorted(gaps[n]) for n in places]


STEPS = ({"V"}, {"A"}, {"O"}, {"V", "A"}, {"A", "O"})
TIMELINE = st.lists(
    st.tuples(st.integers(0, 12), st.sampled_from("VAOX"), st.sampled_from(({"p": 1}, {"p": 2}, {}))), max_size=9
).map(lambda events: sorted(((T + minute * MINUTE, name, p) for minute, name, p in events), key=lambda each: each[0]))


@examples(300, 10_000, shrunk=True)
@given(st.lists(TIMELINE, max_size=4), st.lists(st.sampled_from(STEPS), min_size=2, max_size=4), st.integers(1, 12))
def test_a_funnel_is_what_a_slow_search_finds(users: list[list[Timed]], steps: list[set[str]], minutes: int) -> None:
    listed = json.dumps([sorted(step) for step in steps])
    definitions = defined(listed, f"{minutes}m", per="p")
    report = counted(
        definitions,
        [[payload(f"u{n}", time, name, p) for time, name, p in events] for n, events in enumerate(users)],
    )
    by_user, by_unit, gaps = slowly(users, steps, minutes * MINUTE)
    assert [each.users for each in report.steps] == by_user
    assert [each.units for each in report.steps] == by_unit
    medians = [between[(len(between) + 1) // 2 - 1] if between else None for between in gaps]
    assert [each.median_ms for each in report.steps[1:]] == medians[1:]
    slowest = [between[-(-9 * len(between) // 10) - 1] if between else None for between in gaps]
    assert [each.p90_ms for each in report.steps[1:]] == slowest[1:]


def walked(steps: list[Any], until: int, users: list[list[Timed]], within: int) -> tuple[list[int], int]:
    """Units that reach each step, and those of which it is not known, by the oracle's search for each beginning."""
    ends = [n for n, step in enumerate(steps, 1) if not isinstance(step, dict) or "not" not in step or "within" in step]
    reached, undecided = [0] * len(ends), 0
    for events in users:
        for value in {properties["p"] for _, _, properties in events if "p" in properties}:
            made = [
                Happened(t, name, {"properties": properties})
                for t, name, properties in events
                if properties.get("p", value) == value
            ]
            for place, end in enumerate(ends):
                search = Search({"steps": steps[:end], "per": "p"}, made)
                ends_at = [span for n in range(len(made)) for span in search.beginning_at(n)]
                found = [last for first, last in ends_at if last - first < within]
                reached[place] += any(last <= until for last in found)
                undecided += place == len(ends) - 1 and bool(found) and min(found) > until
    return reached, undecided


WALKS: tuple[list[Any], ...] = (
    ["V", {"event": "A", "within": "3m"}, {"event": "O", "within": "2m"}],
    ["V", {"not": "X"}, "A", {"not": ["X", "V"]}, "O"],
    ["V", {"not": "X"}, {"event": "A", "within": "5m"}, {"not": "O", "within": "4m"}],
    ["V", {"event": "V", "within": "2m"}, {"not": "X", "within": "1m"}],
    ["A", {"not": "O", "within": "3m"}],
)


@examples(300, 10_000, shrunk=True)
@given(st.lists(TIMELINE, max_size=4), st.sampled_from(WALKS), st.integers(5, 12), st.integers(0, 14))
def test_limits_and_breaks_are_counted_as_a_slow_search_counts_them(
    users: list[list[Timed]], steps: list[Any], minutes: int, last: int
) -> None:
    definitions = defined(json.dumps(steps), f"{minutes}m", per="p")
    question = funnel_question(definitions, sequences(definitions.segments[0])[0], Plausibility())
    until = max([T + last * MINUTE, *(events[-1][0] for events in users if events)])
    payloads = [[payload(f"u{n}", t, name, p) for t, name, p in events] for n, events in enumerate(users)]
    tally = count_funnel(msgspec.structs.replace(question, until=until), payloads)
    found = funnel_report(question, tally, (T, until)).steps
    reached, undecided = walked(steps, until, users, minutes * MINUTE)
    assert [each.units for each in found] == reached
    assert found[-1].undecided == (undecided if "not" in steps[-1] else 0)
    assert [each.lost + each.undecided for each in found[1:]] == [a - b for a, b in pairwise(reached)]


def test_a_match_lies_in_one_period_of_the_user() -> None:
    midnight, tokyo = 1_795_392_000_000, {"context": {"timezone": "Asia/Tokyo"}}
    users = [
        [payload("a", midnight - 1, "V", {}), payload("a", midnight, "A", {})],
        [payload("b", midnight - 1, "V", {}, **tokyo), payload("b", midnight, "A", {})],
    ]
    report = counted(defined("[V, A]", "this_day"), users)
    assert [each.users for each in report.steps] == [2, 1]
    assert (report.within_ms, report.within) == (None, "this day")


def test_steps_read_as_people_say_them() -> None:
    report = counted(defined("[V, {not: X}, {event: A, within: 5m}, {not: [O, R], within: 3m}]"), [])
    assert [each.step for each in report.steps] == ["V", "A within 5m with no X between", "no O | R for 3m"]
