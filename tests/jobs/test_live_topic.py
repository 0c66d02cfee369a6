"""Mending the memberships topic through the job: who is written anew, who is not, and what is asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jobs.live.table import Table
from jobs.live.told import Told
from jobs.live.topic_side import mend_topic
from jobs.settings import Settings
from segments.changes import Membership, Memberships, encode_memberships
from segments.inspection import Choice, Inspected, Stands


class Topic:
    """The memberships topic, and a job that writes there what it is asked to, unless it does not know how."""

    def __init__(self, state: dict[str, Stands], records: dict[str, bytes], *, writes: bool = True) -> None:
        self.state = state
        self.writes = writes
        self.table = Table()
        self.table.update(records)
        self.table.follow()
        self.asked: list[tuple[list[str] | None, list[int] | None]] = []
        self.settled = 0.0

    def refresh(self) -> None:
        """Nothing comes by itself."""

    def settle(self, seconds: float) -> None:
        self.settled += seconds

    def ask(
        self,
        _: Settings,
        choice: Choice,
        *,
        users: list[str] | None = None,
        rate: int = 0,
        told: list[int] | None = None,
    ) -> Iterator[Inspected]:
        assert (users is None) == (told is None)
        self.asked.append((users, told))
        some = {user: stand for user, stand in self.state.items() if choice.has(user) and user in (users or self.state)}
        numbers = dict(zip(users or (), told or (), strict=True))
        anew = [user for user in some if self.writes and user in numbers and some[user][0] >= numbers[user]]
        yield Inspected("q", [0], some, True, len(some), rate, len(anew))


def record(user: str, seq: int, **since: int) -> bytes:
    told = {name: Membership(1, at, None, 1.0) for name, at in since.items()}
    return encode_memberships(Memberships(user, seq, seq, told))


def mended(topic: Topic, choice: Choice = Choice()) -> tuple[int, int]:  # noqa: B008 - frozen
    told: Any = topic
    return mend_topic(Settings(), Told(topic.table, told), choice, 5_000, lambda *_: None, topic.ask)


def test_who_lacks_a_record_or_has_another_is_written_anew_with_the_number_that_the_topic_has() -> None:
    state: dict[str, Stands] = {
        "right": (2, {"a": (1, 5)}),
        "lost": (4, {"a": (1, 5)}),
        "nowhere": (4, {}),
        "older": (4, {"a": (1, 5)}),
        "left": (4, {}),
        "changed": (4, {"a": (1, 5)}),
        "unreadable": (4, {"a": (1, 5)}),
        "ahead": (4, {"a": (1, 5)}),
    }
    records = {
        "right": record("right", 2, a=5),
        "older": record("older", 3, b=2),
        "left": record("left", 3, b=2),
        "changed": record("changed", 4, a=6),
        "unreadable": b"not ours",
        "ahead": record("ahead", 9, a=5),
        "stranger": record("stranger", 1, a=5),
    }
    topic = Topic(state, records)
    assert mended(topic) == (5, 5)
    assert topic.asked == [(None, None), (["changed", "left", "lost", "older", "unreadable"], [4, 3, 0, 3, 0])]
    assert topic.settled > 2, "what was written is readable a while later"


def test_where_all_is_right_the_job_is_asked_to_write_nothing() -> None:
    topic = Topic({"a": (1, {"s": (1, 2)})}, {"a": record("a", 1, s=2)})
    assert mended(topic) == (0, 0)
    assert (topic.asked, topic.settled) == ([(None, None)], 0.0)


def test_a_topic_made_anew_is_written_in_parts_and_of_a_choice_only_that() -> None:
    topic = Topic({f"u{number:04}": (3, {"s": (1, 2)}) for number in range(2_500)}, {})
    assert mended(topic) == (2_500, 2_500)
    assert [len(users or ()) for users, _ in topic.asked] == [0, 1_000, 1_000, 500]
    some = Topic(topic.state, {})
    assert mended(some, Choice(first="u0001", last="u0003")) == (3, 3)


def test_a_job_that_cannot_write_says_so_by_its_number() -> None:
    """One of an earlier version, or that has gone back since: it is told of, and nothing is waited for."""
    topic = Topic({"a": (3, {"s": (1, 2)})}, {}, writes=False)
    assert mended(topic) == (0, 1)
    assert topic.settled == 0.0
