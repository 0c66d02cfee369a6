"""Numbers after a rebuild: what consumers know, who gets another number, and what is asked of the job."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from jobs.live.numbering import Known, learn, number_for, number_on
from jobs.live.table import Table
from jobs.settings import Settings
from segments.inspection import Choice, Inspected, Renumber, Stands

IN_A: dict[str, tuple[int, int]] = {"a": (1, 5)}


def told(user: str, seq: int, at: int, segment: str = "a", action: str = "entered") -> bytes:
    return msgspec.json.encode({"user_id": user, "segment": segment, "action": action, "at": at, "seq": seq})


def known(*records: bytes | None) -> Known:
    table = Table()
    learn(table, records)
    (user,) = table
    return msgspec.msgpack.decode(table[user], type=Known)


def test_what_a_consumer_leaves_out_is_not_known() -> None:
    left = told("u", 2, 7, "a", "exited")
    assert known(told("u", 1, 5), left, told("u", 3, 9, "b")) == Known(3, 9, 0, {"b"})
    again = told("u", 1, 5), told("u", 2, 9, "b")
    assert known(told("u", 1, 5), left, told("u", 3, 9, "b"), *again) == Known(3, 9, 0, {"b"}), "told anew, as before"
    assert known(told("u", 1, 5), told("u", 2, 7, "b"), told("u", 2, 8, "c")).missed, "newer than all that is known"


def test_the_newest_instant_and_what_was_missed_stay_as_changes_come() -> None:
    late = told("u", 1, 9), told("u", 2, 6, "b")
    assert known(*late).at == 9, "the second came late"
    missed = told("u", 1, 5), told("u", 1, 6, "b"), told("u", 1, 5), told("u", 2, 7, "c")
    assert known(*missed) == Known(2, 7, 0, {"a", "c"}, missed=True)
    assert known(told("u", 1, 5), told("u", 2, 6, "a", "updated")).inside == {"a"}


def test_records_that_are_no_changes_say_nothing() -> None:
    assert known(None, b"", b"\xff", b"{}", told("u", 1, 5)) == Known(1, 5, 0, {"a"})


def test_who_was_told_of_a_gap_knows_from_there_on() -> None:
    missed = told("u", 1, 5), told("u", 1, 6, "b"), told("u", 3, 7, "c")
    assert known(*missed) == Known(3, 7, 7, {"c"})


def test_of_a_topic_that_forgot_the_first_changes_only_the_others_count() -> None:
    user = known(told("u", 8, 50, "b"))
    assert user == Known(8, 50, 50, {"b"})
    assert number_for(user, (6, {"old": (1, 7), "b": (1, 50)})) == Renumber(6, 8, 50), "entered before the topic begins"
    assert number_for(user, (6, {"new": (1, 60), "b": (1, 50)})) == Renumber(6, 9, 50)
    returned = 1_795_341_600_004  # forgotten once: the numbers of the next life begin with its time
    assert known(told("u", returned, 5)) == Known(returned, 5, 5, {"a"}), "which number is the first cannot be told"


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ((7, IN_A), None),
        ((7, {}), Renumber(7, 8, 90)),
        ((9, {}), None),
        ((6, IN_A), Renumber(6, 7, 90)),
        ((6, {}), Renumber(6, 8, 90)),
        ((6, {"a": (1, 5), "b": (1, 6)}), Renumber(6, 8, 90)),
    ],
)
def test_the_number_is_the_known_one_or_one_that_shows_a_gap(state: Stands, expected: Renumber | None) -> None:
    assert number_for(Known(7, 90, 0, {"a"}), state) == expected
    assert number_for(None, state) is None


def test_who_missed_something_under_a_known_number_sees_a_gap() -> None:
    user = Known(7, 90, 0, {"a"}, missed=True)
    assert number_for(user, (7, IN_A)) == Renumber(7, 8, 90)
    assert number_for(user, (6, IN_A)) == Renumber(6, 8, 90)
    assert number_for(user, (8, IN_A)) == Renumber(8, 9, 90), "also one who has gone further since"


class Job:
    """A job that has what it is asked for done, once event time is there; `meanwhile` happens before it answers."""

    def __init__(self, state: dict[str, Stands], *, time: int, meanwhile: Callable[[], None] = lambda: None) -> None:
        self.state, self.time, self.meanwhile = state, time, meanwhile
        self.asked: list[list[str] | None] = []

    def ask(
        self,
        _: Settings,
        __: Choice,
        *,
        users: list[str] | None = None,
        rate: int = 0,
        renumber: list[Renumber] | None = None,
    ) -> Iterator[Inspected]:
        self.asked.append(users)
        written = 0
        for user, number in zip(users or (), renumber or (), strict=True):
            self.meanwhile()
            if user in self.state and self.state[user][0] == number.was and number.after <= self.time:
                self.state[user] = (number.becomes, self.state[user][1])
                written += 1
        some = {user: stands for user, stands in self.state.items() if (user in users if users else stands[0])}
        yield Inspected("q", [0], dict(some), True, len(some), rate, written)


def numbered(job: Job, *records: bytes, later: Iterable[bytes] = ()) -> tuple[int, int]:
    """Number on from records; `later` ones come before users are asked for by name."""
    parts = iter([records, tuple(later)])

    def to_the_end(_: Any = None) -> Iterator[SimpleNamespace]:
        return (SimpleNamespace(value=value) for value in next(parts, ()))

    reader: Any = SimpleNamespace(to_the_end=to_the_end)
    return number_on(Settings(), reader, 5_000, lambda *_: None, lambda *_: None, job.ask)


def test_only_who_is_below_is_asked_for_and_goes_on_from_there() -> None:
    job = Job({"right": (1, IN_A), "low": (1, IN_A), "moved": (1, {}), "unknown": (4, {})}, time=100)
    records = [told("right", 1, 5), *(told(user, seq, 5) for user in ("low", "moved") for seq in (1, 2))]
    assert numbered(job, *records) == (2, 0)
    assert job.asked == [None, ["low", "moved"]]
    assert {user: number for user, (number, _) in job.state.items()} == {"right": 1, "low": 2, "moved": 3, "unknown": 4}
    assert numbered(job, *records) == (0, 0), "once"


def test_who_has_had_no_change_any_more_goes_on_too_and_who_is_gone_is_not_waited_for() -> None:
    job = Job({"silent": (0, {}), "right": (1, IN_A)}, time=100)
    records = [*(told(user, 1, 5) for user in ("silent", "gone", "right")), told("silent", 2, 7, "a", "exited")]
    assert numbered(job, *records) == (1, 0)
    assert job.state == {"silent": (2, {}), "right": (1, IN_A)}


def test_nobody_is_numbered_before_event_time_is_where_it_was() -> None:
    job = Job({"early": (1, IN_A), "u": (1, IN_A)}, time=100)
    records = [told("early", 1, 5), told("early", 2, 101), told("u", 1, 5), told("u", 2, 100)]
    assert numbered(job, *records) == (1, 1)
    assert job.state["early"] == (1, IN_A)


def test_who_passed_the_number_before_the_answer_shows_what_was_missed() -> None:
    job = Job({"u": (3, IN_A)}, time=100)
    left_out = told("u", 2, 9, "a", "exited"), told("u", 2, 10)
    assert numbered(job, told("u", 1, 5), told("u", 2, 8, "a", "updated"), *left_out) == (1, 0)
    assert job.state["u"] == (4, IN_A)


def test_who_moves_meanwhile_is_asked_for_again_as_they_are_then() -> None:
    job = Job({"u": (1, IN_A)}, time=100)

    def move() -> None:
        if job.state["u"][0] == 1:
            job.state["u"] = (2, {})

    job.meanwhile = move
    records = told("u", 1, 5), told("u", 2, 6, "b"), told("u", 3, 7, "b", "exited")
    assert numbered(job, *records, later=[told("u", 2, 8, "a", "exited")]) == (1, 0)
    assert job.state["u"] == (4, {}), "the change that it made under a known number shows as a gap"
    assert job.asked == [None, ["u"], ["u"]]
