"""What is handed out of records, what is left out, and what is said to be missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import NamedTuple

import pytest

from segments.changes import Cause, Change, encode_change
from serving.placing import At
from serving.reading import Reading
from serving.seqs import SeqFile
from serving.troubles import Gap, Trouble, Unreadable

TOPIC = "changes"
T = 1_795_341_600_000


class Written(NamedTuple):
    """A record as kafka-python gives it."""

    offset: int
    value: bytes | None
    topic: str = TOPIC
    partition: int = 0


def record(offset: int, user: str, seq: int) -> Written:
    change = Change(user, "first", 1, "entered", T + seq, seq, Cause("event"), [], None, None, 1.0, None)
    return Written(offset, encode_change(change))


def read(store: SeqFile, *records: Written, resume: int = 0, whole: bool = True) -> tuple[list[str], list[Trouble]]:
    """Return what is handed out, and the troubles; what was read is acknowledged."""
    troubles, changes = list[Trouble](), list[Change]()
    reached = store.reached(TOPIC, 0) or 0
    progress = Reading(store, troubles.append).take(At(reached, resume, whole), records, changes)
    store.save([progress])
    return [f"{each.user_id} {each.seq}" for each in changes], troubles


@pytest.fixture
def store() -> Iterator[SeqFile]:
    with closing(SeqFile(":memory:")) as made:
        yield made


def test_what_was_handed_out_is_not_handed_out_again(store: SeqFile) -> None:
    assert read(store, record(0, "u1", 1), record(1, "u2", 1), record(2, "u1", 1)) == (["u1 1", "u2 1"], [])
    assert read(store, record(3, "u1", 1), record(4, "u1", 2), record(5, "u2", 1)) == (["u1 2"], [])


def test_what_is_missing_is_said_once(store: SeqFile) -> None:
    handed, (gap,) = read(store, record(0, "u1", 1), record(1, "u1", 4), record(2, "u1", 5))
    assert handed == ["u1 1", "u1 4", "u1 5"]
    assert isinstance(gap, Gap)
    assert (gap.user_id, gap.expected, gap.found, str(gap.place)) == ("u1", 2, 4, "changes, partition 0, offset 1")


def test_a_first_number_is_a_gap_only_where_the_whole_topic_was_read(store: SeqFile) -> None:
    assert read(store, record(0, "u1", 3), whole=False) == (["u1 3"], [])
    assert [type(each) for each in read(store, record(1, "u2", 3))[1]] == [Gap]
    assert read(store, record(2, "u3", T + 1))[1] == [], "a user whose numbers begin with the time of the first event"


def test_what_lies_before_is_only_learnt(store: SeqFile) -> None:
    assert read(store, record(0, "u1", 7), Written(1, b"?"), record(2, "u1", 8), resume=2) == (["u1 8"], [])


def test_what_is_no_change_is_said_and_passed_over(store: SeqFile) -> None:
    handed, troubles = read(store, Written(0, b"?"), Written(1, None), record(2, "u1", 1))
    assert handed == ["u1 1"]
    assert [isinstance(each, Unreadable) for each in troubles] == [True, True]
