"""Who is judged equal, different or not yet, in all orders in which the topic and Redis hear of a user's changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.live.judging import MOST_LOOKS, SURE_AFTER, Look, Topic, Verdict, judge
from jobs.live.looks import Waiting
from jobs.live.recent import Recent
from jobs.live.table import Table
from segments.changes import Membership, Memberships, decode_memberships, encode_memberships
from segments.inspection import Stands, stands

USER = "u1"
PATIENCE = 10


@dataclass
class History:
    """What a user was in, by when: (instant, number, segments with their since); no number: forgotten."""

    states: list[tuple[int, int, dict[str, int]]]
    lag: int  # with which a reader hears of each

    def heard(self, at: int) -> list[tuple[int, dict[str, int]]]:
        return [(seq, segments) for instant, seq, segments in self.states if instant + self.lag <= at]


@dataclass
class World:
    """Topic and side as they are read at some instants; `spoil` is done to what the side says, if it knows so much."""

    topic: History
    side: History
    spoilt_since: int | None = None
    recent: Recent = field(default_factory=Recent)
    read: int = 0

    def look(self, at: int) -> Look[Stands]:
        said = self.side.heard(at)
        seq, segments = said[-1] if said else (0, {})
        if self.spoilt_since is not None:
            segments = {**segments, "wrong": self.spoilt_since}
        told = self.tell(at + 1)
        number = told[-1][0] if told and told[-1][1] else None
        stand = {name: (1, since) for name, since in segments.items()}
        return Look((seq, stand), seq, not segments, number, self.recent.reached(USER))

    def tell(self, at: int) -> list[tuple[int, dict[str, int]]]:
        told = self.topic.heard(at)
        for seq, segments in told[self.read :]:
            self.recent.add(USER, record(seq, segments) if segments else None)
        self.read = len(told)
        return told

    def of(self) -> Topic:
        def found(seq: int) -> Memberships | None:
            value = self.recent.at(USER, seq)
            return None if value is None else decode_memberships(value)

        return Topic(found, lambda seq: self.recent.was_nowhere(USER, seq))


def record(seq: int, segments: dict[str, int]) -> bytes:
    told = {name: Membership(1, since, None, 1.0) for name, since in segments.items()}
    return encode_memberships(Memberships(USER, seq, seq, told))


def difference(told: Memberships, stand: Stands) -> str | None:
    return None if stands(told)[1] == stand[1] else "it differs"


def verdicts(world: World, instants: list[int]) -> Iterator[tuple[int, Verdict]]:
    looks: list[Look[Stands]] = []
    for at in instants:
        looks.append(world.look(at))
        yield len(looks), judge(looks, world.of(), difference, "Redis")


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[int, int, dict[str, int]]]:
    """A user enters and leaves two segments, is forgotten and comes back; several changes may come in one batch."""
    states: list[tuple[int, int, dict[str, int]]] = []
    at = seq = 0
    segments: dict[str, int] = {}
    for _ in range(draw(st.integers(1, 40))):
        at += draw(st.integers(0, 12))
        is_forgotten = bool(states) and not segments and draw(st.integers(0, 4)) == 0
        seq += draw(st.integers(1, 3))
        segments = dict(segments)
        if not is_forgotten:
            name = draw(st.sampled_from("ab"))
            if segments.pop(name, None) is None:
                segments[name] = at
        states.append((at, 0 if is_forgotten else seq, segments))
    return states


looking = st.lists(st.integers(PATIENCE + 2, 3 * PATIENCE), min_size=MOST_LOOKS, max_size=MOST_LOOKS)
lags = st.integers(0, PATIENCE - 1)


@given(histories(), lags, lags, st.integers(0, 200), looking)
def test_who_is_only_on_the_way_is_never_called_different(
    states: list[tuple[int, int, dict[str, int]]], topic: int, side: int, first: int, pauses: list[int]
) -> None:
    world = World(History(states, topic), History(states, side))
    for _, verdict in verdicts(world, [first + sum(pauses[:number]) for number in range(MOST_LOOKS)]):
        assert verdict.text is None


@given(histories(), lags, lags, looking)
def test_who_stands_still_and_is_right_is_equal(
    states: list[tuple[int, int, dict[str, int]]], topic: int, side: int, pauses: list[int]
) -> None:
    world = World(History(states, topic), History(states, side))
    still = states[-1][0] + PATIENCE
    found = [verdict for _, verdict in verdicts(world, [still, still + pauses[0]])]
    assert found[0] == Verdict(is_open=False)


@given(histories(), lags, lags, st.integers(0, 200), looking)
def test_what_is_broken_for_good_is_never_called_equal_and_found_when_it_stands_still(
    states: list[tuple[int, int, dict[str, int]]], topic: int, side: int, first: int, pauses: list[int]
) -> None:
    world = World(History(states, topic), History(states, side), spoilt_since=5)
    instants = [first + sum(pauses[:number]) for number in range(MOST_LOOKS)]
    found = [verdict for _, verdict in verdicts(world, instants)]
    decided = next((verdict for verdict in found if not verdict.is_open), None)
    assert decided is None or decided.text is not None
    if states[-1][0] + PATIENCE < first:
        assert decided is not None


@given(histories(), lags, looking, st.data())
def test_a_side_that_hears_of_nothing_more_is_found(
    states: list[tuple[int, int, dict[str, int]]], topic: int, pauses: list[int], data: st.DataObject
) -> None:
    """Redis was emptied or has lost the last changes, or the topic has: three looks find it."""
    kept = data.draw(st.integers(0, len(states) - 1))
    lost, whole = states[:kept], states
    sides = [lost, whole] if data.draw(st.booleans()) else [whole, lost]
    world = World(History(sides[1], topic), History(sides[0], 0))
    still = states[-1][0] + PATIENCE
    instants = [still + sum(pauses[:number]) for number in range(SURE_AFTER)]
    found = [verdict for _, verdict in verdicts(world, instants)]
    (_, seq, segments), (_, old, before) = whole[-1], lost[-1] if lost else (0, 0, {})
    if not segments and not before:
        return  # in no segment, whatever was lost: of that the topic has no number
    if (seq, segments) != (old, before):
        assert any(verdict.text for verdict in found), found


@pytest.mark.parametrize(("topic", "side"), [(0, 7), (7, 0), (3, 3), (9, 8)])
def test_who_moves_all_the_time_is_compared_with_what_the_topic_said_of_that_change(topic: int, side: int) -> None:
    """Every fourth change leaves the last segment: of that the topic has a tombstone, which has no number."""
    states = [(3 * seq, seq, {"a": seq} if seq % 4 else {}) for seq in range(1, 200)]
    world = World(History(states, topic), History(states, side))
    found = [verdict for _, verdict in verdicts(world, [50 + 21 * number for number in range(3)])]
    assert Verdict(is_open=False) in found


def test_who_is_in_no_segment_whenever_looked_at_is_compared_with_tombstones() -> None:
    states = [(3 * seq, seq, {"a": seq} if seq % 2 == 0 else {}) for seq in range(1, 60)]
    world = World(History(states, 0), History(states, 0))
    found = [verdict for _, verdict in verdicts(world, [53, 77, 101])]
    assert [verdict.is_open for verdict in found] == [True, False, False]


def test_redis_ahead_of_what_was_read_is_no_difference() -> None:
    """As the test on the stack once reported it: the set was written four seconds after the record that was read."""
    world = World(History([(0, 1, {"a": 0}), (5, 2, {}), (6, 3, {"a": 6})], 8), History([(0, 1, {"a": 0})], 0))
    world.side.states = world.topic.states
    looks = [world.look(9)]
    assert looks[0].seq == 3
    assert judge(looks, world.of(), difference, "Redis").is_open
    looks.append(world.look(20))
    assert judge(looks, world.of(), difference, "Redis") == Verdict(is_open=False)


def test_the_newest_records_are_kept_and_the_oldest_forgotten() -> None:
    recent = Recent(most=3)
    for seq in range(1, 5):
        recent.add("u1" if seq < 4 else "u2", record(seq, {"a": seq}))
    recent.add("u2", b"not ours")
    assert [recent.at("u1", seq) is not None for seq in (1, 2, 3)] == [False, True, True]
    recent.add("u2", None)
    assert "u1" in recent
    recent.add("u2", record(7, {"a": 7}))
    assert "u1" not in recent


def test_who_waits_is_due_after_a_pause_that_grows_to_four_times() -> None:
    now = [100.0]
    waiting: Waiting[str] = Waiting(2.0, lambda: now[0])
    look = Look("", 1, False, 1, 1)
    pauses = []
    for times in range(1, 6):
        waiting.add({"u1": [look] * times})
        assert waiting.due() == {}
        pauses.append(waiting.left())
        now[0] += waiting.left()
        assert waiting.due() == {"u1": [look] * times}
        assert "u1" not in waiting
    assert pauses == [2.0, 4.0, 8.0, 8.0, 8.0]


def test_a_table_is_a_dict_on_disk_of_the_chosen_users() -> None:
    table = Table(lambda user: user != "not")
    for number in range(2_500):
        table[f"u{number}"] = b"1"
    table["not"] = b"1"
    table["u7"] = b"2"
    table["odd\udcff"] = b"3"
    assert (len(table), table["u7"], table.get("nobody"), table["odd\udcff"]) == (2_501, b"2", None, b"3")
    assert sorted(table) == sorted([*(f"u{number}" for number in range(2_500)), "odd\udcff"])
    del table["u7"]
    assert table.pop("u7", None) is None
    table.know(f"u{number}" for number in range(2_498))
    assert sorted(table.unknown()) == ["odd\udcff", "u2498", "u2499"]
    assert (table.note("x"), table.note("x")) == (True, False)
    table.close()


def test_a_table_that_is_followed_knows_what_a_user_was_in_before() -> None:
    table = Table()
    table[USER] = record(3, {"a": 3})
    table.follow()
    assert table.recent is not None
    table.pop(USER)
    table[USER] = record(5, {"a": 5})
    table.pop("stranger", None)
    assert table.recent.at(USER, 3) == record(3, {"a": 3})
    assert table.recent.was_nowhere(USER, 4)
    assert "stranger" not in table.recent
    table.close()
