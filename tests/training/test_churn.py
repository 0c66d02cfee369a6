"""Churn of segments: exits per member, members that were there before, alarms, and records that are none."""

import json
from pathlib import Path

import pytest

from jobs.segment_moves import BadChanges, moves_of_file
from training.churn import churn_alarms, churn_of
from training.exposition import exposition, of_churn


def test_members_of_before_are_known_once_they_leave() -> None:
    found = churn_of([("vip", False, 3), ("vip", False, 12), ("vip", True, 15), ("vip", False, 25)], 10)["vip"]
    assert [(each.begin, each.members, each.entered, each.left) for each in found] == [(0, 2, 0, 1), (10, 1, 1, 1)]
    assert [each.rate for each in found] == [0.5, 1.0]


def test_the_interval_that_is_not_over_does_not_count() -> None:
    assert churn_of([("vip", True, 3)], 10) == {"vip": []}
    assert churn_of([], 10) == {}


def test_a_segment_that_loses_too_many_is_an_alarm() -> None:
    moves = [("vip", True, user) for user in range(300)] + [("vip", False, 1_000 + user) for user in range(200)]
    found = churn_of([*moves, ("other", True, 2_000)], 1_000)
    assert churn_alarms(found, 0.5, 200) == ["vip: 67% of its 300 members left in the last interval, more than 50%"]
    assert churn_alarms(found, 0.7, 200) == []
    assert churn_alarms(found, 0.5, 301) == []
    assert 'segments_churn_members{segment="vip"} 300.0' in exposition(of_churn(found))


def change(user: str, seq: int, action: str, at: int) -> str:
    return json.dumps({"user_id": user, "seq": seq, "segment": "vip", "action": action, "at": at}) + "\n"


def test_changes_are_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "changes.ndjson"
    entered, exited = change("a", 1, "entered", 5), change("a", 3, "exited", 7)
    path.write_text(f"{entered}\n{change('a', 2, 'updated', 6)}{exited}")
    assert list(moves_of_file(path)) == [("vip", True, 5), ("vip", False, 7)]
    path.write_text(f'{entered}{{"type":"track"}}\n')
    with pytest.raises(BadChanges, match=r"changes.ndjson:2 is no change of a segment"):
        list(moves_of_file(path))


def test_what_was_written_twice_counts_once(tmp_path: Path) -> None:
    path = tmp_path / "changes.ndjson"
    written = [change("a", 1, "entered", 5), change("b", 1, "entered", 6), change("a", 2, "exited", 7)]
    path.write_text("".join([*written, *written, change("b", 2, "exited", 9)]))
    assert list(moves_of_file(path)) == [
        ("vip", True, 5), ("vip", True, 6), ("vip", False, 7), ("vip", False, 9)
    ]  # fmt: skip
