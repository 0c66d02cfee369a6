import json

import pytest

from segments.definitions import parse_definitions
from segments.lint import CODES, Finding, Recorded, lint

T0 = 1_795_341_600_000
MINUTE, DAY = 60_000, 86_400_000
HEAD = "lint: {min_users: 2, exclusive_tags: [tier]}\n"


def event(user: str, name: str, minute: float, **properties: object) -> bytes:
    content = {"type": "track", "event": name, "userId": user, "timestamp": T0 + int(minute * MINUTE)}
    return json.dumps(content | {"properties": properties}).encode()


def found(segments: str, events: list[bytes], head: str = HEAD) -> list[Finding]:
    text = head + "segments:\n" + segments
    report = lint(text, "f.yaml", Recorded(parse_definitions(text)).watch(events))
    return [finding for finding in report.findings if CODES[finding.code].recorded]


def codes(segments: str, events: list[bytes], head: str = HEAD) -> list[tuple[str, str | None]]:
    return [(finding.code, finding.segment) for finding in found(segments, events, head)]


VIEWER = "  - {name: viewer, tags: [tier], when: {recency: {event: View, within: 1h}}}\n"
BUYER = "  - {name: buyer, tags: [tier], when: {recency: {event: Buy, within: 1h}}}\n"
UNTAGGED = (VIEWER + BUYER).replace("tags: [tier], ", "")


def shopping(users: int, view: float, buy: float) -> list[bytes]:
    """Users who view and buy at some minute, and one who is there from the start to the end of a day."""
    made = [event("0", "Other", 0)]
    made += [event(f"u{n}", "View", 10 + view) for n in range(users)]
    made += [event(f"u{n}", "Buy", 10 + buy) for n in range(users)]
    made.append(event("0", "Other", 1440))
    return sorted(made, key=lambda payload: json.loads(payload)["timestamp"])


def test_nearly_the_same_members() -> None:
    assert codes(UNTAGGED, shopping(3, view=0, buy=1)) == [("S501", "buyer")]  # 59 of 61 minutes are shared


def test_exactly_inside_another() -> None:
    events = [event("u0", "View", 9), event("u1", "View", 9), *shopping(2, view=5, buy=5)]
    assert codes(UNTAGGED, sorted(events, key=lambda each: json.loads(each)["timestamp"])) == [("S502", "buyer")]


def test_overlap_over_the_limit() -> None:
    events = shopping(3, view=0, buy=20)
    assert codes(UNTAGGED, events) == []  # 40 of 60 minutes are shared
    assert codes(UNTAGGED, events, HEAD.replace("min_users", "max_overlap: 0.6, min_users")) == [("S503", "buyer")]


def test_segments_that_ask_a_model_have_no_members_in_a_replay_and_nothing_is_said_of_them() -> None:
    asks = "  - {name: likely, when: {model: {name: churn, gte: 0.5}}}\n"
    through = "  - {name: viewed, when: {all: [{not: {segment: likely}}, {recency: {event: View, within: 1h}}]}}\n"
    assert codes(UNTAGGED + asks + through, shopping(3, view=0, buy=30)) == []


def test_few_users_show_no_overlap() -> None:
    assert codes(UNTAGGED, shopping(1, view=0, buy=1)) == []


def test_what_nearly_everybody_is_in_contains_nothing_by_merit() -> None:
    events = [event(f"u{n}", name, 10) for n in range(3) for name in ("View", "Buy")]
    all_time = [event(f"u{n}", name, minute) for n in range(3) for minute in (30, 60) for name in ("View",)]
    assert codes(UNTAGGED, events + all_time) == [("S501", "buyer")]
    narrower = UNTAGGED.replace("Buy, within: 1h", "Buy, within: 5m")
    assert codes(narrower, events + all_time) == []


def test_exclusive_tags_conflict_at_an_instant_only() -> None:
    (conflict,) = found(VIEWER + BUYER, shopping(1, view=0, buy=45))
    assert (conflict.code, conflict.segment, conflict.severity) == ("S504", "buyer", "error")
    assert "25.0% of their time in 'viewer' too, for example user u0" in conflict.message
    assert codes(VIEWER + BUYER, shopping(1, view=0, buy=60)) == []  # one ends in the millisecond the other begins


def test_too_few_users() -> None:
    events = [event(f"u{n}", "View", 1) for n in range(999)] + [event("u1", "Buy", 2)]
    assert codes(UNTAGGED, events) == []
    (few,) = found(UNTAGGED, events, HEAD.replace("min_users", "min_share: 0.01, min_users"))
    assert (few.code, few.segment) == ("S505", "buyer")
    assert "1 of 999 users ever entered it, less than 1.00%" in few.message


def test_a_name_that_never_occurs_takes_its_segment_along() -> None:
    made = found("  - {name: viewer, when: {recency: {event: Viwe, within: 1h}}}\n", [event("u", "View", 1)])
    assert [finding.code for finding in made] == ["S505", "S506"]
    assert made[1].advice == "check the name, or whether this source sends it"
    (_, near) = found(
        "  - {name: a, when: {recency: {event: Product View, within: 1h}}}\n", [event("u", "Product Viewed", 1)]
    )
    assert near.advice == "did you mean 'Product Viewed'?"


@pytest.mark.parametrize(
    ("condition", "missing"),
    [
        (
            "count: {event: View, where: {colour: red}, within: 1h, gte: 0.5}",
            "no recorded View has the property colour",
        ),
        (
            "sum: {event: [Buy, View], property: shop.id, within: 1h, gte: 1}",
            "no recorded View has the property shop.id",
        ),
        ("trait: {name: plan, exists: false}", "no recorded event has trait plan"),
        ("context: {path: device.type, exists: false}", "no recorded event has context device.type"),
        ("absence: {after: View, of: Other, within: 1h, per: cart}", "no recorded View has the property cart"),
    ],
)
def test_values_that_never_occur(condition: str, missing: str) -> None:
    segments = f"  - {{name: a, when: {{{condition}}}, lint: {{ignore: {{S505: '-', S506: '-'}}}}}}\n"
    events = [event("u", "View", 1, size=3), event("u", "Other", 2)]
    messages = [finding.message for finding in found(segments, events) if finding.code == "S507"]
    assert missing in messages
    without = [event("u", "View", 1, colour="red", shop={"id": 2}, cart="c"), event("u", "Other", 2)]
    known = json.dumps(json.loads(without[0]) | {"traits": {"plan": "x"}, "context": {"device": {"type": "tv"}}})
    assert missing not in [finding.message for finding in found(segments, [known.encode(), *without])]


def test_more_amounts_than_are_kept() -> None:
    segments = "  - {name: a, when: {sum: {event: Buy, property: p, within: 1d, gte: 1}}}\n"
    events = [event("u", "Buy", minute, p=1) for minute in range(1_001)]
    assert codes(segments, events[:-1]) == []
    (many,) = found(segments, events)
    assert (many.code, many.message) == ("S508", "1 users have more amounts at once than the 1,000 kept")
    assert codes(segments.replace("1d", "16h"), events) == []  # by then the first ones have left the window


def test_more_carts_than_are_kept() -> None:
    segments = (
        "  - {name: a, when: {absence: {after: Add, of: Buy, within: 40m, per: cart}}, lint: {ignore: {S506: '-'}}}\n"
    )
    events = [event("u", "Add", minute, cart=minute) for minute in range(33)] + [event("u", "Add", 100, cart=32)]
    assert codes(segments, events) == [("S508", "a")]
    assert codes(segments.replace("40m", "30m"), events) == []


def test_every_recorded_code_is_tested_here() -> None:
    with open(__file__, encoding="utf-8") as file:  # noqa: PTH123 - this file
        text = file.read()
    assert [code for code, about in CODES.items() if about.recorded and f'"{code}"' not in text] == []


def test_without_readable_events_nothing_is_found() -> None:
    assert codes(VIEWER, [b"{"]) == []
