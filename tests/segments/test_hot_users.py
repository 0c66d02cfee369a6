"""A bot above the limit is left out and told of; the others, and the bot after its minute, are not affected."""

from __future__ import annotations

import json

import pytest

from segments.definitions import parse_definitions
from segments.engine import Engine
from segments.events import Plausibility
from segments.outcome import Outcome
from segments.plan import Plan
from segments.processor import Processor
from segments.replay import Replay

T = 1_764_000_000_000
DEFINITIONS = "segments: [{name: active, when: {count: {event: any, within: 1h, gte: 3}}}]"
LIMIT = 100


def processor(most: int | None = LIMIT) -> Processor:
    return Processor(Engine(Plan(parse_definitions(DEFINITIONS), Plausibility(max_steps=most))))


def event(user: str, time: int) -> bytes:
    return json.dumps({"type": "page", "userId": user, "timestamp": time}).encode()


def feed(made: Processor, payloads: list[bytes], batch: int = 1_000) -> Outcome:
    total = Outcome()
    for start in range(0, len(payloads), batch):
        part = payloads[start : start + batch]
        outcome = made.process(part, [None] * len(part))
        total.applied += outcome.applied
        total.rejected += [(start + place, why) for place, why in outcome.rejected]
        total.hot += outcome.hot
        total.changes += outcome.changes
    return total


BOT = [event("bot", T + 100 * number) for number in range(900)]  # 600 a minute, for a minute and a half
OTHERS = [event(f"u{number % 30}", T + 100 * number) for number in range(900)]


@pytest.mark.parametrize("batch", [1, 7, 2_000])
def test_what_is_above_the_limit_is_left_out_until_the_minute_is_over(batch: int) -> None:
    outcome = feed(processor(), BOT, batch)
    reasons = {why.reason for _, why in outcome.rejected}
    in_first = sum(place < 600 for place, _ in outcome.rejected)
    assert reasons == {"over_limit"}
    assert LIMIT <= 600 - in_first <= LIMIT + 16
    assert LIMIT <= 300 - (len(outcome.rejected) - in_first) <= LIMIT + 24
    assert [(each.user_id, each.steps > LIMIT) for each in outcome.hot] == [("bot", True), ("bot", True)]
    assert all(T < each.at < each.until <= each.at + 60_000 for each in outcome.hot)


def test_the_others_are_not_affected() -> None:
    mixed = [each for pair in zip(BOT, OTHERS, strict=True) for each in pair]
    outcome = feed(processor(), mixed)
    alone = feed(processor(), OTHERS)
    assert {json.loads(mixed[place])["userId"] for place, _ in outcome.rejected} == {"bot"}
    assert [each for each in outcome.changes if each.user_id != "bot"] == alone.changes


def test_without_a_limit_nothing_is_left_out() -> None:
    outcome = feed(processor(None), BOT)
    assert (outcome.applied, outcome.hot) == (900, [])


def test_late_events_count_as_many_steps_as_they_cause() -> None:
    made = processor()
    assert feed(made, [event("bot", T + number) for number in range(64)]).rejected == []
    outcome = feed(made, [event("bot", T - 1_000) for _ in range(20)])
    assert 0 < outcome.applied < 4
    assert {why.reason for _, why in outcome.rejected} == {"over_limit"}
    assert feed(made, [event("bot", T + 70_000), event("bot", T + 69_000)]).applied == 2


def test_a_restart_does_not_lift_the_limit() -> None:
    made, restarted = processor(), processor()
    first = feed(made, BOT[:300])
    restarted.profiles.load(0, list(made.profiles.all_of(0)))
    assert len(feed(restarted, BOT[300:]).rejected) == len(feed(made, BOT[300:]).rejected)
    assert first.hot


def test_a_replay_leaves_out_the_same() -> None:
    run = Replay(parse_definitions(DEFINITIONS), plausibility=Plausibility(max_steps=LIMIT))
    changes = list(run.run(BOT, until=T))
    outcome = feed(processor(), BOT, 13)
    assert run.counts["rejected.over_limit"] == len(outcome.rejected)
    assert changes == outcome.changes
