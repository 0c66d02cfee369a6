"""Scores that are found before their instant and decide nothing: all is as if each user were scored in turn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segments.changes import encode_change
from segments.control import Release
from segments.engine import Engine
from segments.features.scored import COMES, COMING
from segments.models.scoring import Found, Scoring
from segments.processor import Processor
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

OTHER = DEFINITIONS.replace("gte: 4", "gte: 3").replace("lt: 4", "lt: 3")
LESS = "segments: [{name: likely, when: {model: {name: buyer, gte: 4}}}]"
SEEN = "  - {name: seen, when: {count: {event: View, within: 1m, gte: 2}}}\n"
USERS = ("u", "v")


class Step(NamedTuple):
    """An event of a user, or with no user that event time reaches `at`; ms since the start."""

    at: int
    user: str = ""
    name: str = ""
    tier: str | None = None


def job(max_age: int = MAX_AGE, text: str = DEFINITIONS, scorer: Formula | None = None) -> Processor:
    scorers = {1: scorer or Formula(), 2: Formula(plus=-1.0)}

    def engine(each: Release) -> Engine:
        return Engine(plan_of(each, scorers=lambda asked: scorers[asked.version]))

    return Processor(timeline_of([release(models=[version(max_age=max_age)], text=text)], engine))


def told(
    running: Processor, steps: Sequence[Step], later: Release | None = None, heard_at: int = 0
) -> dict[str, list[bytes]]:
    """Return what each user was told, the job having heard of a later release before a step."""
    found: dict[str, list[bytes]] = {user: [] for user in USERS}
    for place, step in enumerate(steps):
        if later is not None and place == heard_at:
            running.accept(later)
        if step.user:
            outcome = running.process([event(step.at, step.name, step.user, step.tier)], [None])
            assert not outcome.late
            assert not outcome.rejected
        else:
            outcome = running.advance(START + step.at)
        outcome.changes += running.sweep(10).changes
        for change in outcome.changes:
            found[change.user_id].append(encode_change(change))
    return found


def in_turn(scoring: Scoring, *, may_wait: bool) -> list[Found]:  # noqa: ARG001
    """Nobody is scored ahead."""
    scoring._prepared.clear()
    return []


seconds = st.integers(0, 60).map(lambda each: each * 1_000)
events = st.builds(
    Step,
    seconds,
    st.sampled_from(USERS),
    st.sampled_from(["View", "Order", "Other"]),
    st.sampled_from([None, None, "gold", "plain"]),
)
ages = st.sampled_from([MAX_AGE, DELAY + 1_000])
later_releases = st.builds(
    lambda at, text, number, max_age: release(2, START + at, text=text, models=[version(number, max_age=max_age)]),
    st.integers(10, 60).map(lambda each: each * 1_000),
    st.sampled_from([DEFINITIONS, OTHER, LESS, DEFINITIONS + SEEN]),
    st.integers(1, 2),
    ages,
)


@examples(500, 5_000, shrunk=True)
@given(
    st.lists(st.tuples(events, st.sampled_from([0, 0, 0, 20_000])), min_size=8, max_size=40),
    st.none() | later_releases,
    ages,
    st.data(),
)
def test_all_is_told_as_if_nobody_were_scored_ahead(
    drawn: list[tuple[Step, int]], later: Release | None, max_age: int, data: st.DataObject
) -> None:
    steps, reached = list[Step](), 0
    for step, _ in sorted(drawn, key=lambda each: each[0].at + each[1]):  # some come late
        steps.append(step)
        if data.draw(st.booleans()):
            reached = max(reached, step.at - data.draw(st.sampled_from([1, 5_000, 15_000])))
            steps.append(Step(reached))
    heard_at = 0
    if later is not None:
        starts = later.effective_at - START
        heard_at = data.draw(st.integers(0, max(0, sum(step.at < starts for step in steps) - 1)))
    steps.append(Step(2 * MAX_AGE))
    ahead = told(job(max_age), steps, later, heard_at)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Scoring, "score_ahead", in_turn)
        assert ahead == told(job(max_age), steps, later, heard_at)


def waiting(running: Processor) -> tuple[int, float] | None:
    """Return when user u's score comes that waits (ms since the start), and the score; None when none waits."""
    (scoring,) = running.engine.scorings
    score = running.profiles.open("u").features[scoring.feature]
    return (score[COMES] - START, score[COMING]) if len(score) > COMES else None


def with_a_waiting_score(running: Processor) -> Processor:
    """Have user u be in `unlikely` by a score of 0.1 from 10 s on, with one of 1.205 that waits for 20.5 s."""
    told(running, [Step(0, "u", "Order"), Step(10_000), Step(10_500, "u", "View"), Step(17_000, "v", "Other")])
    assert waiting(running) == (20_500, 1.205)
    return running


def unlikely(running: Processor, now: int) -> float | None:
    profile = running.profiles.open("u")
    rule = next(each for each in running.engine.plan.rules if each.name == "unlikely")
    return rule.score(profile, START + now)


def test_a_score_that_decides_nothing_comes_by_itself() -> None:
    running = with_a_waiting_score(job())
    profile = running.profiles.open("u")
    assert profile.due == START + 20_500 + MAX_AGE, "nobody looks at the user when it comes"
    assert [unlikely(running, now) for now in (20_499, 20_500)] == [0.1, 1.205]
    assert not running.advance(START + 30_000).changes
    assert profile.clock == START + 10_500


def test_a_score_that_decides_something_does_not_wait() -> None:
    running = job()
    told(running, [Step(0, "u", "Order"), Step(6_000, "v", "Other")])
    assert waiting(running) is None, "who has a first score below 4 comes to be in `unlikely`"
    assert [change.segment for change in running.advance(START + DELAY).changes] == ["unlikely"]


def test_a_late_event_finds_that_the_score_came() -> None:
    running = with_a_waiting_score(job())
    running.advance(START + 30_000)
    outcome = running.process([event(11_500, "View")], [None])
    assert (outcome.rewound, outcome.applied) == (1, 1)
    assert unlikely(running, 30_000) == 2.205


def test_recent_events_are_kept_as_long_after_a_score_that_came_by_itself_as_after_another() -> None:
    running = job()
    running.profiles.recent.allowed_lateness = 60_000
    with_a_waiting_score(running)
    (kept,) = running.profiles.recent.get("u")
    assert kept.happened == START + 20_500


def test_nothing_waits_under_a_release_that_another_follows() -> None:
    running = job()
    running.accept(release(2, START + 600_000))
    told(running, [Step(0, "u", "Order"), Step(10_000), Step(10_500, "u", "View"), Step(17_000, "v", "Other")])
    assert waiting(running) is None
    assert not running.advance(START + 20_500).changes
    assert unlikely(running, 20_500) == 1.205


def test_a_score_that_waits_is_found_anew_under_definitions_that_the_job_was_started_with_since() -> None:
    stopped = with_a_waiting_score(job())
    again = job(text=DEFINITIONS.replace("gte: 4", "gte: 1").replace("lt: 4", "lt: 1") + SEEN)
    again.profiles.load(0, stopped.profiles.all_of(0))
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
    assert not running.advance(START + 31_500).changes
    assert waiting(running) == (31_500, 1.315)
    assert running.profiles.open("u").clock == START + 20_500


@pytest.mark.parametrize(("passed", "due", "scored"), [(20_499, 31_500, 0), (20_500, 20_500, 0), (20_500, 31_500, 1)])
def test_the_next_score_waits_only_if_nothing_can_come_before_the_one_that_waits(
    passed: int, due: int, scored: int
) -> None:
    running = with_a_waiting_score(job(DELAY + 1_000))
    (scoring,), profile = running.engine.scorings, running.profiles.open("u")
    profile.due = START + due
    scoring.prepare_ahead("u", profile, START + 31_500, START + passed)
    assert len(scoring.score_ahead(may_wait=True)) == scored


def test_old_scores_are_found_together() -> None:
    users, scorer = [f"u{each}" for each in range(100)], Formula()
    running = job(scorer=scorer)
    for first in (0, 20_000):
        events = [event(first + each, "Order", user, f"tier {each}") for each, user in enumerate(users)]
        running.process(events, [None] * len(users))
        running.advance(START + first + 2 * DELAY)
    scorer.calls.clear()
    for turn in range(1, 11):
        assert not running.advance(START + 30_100 + turn * MAX_AGE).changes
    assert scorer.calls == [len(users)] * 10


def test_a_user_who_is_prepared_for_twice_gets_one_score() -> None:
    running = with_a_waiting_score(job(DELAY + 1_000))
    (scoring,), profile = running.engine.scorings, running.profiles.open("u")
    for _ in range(2):
        scoring.prepare_ahead("u", profile, START + 31_500, START + 31_000)
    for found in scoring.score_ahead(may_wait=True):
        scoring.let_wait(found)
    assert waiting(running) == (31_500, 1.315)
    assert scoring.due(profile) == START + 31_500 + DELAY + 1_000


def test_who_was_prepared_for_when_the_model_went_away_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    scorer = Formula()
    running = with_a_waiting_score(job(DELAY + 1_000, scorer=scorer))
    (scoring,), profile = running.engine.scorings, running.profiles.open("u")
    scoring.prepare_ahead("u", profile, START + 31_500, START + 31_000)
    with monkeypatch.context() as away:
        away.setattr(scorer, "scores", {}.__getitem__)  # raises
        with pytest.raises(TypeError):
            scoring.score_ahead(may_wait=True)
    assert scoring.score_ahead(may_wait=True) == [], "the profile may have been put away since"
