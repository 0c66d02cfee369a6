"""Users who will be scored soon are scored together: how many at once, and how much of that between two events."""

from __future__ import annotations

from segments.engine import Engine
from segments.processor import Processor
from segments.shadow import plan_of
from tests.segments.models.test_model_condition import START, Formula, event, release, version

NOBODY = "segments: [{name: likely, when: {model: {name: buyer, gte: 1000}}}]"  # a change would ask for its shares
DELAY = 30_000
EVERY = 20  # ms between two events
BATCH = 500


def running(scorer: Formula) -> Processor:
    released = release(models=[version(delay=DELAY, max_age=86_400_000)], text=NOBODY)
    return Processor(Engine(plan_of(released, scorers=lambda _: scorer)))


def of_user(number: int, at: int) -> bytes:
    return event(at, "View", f"u{number}", tier=f"t{number}")  # no two users look alike: each costs a row


def test_under_a_steady_load_more_are_scored_at_once_than_came_since_the_last_look() -> None:
    scorer = Formula()
    job = running(scorer)
    for first in range(0, 4_000, BATCH):
        payloads = [of_user(number, number * EVERY) for number in range(first, first + BATCH)]
        job.process(payloads, [None] * BATCH)
        job.advance(START + (first + BATCH) * EVERY - 5_000)
    steady = scorer.calls[2:]
    assert sum(steady) / len(steady) > 1.5 * 250, steady
    assert sum(scorer.calls) < 4_000, "somebody was scored who was not due soon, or twice"


def test_who_falls_due_at_one_instant_is_scored_in_parts_between_which_events_go_on() -> None:
    scorer = Formula()
    job = running(scorer)
    job.process([of_user(number, 0) for number in range(3_000)], [None] * 3_000)
    assert scorer.calls == []
    parts = []
    for look in range(5):
        scored = sum(scorer.calls)
        job.process([event(DELAY - 1_000 + look, "Other", "watcher")], [None])
        parts.append(sum(scorer.calls) - scored)
    assert parts == [1_024, 1_024, 952, 0, 0]
