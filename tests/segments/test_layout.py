"""Profiles written under one definitions file and read under another: ids move, what both name goes on."""

import json

import pytest

from segments.changes import Change
from segments.definitions import parse_definitions
from segments.engine import Engine
from segments.plan import Plan
from segments.processor import Processor

START = 1_764_000_000_000
MINUTE = 60_000
BUYER = "{name: buyer, when: {count: {event: Order, within: 1h, gte: 2}}}"
ACTIVE = "{name: active, when: {recency: {event: any, within: 10m}}}"
LONG = "{name: long, when: {session: {of: duration, gte: 15m}}}"
MOBILE = "{name: mobile, when: {context: {path: device.type, eq: mobile}}}"
WAITING = "{name: waiting, when: {absence: {after: Added, of: Order, within: 20m}}}"
FORMS = [
    (BUYER, ACTIVE, LONG, MOBILE, WAITING),
    (WAITING, MOBILE, LONG, ACTIVE, BUYER),  # reordered
    (LONG, BUYER),  # removed
    (MOBILE, "{name: new, when: {count: {event: Added, within: 2h, gte: 1}}}", ACTIVE, BUYER, LONG),  # added
]


def processor(segments: tuple[str, ...], before: Processor | None = None) -> Processor:
    plan = Plan(parse_definitions(f"segments: [{', '.join(segments)}]"))
    made = Processor(Engine(plan))
    if before is not None:
        made.profiles.load(0, before.profiles.all_of(0))
    return made


def event(name: str, minute: int) -> bytes:
    return json.dumps(
        {
            "type": "track",
            "event": name,
            "userId": "u",
            "messageId": f"{name}-{minute}",
            "timestamp": START + minute * MINUTE,
            "context": {"device": {"type": "mobile" if minute < 12 else "desktop"}},
        }
    ).encode()


EVENTS = [event("Added", 0), event("Order", 5), event("Order", 11), event("Viewed", 16), event("Added", 30)]


def told(changes: list[Change], names: set[str]) -> list[tuple[str, str, int]]:
    return [(change.segment, change.action, change.at) for change in changes if change.segment in names]


@pytest.mark.parametrize("after", FORMS)
@pytest.mark.parametrize("before", FORMS)
@pytest.mark.parametrize("cut", range(len(EVENTS) + 1))
def test_what_both_definitions_name_goes_on(before: tuple[str, ...], after: tuple[str, ...], cut: int) -> None:
    names = {text[7 : text.index(",")] for text in {*before} & {*after}}
    first = processor(before)
    made = first.process(EVENTS[:cut], [None] * cut).changes
    second = processor(after, first)
    made += second.process(EVENTS[cut:], [None] * (len(EVENTS) - cut)).changes
    made += second.advance(START + 600 * MINUTE).changes
    alone = processor(after)
    expected = alone.process(EVENTS, [None] * len(EVENTS)).changes + alone.advance(START + 600 * MINUTE).changes
    assert sorted(told(made, names)) == sorted(told(expected, names))


def test_a_detour_over_definitions_with_more_leaves_nothing_behind() -> None:
    small, large = FORMS[2], FORMS[1]
    straight = processor(small)
    straight.process(EVENTS, [None] * len(EVENTS))
    back = processor(small, processor(large, straight))
    back.sweep(1)
    assert back.profiles.open("u") == straight.profiles.open("u")
