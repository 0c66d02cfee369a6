"""`model` conditions: who is scored when, by what, and what follows, against a plain recomputation from all events."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segments.changes import Change, encode_change
from segments.conditions.base import NO
from segments.conditions.effects import UNKNOWN
from segments.control import Release
from segments.definitions import DefinitionErrors, Problem
from segments.engine import Engine
from segments.features.scored import AT, SCORE, stands
from segments.models.features import Features, Vector
from segments.models.released import ModelVersion
from segments.models.scores import Scorer, Scores
from segments.processor import Processor
from segments.profile import Profile
from segments.profiles import Profiles
from segments.replay import Replay, replay
from segments.shadow import plan_of
from segments.timeline import timeline_of
from tests.segments.support import examples

START = 1_772_409_600_000
DELAY, MAX_AGE, WINDOW, BOUND = 10_000, 300_000, 60_000, 4.0
FEATURES = {
    "features": [
        {"name": "views", "count": {"event": "View", "within": "1m"}},
        {"name": "since", "recency": {"event": "Order"}},
        {"name": "tier", "trait": {"path": "tier"}},
    ]
}
DEFINITIONS = """
segments:
  - {name: likely, when: {model: {name: buyer, gte: 4}}}
  - {name: likely_and_seen, when: {all: [{segment: likely}, {recency: {event: View, within: 2m}}]}}
  - {name: unlikely, when: {model: {name: buyer, lt: 4}}}
"""

CHALLENGED = "segments: [{name: b, when: {model: {name: buyer, version: 2, gte: 4}}}]"


def formula(vector: Vector) -> float:
    """What stands for a model: views, a bit for each ten seconds since an order, and two for gold."""
    views, since, tier = vector
    assert isinstance(views, int | float)
    ago = 0.0 if since is None else round(float(since) * 8_640, 3)
    return round(views + min(ago, 20.0) / 10 + (2 if tier == "gold" else 0), 6)


class Formula:
    """A scorer that notes how many it is asked at once; vectors for which `fails` says so have no score."""

    def __init__(self, fails: Callable[[Vector], bool] = lambda _: False, plus: float = 0.0) -> None:
        self.calls: list[int] = []
        self._fails = fails
        self._plus = plus

    def scores(self, vectors: Sequence[Vector]) -> list[float | None]:
        self.calls.append(len(vectors))
        return [None if self._fails(each) else formula(each) + self._plus for each in vectors]


def version(number: int = 1, **changed: Any) -> ModelVersion:
    made = {"delay": DELAY, "max_age": MAX_AGE, "typical": {"views": 0, "since": None, "tier": None}, **changed}
    return ModelVersion("buyer", number, "classify", FEATURES, "memory://", "", **made)


def release(
    number: int = 1, at: int = 0, *, models: Sequence[ModelVersion] = (version(),), text: str = DEFINITIONS
) -> Release:
    return Release(number, at, text, models=tuple(models))


def event(at: int, name: str, user: str = "u", tier: str | None = None) -> bytes:
    traits = {} if tier is None else {"context": {"traits": {"tier": tier}}}
    return json.dumps(
        {
            "type": "track",
            "event": name,
            "userId": user,
            "timestamp": START + at,
            "messageId": f"{user}-{at}-{name}",
            **traits,
        }
    ).encode()


def made(
    events: Sequence[bytes], until: int, releases: Sequence[Release] = (release(),), scorer: Scorer | None = None
) -> list[Change]:
    scorers = scorer or Formula()
    return list(replay(list(releases), events, until=START + until, scorers=lambda _: scorers))


def told(changes: Sequence[Change], segment: str = "likely") -> list[tuple[int, str]]:
    return [(change.at - START, change.action) for change in changes if change.segment == segment]


Timed = tuple[int, str, str | None]


def expected(events: Sequence[Timed], until: int) -> list[tuple[int, str]]:
    """All over again, slowly: when one user is scored, and whether the score reaches the bound."""
    waiting: int | None = None
    inside, found, tier = False, [], None
    timeline = sorted(events, key=lambda each: each[0])
    at = 0
    while at <= until:
        for time, name, now in timeline:
            if time == at:
                moved = now is not None and now != tier
                tier = now if now is not None else tier
                if name in ("View", "Order") or moved:
                    waiting = time + DELAY if waiting is None else min(waiting, time + DELAY)
        if waiting is not None and waiting <= at:
            views = sum(at - WINDOW < time <= at for time, name, _ in timeline if name == "View")
            orders = [time for time, name, _ in timeline if name == "Order" and time <= at]
            since = (at - max(orders)) / 86_400_000 if orders else None
            holds = formula((views, since, tier)) >= BOUND
            if holds != inside:
                inside = holds
                found.append((at, "entered" if holds else "exited"))
            waiting = at + MAX_AGE
        upcoming = [time for time, _, _ in timeline if time > at] + ([waiting] if waiting is not None else [])
        at = min(upcoming, default=until + 1)
    return found


timelines = st.lists(
    st.tuples(
        st.integers(0, 200).map(lambda each: each * 1_000),
        st.sampled_from(["View", "View", "Order", "Other"]),
        st.sampled_from([None, None, "gold", "plain"]),
    ),
    min_size=1,
    max_size=14,
    unique_by=lambda each: each[0],
)
UNTIL = 900_000


@examples(250, 4_000, shrunk=True)
@given(timelines, st.randoms(use_true_random=False))
def test_members_are_those_of_a_plain_recomputation_in_any_order(events: list[Timed], order: random.Random) -> None:
    payloads = [event(at, name, tier=tier) for at, name, tier in events]
    in_order = told(made([event(at, name, tier=tier) for at, name, tier in sorted(events)], UNTIL))
    assert in_order == expected(events, UNTIL)
    order.shuffle(payloads)
    assert standing(told(made(payloads, UNTIL))) == standing(in_order)


def standing(changes: Sequence[tuple[int, str]]) -> int | None:
    """Since when the user is inside after all changes, None for outside."""
    at, action = changes[-1] if changes else (0, "exited")
    return None if action == "exited" else at


@examples(60, 1_000)
@given(timelines, st.data())
def test_neither_batches_nor_restarts_nor_what_is_scored_ahead_change_anything(
    events: list[Timed], data: st.DataObject
) -> None:
    payloads = [event(at, name, user, tier) for at, name, tier in sorted(events) for user in ("u", "v")]
    whole = made(payloads, UNTIL)
    scorer = Formula()

    def processor(profiles: Profiles | None = None) -> Processor:
        engine = Engine(plan_of(release(), scorers=lambda _: scorer))
        return Processor(timeline_of([release()], lambda _: engine), profiles)

    running, found, rest = processor(), list[Change](), list(payloads)
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        found += running.process(rest[:size], [None] * size).changes
        newest = json.loads(rest[size - 1])["timestamp"]
        rest = rest[size:]
        if data.draw(st.booleans()):
            found += running.advance(newest - 1).changes
        if data.draw(st.booleans()):
            profiles = Profiles()
            profiles.load(0, running.profiles.all_of(0))
            running = processor(profiles)
    found += running.advance(START + UNTIL).changes
    of_each = [[encode_change(change) for change in found if change.user_id == user] for user in ("u", "v")]
    assert of_each == [[encode_change(change) for change in whole if change.user_id == user] for user in ("u", "v")]


VIEWS = [event(each * 1_000, "View") for each in range(5)]


def test_a_change_says_the_score_its_version_and_what_makes_it() -> None:
    first = made([*VIEWS, event(5_000, "Other", tier="gold")], 20_000)[0]
    assert (first.segment, first.at - START, first.cause.kind) == ("likely", DELAY, "model")
    assert (first.score, first.model_version, first.next_change_at) == (7.0, "buyer:1", None)
    assert json.loads(encode_change(first))["top_features"] == [
        {"feature": "views", "value": 5, "typical": 0, "adds": 5.0},
        {"feature": "tier", "value": "gold", "typical": None, "adds": 2.0},
    ]
    assert [(each.condition, each.expected, each.value, each.holds) for each in first.because] == [
        ("score by buyer", ">= 4", 7.0, True)
    ]


def test_a_change_without_a_model_says_nothing_of_one() -> None:
    plain = made(VIEWS, 5_000, [release(text="segments: [{name: seen, when: {recency: {event: any, within: 1h}}}]")])[0]
    assert "top_features" not in json.loads(encode_change(plain))


def test_who_was_not_scored_yet_is_on_neither_side() -> None:
    assert {change.at - START for change in made(VIEWS, 20_000)} == {DELAY}
    assert made([event(0, "Other")], UNTIL) == []


def test_nobody_is_in_while_no_version_is_in_force() -> None:
    assert made(VIEWS, UNTIL, [release(models=())]) == []
    (fact,) = plan_of(release(models=(), text=CHALLENGED)).rules[0].facts
    assert (fact.text, fact.expected) == ("score by buyer version 2", ">= 4, no version is in force")
    assert (fact.value(Profile(), START), fact.ask(Profile(), START), fact.is_score) == (None, NO, True)


def test_who_has_no_score_need_not_be_asked_and_a_score_may_move_either_way() -> None:
    rule = plan_of(release()).rules[0]
    (scoring,) = rule.scorings
    assert rule.needs == (scoring.feature,)
    assert rule.effects == {(scoring.feature, ""): UNKNOWN}


def test_a_challenger_is_asked_only_where_its_version_is_named() -> None:
    text = """segments:
      - {name: a, when: {model: {name: buyer, gte: 4}}}
      - {name: b, when: {model: {name: buyer, version: 2, gte: 4}}}"""
    both = [version(1), version(2, challenger=True)]
    scorers = {1: Formula(), 2: Formula(plus=-2.0)}
    changes = list(
        replay(
            [release(models=both, text=text)], VIEWS, until=START + 20_000, scorers=lambda each: scorers[each.version]
        )
    )
    assert [(change.segment, change.model_version) for change in changes] == [("a", "buyer:1")]


def test_calibrated_scores_need_a_calibrated_version() -> None:
    text = "segments: [{name: a, when: {model: {name: buyer, gte: 0.5, calibrated: true}}}]"
    with pytest.raises(DefinitionErrors) as refused:
        plan_of(release(text=text))
    message = "calibrated scores are asked of buyer:1, which is not calibrated"
    assert refused.value.problems == [Problem("definitions", 1, "model buyer", message, "train it with calibrate")]
    assert plan_of(release(text=text, models=[version(calibrated=True)])).rules


def test_another_version_scores_everybody_anew_and_until_then_the_old_score_stays() -> None:
    scorers = {1: Formula(), 2: Formula(plus=-3.0)}
    releases = [release(), release(2, START + 30_000, models=[version(2)])]
    events = [event(at, "View", user) for at in range(0, 5_000, 1_000) for user in "abcdefgh"]
    changes = list(replay(releases, events, until=START + 100_000, scorers=lambda each: scorers[each.version]))
    left = [change for change in changes if change.segment == "likely" and change.action == "exited"]
    assert {change.user_id for change in left} == set("abcdefgh")
    assert {change.model_version for change in left} == {"buyer:2"}
    assert {change.cause.kind for change in left} == {"model"}
    assert all(30_000 < change.at - START <= 90_000 for change in left)
    assert len({change.at for change in left}) > 4


def test_the_last_score_stays_where_the_model_fails() -> None:
    broken = Formula(fails=lambda vector: isinstance(vector[0], float | int) and vector[0] > 5)
    events = [*VIEWS, *(event(20_000 + each, "View") for each in range(9)), event(200_000, "View")]
    assert told(made(events, 250_000, scorer=broken)) == [(DELAY, "entered"), (210_000, "exited")]


def test_a_score_that_cannot_be_made_is_asked_again_and_holds_up_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    bug, sound = [True], Features.vector
    monkeypatch.setattr(Features, "vector", lambda *asked: sound(*asked) if not bug else 1 // 0)
    text = DEFINITIONS + "  - {name: viewed, when: {recency: {event: View, within: 2m}}}\n"
    engine = lambda each: Engine(plan_of(each, scorers=lambda _: Formula()))  # noqa: E731
    job = Processor(timeline_of([release(text=text)], engine))
    job.process([event(0, "View")], [None])
    assert [(each.reason, each.at - START) for each in job.advance(START + 15_000).failures] == [("failed_due", DELAY)]
    assert job.process([event(20_000, "Other")], [None]).rejected == []
    assert told(job.advance(START + 130_000).changes, "viewed") == [(120_000, "exited")]
    bug.clear()
    again = [event(200_000 + each, "View") for each in range(5)]
    assert job.process(again, [None] * 5).rejected == []
    assert told(job.advance(START + 220_000).changes) == [(210_000, "entered")]


def test_users_whom_a_model_failed_are_told() -> None:
    job = running(Formula(fails=lambda _: True))
    job.process([event(each, "View", f"u{each}") for each in range(30)], [None] * 30)
    outcome = job.advance(START + DELAY + 5)
    assert outcome.unscored == [(f"u{each}", START + DELAY + each, "buyer:1") for each in range(6)]
    assert len(job.advance(START + UNTIL).unscored) == 10
    assert job.advance(START + UNTIL).unscored == []


def running(scorer: Formula, **changed: Any) -> Processor:
    told_of = release(models=[version(**changed)])
    return Processor(timeline_of([told_of], lambda each: Engine(plan_of(each, scorers=lambda _: scorer))))


def test_those_who_fall_due_together_are_scored_together() -> None:
    scorer = Formula()
    job = running(scorer, typical={})
    job.process([event(each, "View", f"u{each}") for each in range(2_000)], [None] * 2_000)
    assert scorer.calls == []
    job.advance(START + DELAY + 2_000)
    assert sum(scorer.calls) == len(set(scorer.calls)) == 1  # they are all alike


def test_those_who_fall_due_before_events_of_a_batch_are_scored_together_too() -> None:
    scorer = Formula()
    job = running(scorer, typical={})
    users = 600
    job.process([event(each, "Order", f"u{each}", f"tier {each}") for each in range(users)], [None] * users)
    job.process([event(DELAY + 1_000 + each, "View", f"u{each}") for each in range(users)], [None] * users)
    assert sum(scorer.calls) >= users // 2
    assert len(scorer.calls) < 20


def test_those_of_a_partition_that_is_behind_are_scored_together_too() -> None:
    scorer = Formula()
    job = running(scorer, typical={})
    users = 600
    job.process([event(DELAY * 9, "Order", "first")], [None])
    job.process([event(each, "Order", f"u{each}", f"tier {each}") for each in range(users)], [None] * users)
    job.advance(START + DELAY * 2)
    assert sum(scorer.calls) == users
    assert len(scorer.calls) < 4


def test_those_of_a_partition_that_is_behind_who_have_events_first_are_scored_together_too() -> None:
    scorer = Formula()
    job = running(scorer, typical={})
    users = 600
    job.process([event(DELAY * 9, "Order", "first")], [None])
    job.process([event(each, "Order", f"u{each}", f"tier {each}") for each in range(users)], [None] * users)
    job.process([event(DELAY + 1_000 + each, "View", f"u{each}") for each in range(users)], [None] * users)
    assert sum(scorer.calls) == users
    assert len(scorer.calls) < 10


def test_who_waits_to_be_scored_is_noted_only_where_somebody_asks() -> None:
    engine = Engine(plan_of(release(), scorers=lambda _: Formula()))
    profile = Profile()
    for each in range(3):
        engine.apply(profile, engine.plan.decoder.decode(event(each, "View")), [])
    (scoring,) = engine.scorings
    assert scoring.take_waiting() == []
    engine.apply(profile, engine.plan.decoder.decode(event(DELAY + 1, "View")), [])
    assert scoring.take_waiting() == [(START + 2 * DELAY + 1, "u")]


def test_what_a_model_that_was_away_did_not_score_is_asked_again() -> None:
    class Away:
        def scores(self, vectors: Sequence[Vector]) -> list[float | None]:
            if vectors[0] == (2.0,):
                raise OSError("away")
            return [1.0] * len(vectors)

    scores = Scores(Away())
    for _ in range(2):
        with pytest.raises(OSError, match="away"):
            scores.ahead([(2.0,), (3.0,)])
    assert (scores.of((3.0,)), scores.ahead([(3.0,), (4.0,)])) == (1.0, [[1.0], [1.0]])


def test_a_user_is_scored_again_when_the_score_is_old_and_not_before() -> None:
    job = running(Formula())
    job.process([event(0, "Order")], [None])
    for at, scored in (
        (DELAY - 1, None),
        (DELAY, DELAY),
        (DELAY + MAX_AGE - 1, DELAY),
        (DELAY + MAX_AGE, DELAY + MAX_AGE),
    ):
        job.advance(START + at)
        (scoring,) = job.engine.scorings
        _, since, by = stands(job.profiles.open("u").features[scoring.feature], START + at)
        assert (since, by) == ((0, 0) if scored is None else (START + scored, 1))
        assert scoring.due(job.profiles.open("u")) == START + (DELAY if scored is None else scored + MAX_AGE)


def test_columns_that_moved_little_are_not_scored_again() -> None:
    scorer = Formula()
    job = running(scorer, tolerance=0.5)
    job.process([event(0, "Order", tier="gold")], [None])
    job.advance(START + DELAY)
    (scoring,) = job.engine.scorings
    first = list(job.profiles.open("u").features[scoring.feature])
    job.process([event(DELAY + 1_000, "Order")], [None])
    job.advance(START + 3 * DELAY)
    second = job.profiles.open("u").features[scoring.feature]
    assert (second[SCORE], second[AT]) == (first[SCORE], first[AT])
    job.process([event(3 * DELAY + each, "View") for each in range(4)], [None] * 4)
    job.advance(START + 5 * DELAY)
    assert job.profiles.open("u").features[scoring.feature][AT] == START + 4 * DELAY


def test_a_replay_without_scorers_scores_nobody() -> None:
    assert list(Replay([release()]).run(VIEWS, START + UNTIL)) == []
