"""A replay finds the bounds itself, or takes those that a job was told: then it says the same, byte for byte."""

import json
import random
from collections import defaultdict

import numpy as np
import pytest

from segments.changes import Change, encode_change
from segments.control import ControlRecord, Release
from segments.definitions import parse_definitions
from segments.replay import Replay

T = 1_764_000_000_000
MINUTE, HOUR = 60_000, 3_600_000
TEXT = """
segments:
  - name: whale
    when:
      threshold: {of: {sum: {event: Order, property: total, within: 1h}}, top: 20%, refresh: 10m, min_population: 20}
  - name: rest
    when: {not: {segment: whale}}
"""
Timed = tuple[bytes, int]


def orders(count: int = 3_000) -> list[Timed]:
    """Orders of 200 users in three hours; in the last one those with high numbers stop, the others order more."""
    rng, found = random.Random(7), []
    for t in sorted(rng.randrange(3 * HOUR) for _ in range(count)):
        user = rng.randrange(200 if t < 2 * HOUR else 100)
        total = rng.randrange(1, 50) + (user if t < 2 * HOUR else 0)
        event = {"type": "track", "event": "Order", "userId": f"u{user}", "timestamp": T + t}
        found.append((json.dumps(event | {"properties": {"total": total}}).encode(), T + t))
    return found


def by_user(changes: list[Change]) -> dict[str, list[bytes]]:
    found: dict[str, list[bytes]] = defaultdict(list)
    for change in changes:
        found[change.user_id].append(encode_change(change))
    return found


@pytest.fixture(scope="module")
def run() -> tuple[Replay, list[Change]]:
    replay = Replay(parse_definitions(TEXT))
    return replay, list(replay.run(orders(), T + 3 * HOUR))


def test_each_interval_has_its_round(run: tuple[Replay, list[Change]]) -> None:
    replay, _ = run
    assert [record.version for record in replay.found] == list(range(1, len(replay.found) + 1))
    for record, instant in zip(replay.found, range(T, T + 3 * HOUR + 1, 10 * MINUTE), strict=True):
        assert 0 < record.effective_at - instant < MINUTE


def test_the_bound_is_that_of_all_orders_in_the_window(run: tuple[Replay, list[Change]]) -> None:
    replay, _ = run
    for record in replay.found[1:-1]:
        sums: dict[str, int] = defaultdict(int)
        newest = record.effective_at - 1
        for payload, t in orders():
            if newest - 5_001 - HOUR < t <= newest:
                event = json.loads(payload)
                sums[event["userId"]] += event["properties"]["total"]
        numbers = np.sort(np.array(list(sums.values())))
        (bound,) = record.bounds.values()
        assert bound is not None
        assert list(record.population.values()) == [pytest.approx(len(numbers), abs=2)]
        share = float((numbers < bound).mean())
        assert abs(share - 0.8) < 0.02


def test_time_moves_members_whose_number_stays(run: tuple[Replay, list[Change]]) -> None:
    _, changes = run
    causes = {change.cause.kind for change in changes if change.segment == "whale"}
    assert causes == {"event", "timer", "threshold"}
    moved = [change for change in changes if change.cause.kind == "threshold"]
    assert {change.action for change in moved if change.segment == "rest"} == {"entered", "exited"}


def test_with_the_bounds_given_a_replay_gives_the_same_bytes(run: tuple[Replay, list[Change]]) -> None:
    first, changes = run
    told: list[ControlRecord] = [Release(1, 0, TEXT), *first.found]
    second = Replay(told)
    assert by_user(list(second.run(orders(), T + 3 * HOUR))) == by_user(changes)
    assert second.found == []


def test_a_replay_is_the_same_each_time(run: tuple[Replay, list[Change]]) -> None:
    _, changes = run
    assert by_user(list(Replay(parse_definitions(TEXT)).run(orders(), T + 3 * HOUR))) == by_user(changes)
