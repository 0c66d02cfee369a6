"""Scores that are found before their instant and decide nothing: all is as if each user were scored in turn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segments.changes import encode_change
from segments.control import Release
from segments.engine import Engine
from segments.features.scored import COMES, COMING, stands
from segments.foregone import Foregone
from segments.isolation import Isolation
from segments.models.scoring import Found, Scoring
from segments.outcome import Outcome
from segments.processor import Processor
from segments.profile import Profile
from segments.profiles import Profiles
from segments.shadow import plan_of
from segments.timeline import timeline_of
from tests.segments.models.test_model_condition import (
    DEFINITIONS,
    DELAY,
    MAX_AGE,
    START,
    Formula,
    event,
    release,
    version,
)
from tests.segments.support import examples

MANY = f"""{DEFINITIONS}
  - {{name: lasting, when: {{model: {{name: buyer, gte: 2}}}}, min_dwell: 20s}}
  - {{name: sticky, when: {{model: {{name: buyer, gte: 3}}}}, exit_when: {{model: {{name: buyer, lt: 1}}}}}}
  - {{name: never, when: {{not: {{model: {{name: buyer, lt: 1.1}}}}}}}}
  - {{name: recent, when: {{recency: {{event: View, within: 40s}}}}}}
"""
OTHER = MANY.replace("gte: 4", "gte: 3").replace("lt: 4", "lt: 3")
LESS = "segments: [{name: likely, when: {model: {name: buyer, gte: 4}}}]"
SEEN = "  - {name: seen, when: {count: {event: View, within: 1m, gte: 2}}}\n"
USERS = ("u", "v")


class Batch(NamedTuple):
    """Events that come together: instant (ms since the start), name, user and tier."""

    events: tuple[tuple[int, str, str, str | None], ...]


class Advance(NamedTuple):
    """Event time comes to `at` (ms since the start)."""

    at: int


class Restart(NamedTuple):
    """The worker starts anew from its state."""


class Hear(NamedTuple):
    """A release is heard of."""

    release: Release


Step = Batch | Advance | Restart | Hear


def one(at: int, user: str, name: str) -> Batch:
    return Batch(((at, name, user, None),))


def job(
    max_age: int = MAX_AGE,
    text: str = DEFINITIONS,
    scorer: Formula | None = None,
    later: Sequence[Release] = (),
    profiles: Profiles | None = None,
) -> Processor:
    scorers = {1: scorer or Formula(), 2: Formula(plus=-1.0)}

    def engine(each: Release) -> Engine:
        return Engine(plan_of(each, scorers=lambda asked: scorers[asked.version]))

    first = release(models=[version(max_age=max_age)], text=text)
    return Processor(timeline_of([first, *later], engine), profiles)


def restarted(running: Processor, max_age: int, text: str, later: Sequence[Release]) -> Processor:
    profiles = Profiles()
    again = job(max_age, text, later=later, profiles=profiles)
    profiles.load(0, running.profiles.all_of(0))
    return again


def told(steps: Sequence[Step], max_age: int = MAX_AGE, text: str = DEFINITIONS) -> list[Any]:
    """Return what is told by each step, and how all users stand at the end."""
    running, heard, found = job(max_age, text), list[Release](), list[Any]()
    for step in steps:
        outcome = Outcome()
        match step:
            case Batch(events):
                outcome = running.process([event(*each) for each in events], [None] * len(events))
            case Advance(at):
                outcome = running.advance(START + at)
                found.append(_said(running.sweep(10)))
            case Restart():
                running = restarted(running, max_age, text, heard)
            case Hear(later):
                heard.append(later)
                running.accept(later)
        found.append(_said(outcome))
    return [*found, [_state(running, user) for user in USERS]]


def _said(outcome: Outcome) -> Any:
    counts = outcome.applied, outcome.rewound, outcome.duplicates, outcome.late, outcome.rejected
    changes = [encode_change(change) for change in outcome.changes]
    return sorted(changes, key=_user_of), msgspec.to_builtins(outcome.current), counts


def _user_of(change: bytes) -> str:
    return str(msgspec.json.decode(change)["user_id"])  # users are independent: only the order of each one's counts


def _state(running: Processor, user: str) -> Any:
    """Return a profile, with the score that stands in it in place of that which came."""
    profile = running.profiles.look(user)
    if profile is None:
        return None
    features = dict(profile.features)
    for scoring in running.engine.scorings:
        score = features.pop(scoring.feature, None)
        features[scoring.feature] = score and (stands(score, profile.clock), scoring.due(profile))
    return profile.due, profile.clock, profile.seq, profile.release, features, profile.members


def in_turn(scoring: Scoring, *, may_wait: bool) -> list[Found]:  # noqa: ARG001
    """Nobody is scored ahead."""
    scoring.prepared.clear()
    return []


seconds = st.integers(0, 60).map(lambda each: each * 1_000)
names, tiers = st.sampled_from(["View", "Order", "Other"]), st.sampled_from([None, None, "gold", "plain"])
ages = st.sampled_from([MAX_AGE, DELAY + 1_000])


@st.composite
def runs(draw: st.DrawFn) -> list[Step]:
    """Batches of events, some late; between them event time, restarts, and a release, heard of in time or late."""
    drawn = draw(
        st.lists(
            st.tuples(seconds, names, st.sampled_from(USERS), tiers, st.sampled_from([0, 0, 0, 20_000])),
            min_size=8,
            max_size=40,
        )
    )
    steps, reached, left = list[Step](), 0, sorted(drawn, key=lambda each: each[0] + each[4])
    while left:
        size = draw(st.sampled_from([1, 1, 1, 3]))
        steps.append(Batch(tuple(each[:4] for each in left[:size])))
        newest = max(each[0] for each in left[:size])
        left = left[size:]
        if draw(st.booleans()):
            reached = max(reached, newest - draw(st.sampled_from([1, 5_000, 15_000])))
            steps.append(Advance(reached))
        if draw(st.sampled_from([False] * 7 + [True])):
            steps.append(Restart())
    if draw(st.booleans()):
        models = [version(draw(st.integers(1, 2)), max_age=draw(ages))]
        text = draw(st.sampled_from([MANY, OTHER, LESS, MANY + SEEN]))
        heard = Hear(release(2, START + draw(seconds), text=text, models=models))
        steps.insert(draw(st.integers(0, len(steps))), heard)
    return [*steps, Advance(2 * MAX_AGE)]


waited: list[int] = []


@examples(500, 5_000, shrunk=True)
@given(runs(), ages)
def test_all_is_told_as_if_nobody_were_scored_ahead(steps: list[Step], max_age: int) -> None:
    passes = Foregone.passes

    def counted(*asked: Any) -> int:
        due = passes(*asked)
        waited.append(due)
        return due

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Foregone, "passes", counted)
        ahead = told(steps, max_age, MANY)
        patch.setattr(Scoring, "score_ahead", in_turn)
        assert ahead == told(steps, max_age, MANY)


def test_some_scores_waited_in_those_runs() -> None:
    if not waited:
        test_all_is_told_as_if_nobody_were_scored_ahead()
    assert sum(due > 0 for due in waited) > len(waited) // 50


def fed(running: Processor, *steps: Batch | Advance) -> Processor:
    for step in steps:
        if isinstance(step, Advance):
            running.advance(START + step.at)
        else:
            running.process([event(*each) for each in step.events], [None] * len(step.events))
    return running


def waiting(running: Processor) -> tuple[int, float] | None:
    """Return when user u's score comes that waits (ms since the start), and the score; None when none waits."""
    (scoring,), profile = running.engine.scorings, running.profiles.open("u")
    score = profile.features[scoring.feature]
    waits = len(score) > COMES and score[COMES] > profile.clock
    return (score[COMES] - START, score[COMING]) if waits else None


BEFORE = (one(0, "u", "Order"), Advance(10_000), one(10_500, "u", "View"), one(17_000, "v", "Other"))


def with_a_waiting_score(running: Processor) -> Processor:
    """Have user u be in `unlikely` by a score of 0.1 from 10 s on, with one of 1.205 that waits for 20.5 s."""
    fed(running, *BEFORE)
    assert waiting(running) == (20_500, 1.205)
    return running


def unlikely(running: Processor) -> float | None:
    profile = running.profiles.look("u")
    assert profile is not None
    rule = next(each for each in running.engine.plan.rules if each.name == "unlikely")
    return rule.score(profile, profile.clock)


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The users whom something happened to by time alone."""
    found, let_happen = list[str](), Isolation.let_happen

    def noted(isolation: Isolation, user_id: str, profile: Profile, *others: Any) -> None:
        found.append(user_id)
        let_happen(isolation, user_id, profile, *others)

    monkeypatch.setattr(Isolation, "let_happen", noted)
    return found


@pytest.mark.parametrize("at_rest", [True, False])
def test_a_score_that_decides_nothing_comes_without_a_look_at_the_user(looked_at: list[str], at_rest: bool) -> None:
    running = with_a_waiting_score(job())
    running.profiles.take_changed(0)
    if at_rest:
        running.profiles.settle()
    else:
        running.profiles.open("u")
    looked_at.clear()
    assert not running.advance(START + 20_499).changes
    assert unlikely(running) == 0.1
    assert not running.advance(START + 20_500).changes
    assert unlikely(running) == 1.205
    assert looked_at == []
    assert ("u" in running.profiles.decoded) is not at_rest
    profile = running.profiles.look("u")
    assert profile is not None
    assert (profile.clock - START, profile.due - START) == (20_500, 20_500 + MAX_AGE)
    (kept,) = running.profiles.recent.get("u")
    assert kept.happened == START + 20_500
    assert running.profiles.take_changed(0), "it is written with the next checkpoint"


def test_a_quiet_user_s_profile_before_a_score_came_is_kept_for_late_events() -> None:
    running = with_a_waiting_score(job())
    running.profiles.settle()
    running.profiles.recent.load("u", None)
    before = running.profiles.settled("u")
    running.advance(START + 30_000)
    (kept,) = running.profiles.recent.get("u")
    assert (kept.base, kept.began, kept.happened) == (before, START + 30_000, START + 30_000)


def test_after_a_restart_the_user_is_looked_at(looked_at: list[str]) -> None:
    again = restarted(with_a_waiting_score(job()), MAX_AGE, DEFINITIONS, [])
    looked_at.clear()
    assert not again.advance(START + 20_500).changes
    assert (looked_at, unlikely(again)) == (["u"], 1.205)


def test_a_user_to_whom_something_happened_is_looked_at(looked_at: list[str]) -> None:
    running = with_a_waiting_score(job())
    fed(running, one(10_500, "u", "Other"))
    assert waiting(running) == (20_500, 1.205), "the model does not read that"
    looked_at.clear()
    running.advance(START + 20_500)
    assert (looked_at, unlikely(running)) == (["u"], 1.205)


def test_a_score_that_decides_something_does_not_wait() -> None:
    running = fed(job(), one(0, "u", "Order"), one(6_000, "v", "Other"))
    assert waiting(running) is None, "who has a first score below 4 comes to be in `unlikely`"
    assert [change.segment for change in running.advance(START + DELAY).changes] == ["unlikely"]


def test_nothing_waits_under_a_release_that_another_follows() -> None:
    running = job()
    running.accept(release(2, START + 600_000))
    fed(running, *BEFORE)
    assert waiting(running) is None
    assert not running.advance(START + 20_500).changes
    assert unlikely(running) == 1.205


def test_who_waits_when_a_release_is_heard_of_is_looked_at(looked_at: list[str]) -> None:
    running = with_a_waiting_score(job())
    running.accept(release(2, START + 600_000))
    looked_at.clear()
    running.advance(START + 20_500)
    assert looked_at == ["u"]


def test_a_score_that_waits_is_found_anew_under_definitions_that_the_job_was_started_with_since() -> None:
    stopped = with_a_waiting_score(job())
    text = DEFINITIONS.replace("gte: 4", "gte: 1").replace("lt: 4", "lt: 1") + SEEN
    again = restarted(stopped, MAX_AGE, text, [])
    changes = again.advance(START + 30_000).changes + again.sweep(10).changes
    assert [(each.segment, each.action, each.at - START) for each in changes if each.segment == "unlikely"] == [
        ("unlikely", "exited", 20_500)
    ]


def test_who_leaves_by_a_release_leaves_with_the_score_that_held_until_then() -> None:
    running = with_a_waiting_score(job())
    running.accept(release(2, START + 20_500, text=LESS))
    left = running.advance(START + 20_500).changes + running.sweep(10).changes
    assert [(each.segment, each.at - START, each.score) for each in left] == [("unlikely", 20_500, 0.1)]


def test_when_it_is_old_the_next_score_waits() -> None:
    running = with_a_waiting_score(job(DELAY + 1_000))
    running.advance(START + 31_499)
    (scoring,), profile = running.engine.scorings, running.profiles.open("u")
    scoring.prepare_ahead("u", profile, START + 31_500)
    (found,) = scoring.score_ahead(may_wait=True)
    scoring.let_wait(found)
    assert waiting(running) == (31_500, 1.315)
    assert unlikely(running) == 1.205
    assert scoring.due(profile) == START + 31_500


def test_nobody_is_prepared_for_the_score_after_the_one_that_waits() -> None:
    running = with_a_waiting_score(job(DELAY + 1_000))
    (scoring,) = running.engine.scorings
    scoring.prepare_ahead("u", running.profiles.open("u"), START + 31_500)
    assert scoring.prepared == []


def test_old_scores_are_found_together_and_come_without_a_look_at_the_users(looked_at: list[str]) -> None:
    users, scorer = [f"u{each}" for each in range(100)], Formula()
    running = job(scorer=scorer)
    for first in (0, 20_000):
        events = [event(first + each, "Order", user, f"tier {each}") for each, user in enumerate(users)]
        running.process(events, [None] * len(users))
        running.advance(START + first + 2 * DELAY)
    scorer.calls.clear()
    looked_at.clear()
    for turn in range(1, 11):
        assert not running.advance(START + 30_100 + turn * MAX_AGE).changes
    assert scorer.calls == [len(users)] * 10
    assert len(looked_at) == 10, "the first of each round, for whom the others are prepared, too"


def test_a_user_who_is_prepared_for_twice_gets_one_score() -> None:
    running = fed(job(), *BEFORE[:3])
    (scoring,), profile = running.engine.scorings, running.profiles.open("u")
    for _ in range(2):
        scoring.prepare_ahead("u", profile, START + 20_500)
    for found in scoring.score_ahead(may_wait=True):
        scoring.let_wait(found)
    assert waiting(running) == (20_500, 1.205)
    assert profile.features[scoring.feature][:COMES] == [0.1, START + 10_000, START + 20_500 + MAX_AGE, 1, 0]


def test_who_was_prepared_for_when_a_model_went_away_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    scorer = Formula()
    running = fed(job(scorer=scorer), *BEFORE[:3])
    (scoring,), profile = running.engine.scorings, running.profiles.open("u")
    scoring.prepare_ahead("u", profile, START + 20_500)
    monkeypatch.setattr(scorer, "scores", {}.__getitem__)  # raises
    with pytest.raises(TypeError):
        scoring.score_ahead(may_wait=True)
    monkeypatch.undo()
    running.profiles.settle()  # the profile that was prepared for is not the user's any more
    fed(running, one(17_000, "v", "Other"))
    assert waiting(running) == (20_500, 1.205)


def test_an_instant_at_which_something_else_is_due_is_not_let_pass(looked_at: list[str]) -> None:
    when = "{any: [{model: {name: buyer, gte: 9}}, {recency: {event: View, within: 10s}}]}"
    running = job(text=DEFINITIONS + f"  - {{name: seen, when: {when}}}\n")
    with_a_waiting_score(running)
    looked_at.clear()
    changes = running.advance(START + 20_500).changes
    assert [(each.segment, each.action, each.at - START) for each in changes] == [("seen", "exited", 20_500)]
    assert looked_at == ["u"]


def test_an_instant_at_which_the_user_is_forgotten_is_not_let_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    running = with_a_waiting_score(job())
    foregone, profile, engine = Foregone(running.profiles), running.profiles.open("u"), running.engine
    monkeypatch.setattr(engine, "retention", 10_001)
    foregone.note("u", profile, START + 20_500, engine)
    assert foregone.passes("u", 0, START + 20_500, START + 20_500) > 0
    profile = running.profiles.open("u")
    foregone.note("u", profile, START + 20_501, engine)
    assert not foregone.passes("u", 0, START + 20_501, START + 20_501)


def test_where_users_are_watched_they_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    running = with_a_waiting_score(job())
    foregone = Foregone(running.profiles)
    monkeypatch.setattr(running.profiles, "watcher", object())
    foregone.note("u", running.profiles.open("u"), START + 20_500, running.engine)
    assert not foregone.passes("u", 0, START + 20_500, START + 20_500)


def test_a_score_that_waits_and_is_put_off_does_not_come() -> None:
    running = with_a_waiting_score(job())
    (scoring,), profile = running.engine.scorings, running.profiles.open("u")
    scoring.put_off(profile, START + 86_400_000)
    assert (waiting(running), scoring.due(profile)) == (None, START + 86_400_000)


def test_what_was_prepared_for_when_a_model_went_away_is_not_what_the_user_is_scored_by(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scorer = Formula()
    running = fed(job(scorer=scorer), *BEFORE[:3])
    with monkeypatch.context() as away:
        away.setattr(scorer, "scores", {}.__getitem__)  # raises
        with pytest.raises(TypeError):
            fed(running, one(17_000, "v", "Other"))
    fed(running, one(17_050, "u", "View"), one(17_060, "w", "Order"), one(20_700, "v", "Other"))
    running.advance(START + 20_500)
    assert unlikely(running) == 2.205


@pytest.mark.parametrize("at_rest", [True, False])
@pytest.mark.parametrize("happened", [True, False])
def test_only_an_instant_of_the_profile_as_it_was_then_is_let_pass(at_rest: bool, happened: bool) -> None:
    running = with_a_waiting_score(job())
    foregone, profile = Foregone(running.profiles), running.profiles.open("u")
    foregone.note("u", profile, START + 20_500, running.engine)
    profile.clock += happened
    if at_rest:
        running.profiles.settle()
    number = [running.profiles.user(each) for each in range(running.profiles.numbered)].index("u") if at_rest else 0
    passed = foregone.passes("u", number, START + 20_500, START + 20_500)
    assert passed == (0 if happened else START + 20_500 + MAX_AGE)


def test_a_user_who_may_be_due_sooner_is_looked_at() -> None:
    running = with_a_waiting_score(job())
    foregone, profile = Foregone(running.profiles), running.profiles.open("u")
    profile.due = START + 20_000
    foregone.note("u", profile, START + 20_500, running.engine)
    assert not foregone.passes("u", 0, START + 20_000, START + 20_000)


def test_the_second_event_of_the_instant_comes_after_the_score() -> None:
    steps: list[Batch | Advance] = [
        *BEFORE,
        one(20_500, "u", "Other"),
        one(20_500, "u", "View"),
        Advance(25_000),
        Advance(40_000),
    ]
    ahead = told(steps)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Scoring, "score_ahead", in_turn)
        assert ahead == told(steps)
    running = fed(job(), *steps[:-2])
    (scoring,), profile = running.engine.scorings, running.profiles.open("u")
    assert (unlikely(running), scoring.due(profile) - START) == (1.205, 20_500 + DELAY)
