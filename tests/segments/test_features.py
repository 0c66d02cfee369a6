"""Each feature on its own: what it keeps after which events, how it is found again, how it grows."""

from types import SimpleNamespace
from typing import Any

import pytest

from segments.definitions.selecting import Selector
from segments.definitions.steps import Sequence
from segments.events import Event
from segments.features import pending
from segments.features.base import MICROS, SUM_LIMIT, Feature, join_value, storable, to_micros
from segments.features.distinct import DistinctValues
from segments.features.event_log import EventLog
from segments.features.latest import Latest
from segments.features.pending import Pending
from segments.features.purchases import Purchases
from segments.features.scored import NEXT, Ready, Scored, wait
from segments.features.seen import Seen
from segments.features.sequence import RIPENING_KEPT, VALUES_KEPT, SequenceProgress
from segments.features.session import SESSION_ID, SessionSpan, SessionTotal
from segments.features.totals import EventCount, Points, Total, total_value
from segments.features.value_log import CAPACITY, ValueLog
from segments.selectors import EventSelector
from segments.steps import Steps

ID = 5
NOTHING = {"amount": None, "kind": None}


def progress(*steps: Any, per: str | None = None) -> SequenceProgress:
    return SequenceProgress(Steps(Sequence.model_validate({"steps": list(steps), "within": "1h"})), per, 3_600_000)


def selector(name: str, **where: Any) -> EventSelector:
    return EventSelector(Selector.model_validate({"event": name, "where": where}))


A, B, C = selector("A"), selector("B"), selector("C")
DEAR = selector("A", amount={"gt": 1})


def event(name: str, time: int, **properties: Any) -> Event:
    return Event("u", name, time, None, SimpleNamespace(**NOTHING | properties), None, None)


def states(feature: Feature, *events: Event, before: dict[int, Any] | None = None) -> dict[int, Any]:
    """All that is kept when these events have reached the feature, one after the other."""
    kept = before or {}
    for each in events:
        for way in feature.inputs(ID):
            if way.update is not None and {each.name, "any"} & {*way.selector.names}:
                way.update(kept, each, each.time)
    return kept


def state(feature: Feature, *events: Event) -> Any:
    return states(feature, *events).get(ID)


def times(*at: int) -> list[Event]:
    return [event("A", time) for time in at]


def kinds(*of: Any, name: str = "A") -> list[Event]:
    """Events at 1, 2, 3 ... of these kinds."""
    return [event(name, time, kind=kind) for time, kind in enumerate(of, 1)]


def amounts(*of: Any) -> list[Event]:
    """Events at 1, 2, 3 ... of these amounts."""
    return [event("A", time, amount=amount) for time, amount in enumerate(of, 1)]


FEATURES: list[Feature] = [
    EventLog(A, 1, 10), EventLog(B, 1, 10), EventLog(DEAR, 1, 10),
    DistinctValues(A, "kind", 1, 10), DistinctValues(B, "kind", 1, 10), DistinctValues(A, "amount", 1, 10),
    ValueLog(A, "amount", 10), ValueLog(B, "amount", 10), ValueLog(A, "kind", 10),
    Seen(A, "last"), Seen(A, "first"), Seen(B, "last"),
    EventCount(A), EventCount(B), Total(A, "amount"), Total(B, "amount"), Total(A, "kind"),
    Points({"A": 1}, None), Points({"A": 2}, None), Points({"A": 1, "B": 1}, None), Points({"A": 1}, 60),
    Points({"A": 1234567}, None), Points({"A": 1234568}, None),
    SessionSpan(10), SessionTotal(A, None), SessionTotal(A, "amount"), SessionTotal(B, None),
    Pending(A, B, None), Pending(B, A, None), Pending(A, C, None), Pending(A, B, "kind"),
    progress("A", "B"), progress("B", "A"), progress("A", {"event": "B", "within": "1m"}),
    progress("A", "B", per="kind"),
    progress("A", {"not": "C"}, "B"), progress("A", "B", {"not": "C", "within": "1m"}),
    Purchases(A, "amount", "UTC"), Purchases(A, None, "UTC"), Purchases(A, "amount", "Asia/Tokyo"),
    Purchases(B, None, "UTC"),
    Scored("buyer", 5, [A]), Scored("buyer:2", 5, [A]),
    Latest("traits", "plan"), Latest("context", "plan"), Latest("traits", "age"),
]  # fmt: skip


def test_features_that_differ_have_different_keys() -> None:
    keys = [feature.key for feature in FEATURES]
    assert sorted(set(keys)) == sorted(keys)


def test_features_that_one_state_serves_have_one_key() -> None:
    assert EventLog(A, 1, 10).key == EventLog(A, 9, 99).key
    assert ValueLog(A, "amount", 10).key == ValueLog(A, "amount", 99).key
    assert DistinctValues(A, "kind", 1, 10).key == DistinctValues(A, "kind", 9, 99).key
    assert Points({"A": 1, "B": 2}, 60).key == Points({"B": 2, "A": 1}, 60).key


def test_a_score_is_found_again_by_who_gives_it_whatever_that_reads() -> None:
    assert Scored("buyer", 5, [A]).key == Scored("buyer", 9, [B]).key == "score by model|buyer"


@pytest.mark.parametrize("make", [lambda n, w: EventLog(A, n, w), lambda n, w: DistinctValues(A, "kind", n, w)])
def test_a_wider_feature_serves_both(make: Any) -> None:
    for one, other in (((2, 30), (1, 40)), ((1, 40), (2, 30))):
        feature = make(*one)
        feature.widen(make(*other))
        assert (feature.capacity, feature.window) == (2, 40)
        (longest := ValueLog(A, "amount", one[1])).widen(ValueLog(A, "amount", other[1]))
        assert longest.window == 40


@pytest.mark.parametrize(
    "feature",
    [
        EventLog(DEAR, 3, 10),
        DistinctValues(DEAR, "amount", 3, 10),
        ValueLog(DEAR, "amount", 10),
        Seen(DEAR, "last"),
        Seen(DEAR, "first"),
        EventCount(DEAR),
        Total(DEAR, "amount"),
        SessionTotal(DEAR, None),
        Purchases(DEAR, None, "UTC"),
        Scored("buyer", 5, [DEAR]),
        Pending(DEAR, B, None),
        Pending(B, DEAR, None),
        progress({"event": "A", "where": {"amount": {"gt": 1}}}, "B"),
    ],
    ids=lambda feature: str(feature.key),
)
def test_only_events_that_fulfil_the_selector_count(feature: Feature) -> None:
    session = {SESSION_ID: [1, 0, 0]}
    assert ID not in states(feature, event("A", 1, amount=1), before=dict(session))
    assert ID in states(feature, event("A", 1, amount=2), before=dict(session))


@pytest.mark.parametrize(
    ("feature", "events", "expected"),
    [
        # the newest times, as many as asked for; one that left the window goes with the next event
        (EventLog(A, 3, 10), times(1), [1]),
        (EventLog(A, 3, 10), times(1, 2, 2), [1, 2, 2]),
        (EventLog(A, 3, 10), times(1, 2, 2, 3), [2, 2, 3]),
        (EventLog(A, 3, 10), times(1, 5, 10), [1, 5, 10]),
        (EventLog(A, 3, 10), times(1, 5, 11), [5, 11]),
        # the newest time of each value; beyond the capacity the value seen longest ago is forgotten
        (DistinctValues(A, "kind", 2, 10), kinds(None, [1]), None),
        (DistinctValues(A, "kind", 2, 10), kinds("x", "y", "x"), {"x": 3, "y": 2}),
        (DistinctValues(A, "kind", 2, 10), kinds("x", "y", "x", "z"), {"x": 3, "z": 4}),
        # amounts with their times; what is no number is no amount
        (ValueLog(A, "amount", 3), amounts("1", None, True), None),
        (ValueLog(A, "amount", 3), amounts(1, 0.5, -2), ([1, 2, 3], [1_000_000, 500_000, -2_000_000])),
        (ValueLog(A, "amount", 3), amounts(1, 0.5, -2, 0), ([2, 3, 4], [500_000, -2_000_000, 0])),
        (ValueLog(A, "amount", 3), [*amounts(1, 2), event("A", 9, amount=3)], ([9], [3_000_000])),
        (Seen(A, "last"), times(1, 4, 9), 9),
        (Seen(A, "first"), times(1, 4, 9), 1),
        (EventCount(A), times(1, 1, 2), 3),
        # number, sum, smallest, largest
        (Total(A, "amount"), amounts(None, "1"), None),
        (Total(A, "amount"), amounts(2, None), [1, 2_000_000, 2_000_000, 2_000_000]),
        (Total(A, "amount"), amounts(2, -1, 3), [3, 4_000_000, -1_000_000, 3_000_000]),
        (Total(A, "amount"), amounts(*[1e12] * 10), [10, SUM_LIMIT, 10**18, 10**18]),
        (Total(A, "amount"), amounts(*[-1e12] * 10), [10, -SUM_LIMIT, -(10**18), -(10**18)]),
        # points: all kept as they are, or halved every ten
        (Points({"A": 2.5, "B": -1}, None), times(1), [2_500_000, 1]),
        (Points({"A": 2.5, "B": -1}, None), [*times(1, 2), event("B", 3)], [4_000_000, 3]),
        (Points({"A": 1e12}, None), times(*range(10)), [SUM_LIMIT, 9]),
        (Points({"A": -1e12}, None), times(*range(10)), [-SUM_LIMIT, 9]),
        (Points({"A": 8}, 10), times(1), [8, 1]),
        (Points({"A": 8}, 10), times(1, 11), [12.0, 11]),
        (Points({"A": 8}, 10), times(1, 11, 31), [11.0, 31]),
        # number of the session, its start, its last event; the gap alone begins a new one
        (SessionSpan(10), times(3), [1, 3, 3]),
        (SessionSpan(10), times(3, 12), [1, 3, 12]),
        (SessionSpan(10), times(3, 12, 22), [2, 22, 22]),
        (SessionSpan(10), times(3, 12, 22, 40), [3, 40, 40]),
        # opened and closed; closing all closes each, and what is opened again is open
        (Pending(A, B, None), times(1), [0, {"": [1, 0]}]),
        (Pending(A, B, None), times(1, 4), [0, {"": [4, 0]}]),
        (Pending(A, B, None), [*times(1), event("B", 2)], [0, {"": [0, 2]}]),
        (Pending(A, B, None), [event("B", 2), *times(3)], [0, {"": [3, 2]}]),
        (Pending(A, B, "kind"), kinds("x", None, "y"), [0, {"x": [1, 0], "y": [3, 0]}]),
        (Pending(A, B, "kind"), [*kinds("x", "y"), event("B", 3, kind="x")], [0, {"y": [2, 0], "x": [0, 3]}]),
        (Pending(A, B, "kind"), [*kinds("x", "y"), event("B", 3)], [3, {"x": [0, 3], "y": [0, 3]}]),
    ],
)  # fmt: skip
def test_a_feature_keeps_what_its_conditions_need(feature: Feature, events: list[Event], expected: Any) -> None:
    assert repr(state(feature, *events)) == repr(expected)  # the order of values, and of numbers the type


DAY = 86_400_000


@pytest.mark.parametrize(
    ("feature", "bought", "expected"),
    [
        # first, last, days, newest day, amount on the first day, amount in all; several of one day are one
        (Purchases(A, "amount", "UTC"), [(5, 2)], [5, 5, 1, 0, 2, 2]),
        (Purchases(A, "amount", "UTC"), [(5, 2), (DAY - 1, 0.5)], [5, DAY - 1, 1, 0, 2.5, 2.5]),
        (Purchases(A, "amount", "UTC"), [(5, 2), (DAY, 0.5)], [5, DAY, 2, 1, 2, 2.5]),
        (Purchases(A, "amount", "UTC"), [(5, 2), (DAY, 3), (DAY + 1, 4)], [5, DAY + 1, 2, 1, 2, 9]),
        (Purchases(A, "amount", "UTC"), [(DAY, 2), (4 * DAY, -3), (9 * DAY, 4)], [DAY, 9 * DAY, 3, 9, 2, 3]),
        # what is no amount is a purchase all the same
        (Purchases(A, "amount", "UTC"), [(5, None)], [5, 5, 1, 0, 0, 0]),
        (Purchases(A, "amount", "UTC"), [(5, 2), (6, None), (DAY, "1")], [5, DAY, 2, 1, 2, 2]),
        (Purchases(A, None, "UTC"), [(5, 2), (DAY, 3)], [5, DAY, 2, 1, 0, 0]),
        # no amount grows beyond what a number in the state may be
        (Purchases(A, "amount", "UTC"), [(at, 1e12) for at in range(10)], [0, 9, 1, 0, 9e12, 9e12]),
        (Purchases(A, "amount", "UTC"), [(at, -1e12) for at in range(10)], [0, 9, 1, 0, -9e12, -9e12]),
        # in Tokyo a day begins at 15:00 of UTC
        (Purchases(A, None, "Asia/Tokyo"), [(0, None), (DAY * 5 // 8 - 1, None)], [0, 53_999_999, 1, 719_163, 0, 0]),
        (Purchases(A, None, "Asia/Tokyo"), [(0, None), (DAY * 5 // 8, None)], [0, 54_000_000, 2, 719_164, 0, 0]),
    ],
)  # fmt: skip
def test_purchases_are_counted_by_the_day(feature: Purchases, bought: list[Any], expected: list[float]) -> None:
    found = state(feature, *(event("A", at, amount=amount) for at, amount in bought))
    assert [*found[:4], *(each / MICROS for each in found[4:])] == expected


def test_a_score_is_due_a_while_after_the_first_event_that_moves_what_the_model_reads() -> None:
    assert state(Scored("buyer", 5, [A]), *times(1, 3)) == [None, 0, 6, 0, 0]
    assert states(Scored("buyer", 5, [A]), *times(9), before={ID: [0.5, 8, 30, 1, 77]})[ID] == [0.5, 8, 14, 1, 77]
    assert states(Scored("buyer", 5, [A]), *times(9), before={ID: [0.5, 8, 14, 1, 77]})[ID] == [0.5, 8, 14, 1, 77]


def test_the_rules_are_not_judged_for_events_that_only_have_a_user_scored() -> None:
    assert [way.always_judged for way in Scored("buyer", 5, [A, B]).inputs(ID)] == [False, False]


def test_one_selector_of_all_events_stands_for_all_others() -> None:
    every, dear = selector("any"), selector("any", amount={"gt": 1})
    also = EventSelector(Selector(event=["any", "A"]))
    for selectors, left in (
        ([A, B], [A, B]),
        ([A, A], [A]),
        ([A, dear], [A, dear]),
        ([A, every, B], [every]),
        ([also, every], [also]),
    ):
        ways = Scored("buyer", 5, selectors).inputs(ID)
        assert [way.selector.text for way in ways] == [each.text for each in left]


def test_who_waits_for_a_score_is_noted_again_when_it_is_sooner_or_what_was_ready_is_not_true_any_more() -> None:
    scored, kept = Scored("buyer", 5, [A]), dict[int, Any]()
    scored.waiting = []

    def noted(due: int) -> list[tuple[int, str]]:
        scored.waiting = []
        scored.happened(kept, ID, "u", 5, due)
        return scored.waiting

    assert [noted(20), noted(20), noted(30), noted(10)] == [[(20, "u")], [], [], [(10, "u")]]
    scored.ready = {"u": Ready(10, (1.0,), []), "other": Ready(10, (2.0,), [])}
    assert [noted(30), noted(30)] == [[(10, "u")], []]
    assert list(scored.ready) == ["other"]
    wait(kept[ID], 0.5, 1, 100)
    assert (kept[ID][NEXT], noted(30), kept[ID], noted(30)) == (110, [(10, "u")], [None, 0, 10, 0, 0], [])


def test_amounts_beyond_the_capacity_are_forgotten() -> None:
    found = state(ValueLog(A, "amount", 10_000), *amounts(*range(CAPACITY + 2)))
    assert [len(each) for each in found] == [CAPACITY, CAPACITY]
    assert [each[0] for each in found] == [3, 2 * MICROS]


@pytest.mark.parametrize("name", ["A", "B"])
def test_the_value_touched_longest_ago_is_forgotten_beyond_the_capacity(name: str) -> None:
    opened = kinds(*range(pending.CAPACITY), 0, name="A")
    _, found = state(Pending(A, B, "kind"), *opened, event(name, 99, kind="new"))
    assert [len(found), 0 in found, 1 in found] == [pending.CAPACITY, True, False]


@pytest.mark.parametrize(("later", "left"), [(101, ["x", "y", "new"]), (102, ["y", "new"]), (103, ["new"])])
def test_a_value_that_no_absence_can_still_see_is_forgotten(later: int, left: list[str]) -> None:
    opened = [event("A", 1, kind="x"), event("A", 2, kind="y"), event("B", 2, kind="y")]
    _, found = state(Pending(A, B, "kind", 101), *opened, event("A", later, kind="new"))
    assert list(found) == left
    _, found = state(Pending(A, B, "kind"), *opened, event("A", later, kind="new"))
    assert list(found) == ["x", "y", "new"]


def test_what_closes_a_value_lets_go_of_those_too_old_as_well() -> None:
    opened = [event("A", 1, kind="x"), event("A", 2, kind="y")]
    assert list(state(Pending(A, B, "kind", 101), *opened, event("B", 102, kind="y"))[1]) == ["y"]


def test_an_absence_without_an_end_keeps_values_for_all_that_read_them() -> None:
    for one, other, both in ((5, 9, 9), (9, 5, 9), (5, None, None), (None, 5, None)):
        (feature := Pending(A, B, None, one)).widen(Pending(A, B, None, other))
        assert feature.window == both


def test_first_and_last_say_when_they_moved() -> None:
    for which, expected in (("last", [[ID], None, None]), ("first", [[ID], None, None])):
        (way,) = Seen(A, which).inputs(ID)  # type: ignore[arg-type]
        kept: dict[int, Any] = {}
        assert way.update is not None
        assert [way.update(kept, each, each.time) for each in times(1, 4, 9)] == expected
        assert (way.watched, way.always_judged) == (True, which == "last")


def test_a_session_says_when_it_starts() -> None:
    (way,) = SessionSpan(10).inputs(SESSION_ID)
    kept: dict[int, Any] = {}
    assert way.update is not None
    assert [way.update(kept, each, each.time) for each in times(3, 12, 22, 23)] == [True, False, True, False]


def test_what_counts_in_a_session_begins_anew_with_the_next() -> None:
    for feature, expected in ((SessionTotal(A, "amount"), [1, 2, 3 * MICROS]), (SessionTotal(A, None), [1, 3, 0])):
        kept = states(feature, *amounts(1, 2, None), before={SESSION_ID: [1, 0, 0]})
        assert kept[ID] == expected
        kept[SESSION_ID] = [2, 5, 5]
        assert states(feature, event("A", 5, amount=4), before=kept)[ID] == [2, 1, expected[2] and 4 * MICROS]


@pytest.mark.parametrize("sign", [1, -1])
def test_a_sum_in_a_session_stays_inside_its_limit(sign: int) -> None:
    found = states(SessionTotal(A, "amount"), *amounts(*[sign * 1e12] * 10), before={SESSION_ID: [1, 0, 0]})
    assert found[ID] == [1, 10, sign * SUM_LIMIT]


def test_one_value_of_a_total_in_its_own_unit() -> None:
    total = [4, 6_000_000, -500_000, 2_500_000]
    assert [total_value(total, of) for of in ("sum", "avg", "min", "max")] == [6.0, 1.5, -0.5, 2.5]
    assert [total_value(None, of) for of in ("sum", "avg", "min", "max")] == [0.0, None, None, None]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (3, 3 * MICROS), (-0.1, -100_000), (0.0000005, 0), (0.0000015, 2), (10**13, 10**18), (-(10**13), -(10**18)),
        (1e300, 10**18), (-1e300, -(10**18)), (True, None), ("3", None), (None, None),
    ],
)  # fmt: skip
def test_amounts_are_whole_millionths_inside_their_limit(value: Any, expected: int | None) -> None:
    found = to_micros(value)
    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("value", "joined", "kept"),
    [
        (1, 1, 1), (1.5, 1.5, 1.5), ("x", "x", "x"), (None, None, None),
        (True, "\0True", True), (False, "\0False", False),
        ("x" * 300, "x" * 256, "x" * 256), (2**63, 2**63 - 1, 2**63 - 1), (-(2**64), -(2**63), -(2**63)),
        ({"a": 1}, None, True), ([1, "y" * 300, [2], {"a": 1}, None], None, [1, "y" * 256, True, True, None]),
        ([7] * 65, None, [7] * 64),
    ],
)  # fmt: skip
def test_values_are_kept_short(value: Any, joined: Any, kept: Any) -> None:
    assert (join_value(value), storable(value)) == (joined, kept)
    assert (type(join_value(value)), type(storable(value))) == (type(joined), type(kept))


def test_a_sequence_forgets_the_value_touched_longest_ago() -> None:
    sequence = progress("A", "B", per="kind")
    assert list(state(sequence, *kinds(*range(VALUES_KEPT)))[1]) == [*range(VALUES_KEPT)]
    _, found = state(sequence, *kinds(*range(VALUES_KEPT), 0, "new"))
    assert [len(found), 0 in found, 1 in found] == [VALUES_KEPT, True, False]


@pytest.mark.parametrize(("later", "left"), [(3_600_000, [1, 2]), (3_600_001, [2]), (3_600_002, [])])
def test_a_sequence_forgets_what_is_too_old_for_its_window(later: int, left: list[int]) -> None:
    begun = [event("A", 1, kind=1), event("A", 2, kind=2)]
    assert list(state(progress("A", "B", per="kind"), *begun, event("A", later, kind="new"))[1]) == [*left, "new"]


@pytest.mark.parametrize(("at", "counts"), [(60_002, 1), (60_001, 0)])
def test_a_match_that_is_ripe_when_its_value_is_forgotten_counts(at: int, counts: int) -> None:
    sequence = progress("A", "B", {"not": "C", "within": "1m"}, per="kind")
    matched = [event("A", 1, kind="first"), event("B", 1, kind="first")]
    others = [event("A", at, kind=number) for number in range(VALUES_KEPT)]
    found, kept = state(sequence, *matched, *others)
    assert (found, "first" in kept, len(kept)) == (counts, False, VALUES_KEPT)


def test_a_sequence_keeps_nothing_of_a_value_that_was_broken_off_too_long_ago() -> None:
    sequence = progress("A", {"not": "C"}, "B", "D")
    assert state(sequence, event("A", 1), event("B", 2), event("A", 3), event("C", 3_600_002)) == [0, {}]


def test_a_sequence_begins_with_its_first_step() -> None:
    assert repr(state(progress("A", "B", "C"), *times(1))) == repr([0, {"": [1, 1, 0, 0]}])
    assert state(progress("A", "B", "C"), event("B", 1), event("C", 2)) is None


def test_what_must_not_come_between_takes_the_match_back() -> None:
    sequence, begun = progress("A", "B", {"not": "C"}, "D", "E"), [event("A", 1), event("B", 2)]
    assert state(sequence, *begun) == [0, {"": [1, 1, 1, 2, 0, 0]}]
    assert state(sequence, *begun, event("C", 3)) == [0, {"": [1, 1, 0, 0, 0, 0]}]


def test_of_complete_matches_that_wait_the_oldest_and_the_newest_are_kept() -> None:
    waiting = progress("A", "B", {"not": "C", "within": "1m"})
    pairs = [event(name, 2 * n + at) for n in range(RIPENING_KEPT + 1) for at, name in enumerate("AB", 1)]
    assert state(waiting, *pairs[:-2])[1][""][2:] == [*range(1, 2 * RIPENING_KEPT + 1)]
    assert state(waiting, *pairs)[1][""][2:] == [*range(1, 2 * RIPENING_KEPT - 1), 33, 34]
    assert state(waiting, *pairs[:2], event("B", 3))[1][""][2:] == [1, 2]
    assert state(waiting, *pairs[:4], event("B", 5))[1][""][2:] == [1, 2, 3, 4]


@pytest.mark.parametrize(("later", "counts", "waiting"), [(60_002, 0, [1, 2, 3, 9]), (60_003, 1, [3, 9])])
def test_a_match_that_is_ripe_leaves_those_that_wait_as_they_are(later: int, counts: int, waiting: list[int]) -> None:
    matched = [event("A", 1), event("B", 2), event("A", 3), event("B", 9)]
    found = state(progress("A", "B", {"not": "C", "within": "1m"}), *matched, event("A", later))
    assert found == [counts, {"": [later, later, *waiting]}]


@pytest.mark.parametrize(("later", "counts"), [(60_002, 2), (60_003, 0)])
def test_a_step_that_comes_too_late_completes_nothing(later: int, counts: int) -> None:
    limited = progress("A", {"event": "B", "within": "1m"})
    assert state(limited, event("A", 2), event("B", later)) == [counts, {"": [2, 2]}]


def test_what_two_parts_of_a_history_know_is_joined() -> None:
    assert EventLog(A, 3, 100).join([10, 20, 30], [30, 115], at=30) == [20, 30, 115]
    assert EventLog(A, 2, 100).join([10, 20, 30], [40], at=30) == [20, 40]
    assert EventLog(A, 9, 100).join([10, 20, 30], [110], at=31) == [20, 30, 110]
    log = ValueLog(A, "amount", 100)
    assert log.join([[10, 20, 30], [1, 2, 3]], [[30, 110], [3, 4]], at=30) == ([20, 30, 110], [2, 3, 4])
    many = list(range(CAPACITY))
    assert ValueLog(A, "amount", 9_999).join([many, many], [[5_000], [7]], at=5_000)[0] == [*many[1:], 5_000]
    values = DistinctValues(A, "kind", 2, 100)
    assert values.join({"a": 10, "b": 20, "c": 30}, {"b": 40}, at=30) == {"a": 10, "b": 40}
    assert values.join({"z": 10, "b": 20}, {"c": 40}, at=30) == {"b": 20, "c": 40}
    assert values.join({"c": 10, "z": 20}, {"b": 40}, at=30) == {"z": 20, "b": 40}


def test_carts_of_before_and_after_an_instant_are_joined() -> None:
    carts = Pending(A, B, "kind", 100)
    before = [7, {"x": [10, 0], "y": [0, 20], "z": [30, 5]}]
    assert carts.join(before, [6, {"z": [35, 0]}], at=20) == [7, {"x": [10, 0], "z": [35, 0]}]
    assert carts.join([6, {"x": [5, 19]}], [7, {}], at=20) == [7, {"x": [5, 19]}]
    assert carts.join([0, {"x": [10, 0]}], [0, {"y": [109, 0]}], at=20)[1] == {"x": [10, 0], "y": [109, 0]}
    assert carts.join([0, {"x": [10, 0]}], [0, {"y": [0, 110]}], at=20)[1] == {"y": [0, 110]}
    assert [carts.join([0, {"x": [10, 0]}], [0, {}], at=at)[1] for at in (109, 110)] == [{"x": [10, 0]}, {}]
    many = {f"x{n}": [n + 1, 0] for n in range(pending.CAPACITY)}
    assert list(carts.join([0, many], [0, {"y": [50, 0]}], at=40)[1]) == [*list(many)[1:], "y"]


def test_progress_of_before_and_after_an_instant_is_joined() -> None:
    steps = SequenceProgress(Steps(Sequence.model_validate({"steps": ["A", "B"], "within": "1h"})), "kind", 100)
    before = [7, {"x": [10, 10], "y": [5, 20]}]
    assert steps.join(before, [6, {"z": [35, 35]}], at=20) == [7, {"x": [10, 10], "z": [35, 35]}]
    assert steps.join([6, {"x": [5, 19]}], [7, {}], at=20) == [7, {"x": [5, 19]}]
    assert steps.join([0, {"x": [10, 10]}], [0, {"y": [20, 109]}], at=20)[1] == {"x": [10, 10], "y": [20, 109]}
    assert steps.join([0, {"x": [10, 10]}], [0, {"y": [20, 110]}], at=20)[1] == {"y": [20, 110]}
    assert [steps.join([0, {"x": [10, 10]}], [0, {}], at=at)[1] for at in (109, 110)] == [{"x": [10, 10]}, {}]
