"""What makes most of a score: asked for together, it is the same as asked for change by change."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from segments.changes import Change, encode_change
from segments.models.features import Vector
from segments.models.scores import Scorer, Scores
from segments.models.scoring import Scoring
from segments.models.shares import Shares
from segments.replay import Replay
from tests.segments.models.test_model_condition import START, Formula, event, release

USERS = 60
EVENTS = [
    event(
        second * 1_000 + user, "Order" if (user + second) % 7 == 0 else "View", f"u{user}", "gold" if user % 3 else None
    )
    for second in range(8)
    for user in range(USERS)
]


class Counting:
    """A scorer that notes how many rows it is asked at once."""

    def __init__(self) -> None:
        self.calls: list[int] = []
        self.away = False

    def scores(self, vectors: Sequence[Vector]) -> list[float | None]:
        if self.away:
            raise OSError("the registry is away")
        self.calls.append(len(vectors))
        return [None if each[0] == "none" else float(sum(map(float, map(str, each)))) for each in vectors]


def changes(scorer: Scorer) -> list[Change]:
    events = [*EVENTS, *(event(9_000 + user, "View", f"u{user}") for user in range(0, USERS, 2))]
    late = [event(500 + user, "Order", f"u{user}", "plain") for user in range(0, USERS, 5)]
    run = Replay([release()], scorers=lambda _: scorer)
    return list(run.run([*events, *late], START + 900_000))


def test_together_they_are_what_they_are_one_by_one_in_far_fewer_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    together, alone = Formula(), Formula()
    found = changes(together)
    with monkeypatch.context() as patched:
        patched.setattr(Scoring, "together", lambda _: None)
        expected = changes(alone)
    assert [encode_change(each) for each in found] == [encode_change(each) for each in expected]
    assert sum(bool(each.top_features) for each in found) == 100
    assert sum(together.calls) == sum(alone.calls), "the same rows"
    assert len(alone.calls) - len(together.calls) > 90, "the other calls are for scores"


def test_only_so_many_wait() -> None:
    scorer = Counting()
    shares = Shares(("a", "b"), {"a": 0, "b": 0}, Scores(scorer))
    lists = [shares.of((number, 1)) for number in range(1, 1_001)]
    assert [*scorer.calls] == [1_026, 1_026], "three rows each, 342 at once"
    assert (len(lists[683]), lists[684]) == (2, [])
    shares.tell()
    assert scorer.calls == [1_026, 1_026, 948]
    assert [(each.feature, each.adds) for each in lists[-1]] == [("a", 1_000.0), ("b", 1.0)]
    shares.tell()
    assert len(scorer.calls) == 3


def test_what_is_typical_or_has_no_score_has_no_share() -> None:
    scorer = Counting()
    shares = Shares(("a", "b"), {"a": 0, "b": 0}, Scores(scorer))
    typical, unknown, one = shares.of((0, 0)), shares.of(("none", 1)), shares.of((0, 2))
    shares.tell()
    assert (typical, unknown) == ([], [])
    assert [(each.feature, each.adds) for each in one] == [("b", 2.0)]
    assert scorer.calls == [5], "nothing is asked of who is as typical as can be"


def test_a_model_that_is_away_is_nobodys_failure() -> None:
    scorer = Counting()
    shares = Shares(("a",), {"a": 0}, Scores(scorer))
    shares.of((1,))
    scorer.away = True
    with pytest.raises(OSError, match="away"):
        shares.tell()
