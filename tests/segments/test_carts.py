"""A cart is lost once: by what `absence` says of it and by a sequence that ends with `not`, per user and cart."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segments.changes import Change
from segments.replay import replay
from tests.oracle.records import records
from tests.segments.support import examples, parsed
from tests.vocabulary import MINUTE

T0 = 1_772_409_600_000
IDLE = 30 * MINUTE
ABSENT = {"absence": {"after": "Add", "of": "Order", "within": "30m", "per": "cart"}}
BROKEN_OFF = {"sequence": {"steps": ["Add", {"not": "Order", "within": "30m"}], "within": "40m", "per": "cart"}}
Event = tuple[int, dict[str, Any]]


def made(when: dict[str, Any], events: list[Event]) -> list[tuple[str, int]]:
    changes: list[Change] = list(
        replay(
            parsed({"segments": [{"name": "lost", "when": when}]}),
            records(events),
            until=max((t for t, _ in events), default=T0) + 24 * 60 * MINUTE,
        )
    )
    return [(change.action, change.at) for change in changes]


@st.composite
def carts(draw: st.DrawFn, *, of: tuple[str, ...] = ("a", "b")) -> list[Event]:
    """Adds and orders of carts by time, whole minutes apart; an order may name no cart."""
    t, events = T0, []
    for number in range(draw(st.integers(1, 14))):
        t += draw(st.sampled_from((0, 1, 10, 29, 30, 31, 60))) * MINUTE
        name = draw(st.sampled_from(("Add", "Add", "Order")))
        cart = draw(st.sampled_from(of))
        event = {"type": "track", "event": name, "userId": "u", "messageId": f"m{number}", "timestamp": t}
        events.append((t, event | {"properties": {"cart": cart}}))
    return events


def left_idle(events: list[Event], cart: str) -> list[int]:
    """Times of a cart's adds that neither an add nor an order of it follows for half an hour."""
    own = [(t, event["event"]) for t, event in events if event["properties"]["cart"] == cart]
    return [
        t
        for place, (t, name) in enumerate(own)
        if name == "Add" and all(later - t > IDLE for later, _ in own[place + 1 :])
    ]


@examples(200, 5_000)
@given(carts(of=("a",)))
def test_a_cart_is_abandoned_once_for_each_time_it_is_left(events: list[Event]) -> None:
    entered = [at for action, at in made(ABSENT, events) if action == "entered"]
    assert entered == [t + IDLE for t in left_idle(events, "a")]


@examples(200, 5_000)
@given(carts(of=("a",)))
def test_one_add_begins_one_loss_at_most(events: list[Event]) -> None:
    adds = {t for t, event in events if event["event"] == "Add"}
    entered = [at for action, at in made(BROKEN_OFF, events) if action == "entered"]
    assert len(set(entered)) == len(entered)
    assert {at - IDLE for at in entered} <= adds


@pytest.mark.parametrize("when", [ABSENT, BROKEN_OFF], ids=["absence", "sequence"])
def test_events_that_come_again_change_nothing(when: dict[str, Any]) -> None:
    @examples(100, 3_000)
    @given(carts(), st.data())
    def again(events: list[Event], data: st.DataObject) -> None:
        doubled = list(events)
        for _ in range(data.draw(st.integers(1, 5))):
            place = data.draw(st.integers(0, len(doubled) - 1))
            later = data.draw(st.integers(place, len(doubled)))
            if doubled[min(later, len(doubled) - 1)][0] - doubled[place][0] <= 60 * MINUTE:
                doubled.insert(later, doubled[place])
        assert made(when, doubled) == made(when, events)

    again()


@pytest.mark.parametrize("when", [ABSENT, BROKEN_OFF], ids=["absence", "sequence"])
def test_carts_do_not_touch_each_other(when: dict[str, Any]) -> None:
    @examples(100, 3_000)
    @given(carts())
    def apart(events: list[Event]) -> None:
        def lost(cart: str) -> list[tuple[int, int]]:
            changes = made(when, [each for each in events if each[1]["properties"]["cart"] == cart])
            begins = [at for action, at in changes if action == "entered"]
            ends = [at for action, at in changes if action == "exited"]
            return list(zip(begins, [*ends, 1 << 60], strict=False))

        inside = [span for cart in ("a", "b") for span in lost(cart)]
        instants = sorted({at for span in inside for at in span} | {t for t, _ in events})
        together = made(when, events)
        for now in instants:
            expected = any(begin <= now < end for begin, end in inside)
            told = [action for action, at in together if at <= now]
            assert (told[-1:] == ["entered"]) is expected or now == 1 << 60

    apart()
