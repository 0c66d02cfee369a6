"""The simulated shop: repeatable, realistic in its shares, and broken in every way it promises."""

from collections import Counter, defaultdict
from itertools import pairwise
from typing import Any

import orjson
import pytest

from benchmarks.simulator import BROKEN, EVENT_NAMES, simulate
from benchmarks.simulator.broken import Draft
from benchmarks.simulator.shop import CONTEXTS
from benchmarks.simulator.wire import Clock
from segments.events import Event, EventDecoder, Plausibility, RejectedEvent

START = 1_767_225_600_000
HOUR = 3_600_000
CLEAN: dict[str, Any] = {"late_rate": 0, "duplicate_rate": 0, "broken_rate": 0, "very_late_rate": 0}
DECODER = EventDecoder(properties={"price": "number"}, property_paths=["price", "cart_id"])


def decoded(records: list[bytes]) -> list[Event]:
    return [DECODER.decode(record) for record in records]


def test_same_seed_same_bytes_other_seed_other_bytes() -> None:
    first = list(simulate(300, 5_000, 11, START))
    assert first == list(simulate(300, 5_000, 11, START))
    assert first != list(simulate(300, 5_000, 12, START))
    assert len(first) == 5_000


def test_days_sets_about_how_long_it_takes() -> None:
    records = list(simulate(200, 4_000, 3, START, days=10, **CLEAN))
    times = [event.time for event in decoded(records)]
    assert times[0] >= START
    assert 5 < (times[-1] - START) / (24 * HOUR) < 20


def test_undisturbed_traffic_is_in_order_whole_and_free_of_repeats() -> None:
    events = decoded(list(simulate(500, 20_000, 5, START, **CLEAN)))
    assert all(before.time <= after.time for before, after in pairwise(events))
    assert len({event.message_id for event in events}) == len(events)
    assert {event.name for event in events} == set(EVENT_NAMES)


def test_sizes_are_those_of_real_sdk_events() -> None:
    sizes = [len(record) for record in simulate(500, 5_000, 5, START, **CLEAN)]
    assert 450 < sum(sizes) / len(sizes) < 650


def test_shares_of_disturbances() -> None:
    total = 60_000
    rates: dict[str, Any] = {"late_rate": 0.03, "duplicate_rate": 0.02, "broken_rate": 0.02, "very_late_rate": 0.01}
    records = list(simulate(50_000, total, 9, START, days=0.2, **rates))
    newest_of: dict[str, int] = defaultdict(int)
    seen: set[str | None] = set()
    found: Counter[str] = Counter()
    newest = START
    decode = DECODER.decode
    for record in records:
        try:
            event = decode(record, newest)
        except RejectedEvent:
            found["broken"] += 1
            continue
        if event.message_id in seen:
            found["duplicate"] += 1
        elif newest_of[event.user_id] - event.time > HOUR:
            found["very late"] += 1
        elif event.time < newest:
            found["late"] += 1
            assert newest - event.time <= 4_000
        seen.add(event.message_id)
        newest_of[event.user_id] = max(newest_of[event.user_id], event.time)
        newest = max(newest, event.time)
    assert found["duplicate"] / total == pytest.approx(0.02, rel=0.15)
    assert found["broken"] / total == pytest.approx(0.02, rel=0.15)
    assert found["very late"] / total == pytest.approx(0.01, rel=0.2)
    assert 0.02 < found["late"] / total <= 0.034  # a delay that no newer event overtakes cannot be seen


def test_a_duplicate_is_the_same_bytes_again() -> None:
    records = list(simulate(300, 20_000, 2, START, **{**CLEAN, "duplicate_rate": 0.05}))
    repeated = len(records) - len(set(records))
    assert repeated / len(records) == pytest.approx(0.05, rel=0.15)
    assert len(set(records)) == len({orjson.loads(record)["messageId"] for record in records})


REASONS = {
    "not_json": {"not_json"},
    "no_user": {"no_user"},
    "unknown_type": {"unknown_type"},
    "time_years_off": {"implausible_time"},
    "wrong_property_type": {"wrong_type"},
    "deep_nesting": {"nested_too_deeply"},
    "lone_surrogate": {"not_json"},
}


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("variant", [0, 1])
def test_every_broken_kind_is_rejected_for_its_reason(kind: str, variant: int) -> None:
    record = BROKEN[kind](Draft(Clock(), START, 7, CONTEXTS[0], b"m-1", variant))
    with pytest.raises(RejectedEvent) as caught:
        EventDecoder(properties={"price": "number"}, plausibility=Plausibility()).decode(record, START)
    assert caught.value.reason in REASONS[kind]


def test_all_broken_kinds_come_in_turn() -> None:
    reasons: Counter[str] = Counter()
    for record in simulate(300, 10_000, 4, START, **{**CLEAN, "broken_rate": 0.01}):
        try:
            DECODER.decode(record, START)
        except RejectedEvent as rejected:
            reasons[rejected.reason] += 1
    assert set(reasons) == set.union(*REASONS.values())
    assert len(REASONS) == len(BROKEN)


def test_oversized_records_come_only_when_asked_for() -> None:
    assert max(map(len, simulate(100, 2_000, 1, START))) < 20_000
    records = list(simulate(100, 2_000, 1, START, oversized=3))
    assert len(records) == 2_000
    assert [len(record) > 5_000_000 for record in records].count(True) == 3


def test_carts_are_filled_before_they_are_ordered_and_many_are_abandoned() -> None:
    filled: set[str] = set()
    ordered: set[str] = set()
    for event in decoded(list(simulate(500, 40_000, 6, START, **CLEAN))):
        if event.name == "Product Added":
            filled.add(event.properties.cart_id)
        elif event.name in {"Checkout Started", "Order Completed", "Product Removed"}:
            assert event.properties.cart_id in filled
        if event.name == "Order Completed":
            assert event.properties.cart_id not in ordered
            ordered.add(event.properties.cart_id)
    assert 0.1 < len(ordered) / len(filled) < 0.7


def test_some_shoppers_return_buy_again_and_some_leave_for_good() -> None:
    orders: Counter[str] = Counter()
    last_seen: dict[str, int] = {}
    for event in decoded(list(simulate(300, 60_000, 8, START, **CLEAN))):
        last_seen[event.user_id] = event.time
        orders[event.user_id] += event.name == "Order Completed"
    end = max(last_seen.values())
    gone = sum(end - time > 14 * 24 * HOUR for time in last_seen.values())
    assert max(orders.values()) > 5
    assert 0.03 < gone / 300 < 0.4


@pytest.mark.parametrize(
    "arguments",
    [
        {"users": 0},
        {"events": -1},
        {"days": 0},
        {"late_rate": 0.6, "broken_rate": 0.5},
        {"oversized": 9},
        {"late_rate": -1},
    ],
)
def test_arguments_that_make_no_sense(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        simulate(**{"users": 5, "events": 10, "seed": 1, "start_ms": START, **arguments})


def test_one_user_is_enough() -> None:
    assert len(list(simulate(1, 500, 1, START))) == 500
