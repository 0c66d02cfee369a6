"""Bounds that the running job finds itself, through the internal and the control topic; a replay says the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jobs.control_topic import read_history
from jobs.player import HEARTBEAT_USER, heartbeat
from jobs.settings import load_settings
from jobs.stack.stack import Stack
from segments.changes import encode_change
from segments.control import ControlRecord, Thresholds
from segments.population.rounds import LEAD
from segments.replay import Replay
from tests.stack.support import Pipeline, pipeline
from tests.stack.test_same_answer import OUT_OF_ORDERNESS, REPLAYED, by_user, listed

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]  # seconds; each test waits with shorter bounds of its own

T = 1_764_000_000_000
MINUTE = 60_000
USERS = 60
DEFINITIONS = """
segments:
  - name: whale
    when:
      threshold: {of: {sum: {event: Order, property: total, within: 1h}}, top: 10%, refresh: 10m, min_population: 20}
  - name: canary
    when: {recency: {event: Canary, within: 10s}}
"""
CANARIES = [f"canary{number}" for number in range(8)]  # on both workers: when they left, event time has come there
Timed = tuple[bytes, int]


def order(user: int, time: int, total: float) -> Timed:
    event = {"type": "track", "event": "Order", "userId": f"u{user}", "timestamp": time, "properties": {"total": total}}
    return json.dumps(event | {"messageId": f"{user}-{time}"}).encode(), time


def canary(user: str) -> Timed:
    event = {"type": "track", "event": "Canary", "userId": user, "messageId": user, "timestamp": T + MINUTE}
    return json.dumps(event).encode(), T + MINUTE


def records_of(made: Pipeline) -> list[ControlRecord]:
    return read_history(load_settings(made.settings, {}).kafka).records


def bounds_of(made: Pipeline) -> list[Thresholds]:
    return [record for record in records_of(made) if isinstance(record, Thresholds)]


def let_time_pass(made: Pipeline, watermark: int) -> None:
    heartbeat(made.stack.bootstrap_servers, made.topics["events"], watermark + OUT_OF_ORDERNESS + 1)


def test_a_shift_of_the_population_moves_members_of_a_running_job(stack: Stack, tmp_path: Path) -> None:
    first = [*map(canary, CANARIES), *(order(user, T + MINUTE + user, 1.0 + user) for user in range(USERS))]
    second = [order(user, T + 13 * MINUTE + user, 500.0) for user in range(6)]
    with pipeline(stack, tmp_path, DEFINITIONS, REPLAYED) as made:
        job = made.submit()
        made.send(payload for payload, _ in first)
        let_time_pass(made, T + 2 * MINUTE)
        for user in CANARIES:
            made.await_changes(user, 2)
        let_time_pass(made, T + 10 * MINUTE + 1)
        made.wait_for(lambda: len(bounds_of(made)) == 1, "the first bound")
        (bound,) = bounds_of(made)
        assert list(bound.bounds.values()) == [55.0]
        assert list(bound.population.values()) == [USERS]
        assert T + 10 * MINUTE <= bound.effective_at - LEAD <= T + 10 * MINUTE + 1
        let_time_pass(made, T + 12 * MINUTE)
        (entered,) = made.await_changes(f"u{USERS - 1}", 1)
        assert (entered.action, entered.cause.kind, entered.at) == ("entered", "threshold", bound.effective_at)

        made.send(payload for payload, _ in second)
        let_time_pass(made, T + 14 * MINUTE)
        let_time_pass(made, T + 20 * MINUTE + 1)
        made.wait_for(lambda: len(bounds_of(made)) == 2, "the second bound")
        let_time_pass(made, T + 22 * MINUTE)
        _, left = made.await_changes(f"u{USERS - 1}", 2)  # nothing happened to this user: the others moved
        assert (left.action, left.cause.kind, left.at) == ("exited", "threshold", bounds_of(made)[1].effective_at)
        stack.stop_with_savepoint(job)

        told, end = records_of(made), T + 22 * MINUTE
        expected: dict[str, list[bytes]] = {}
        for change in Replay(told, out_of_orderness=OUT_OF_ORDERNESS).run([*first, *second], end):
            expected.setdefault(change.user_id, []).append(encode_change(change))
        found = by_user(made)
        found.pop(HEARTBEAT_USER, None)
        assert {user: listed(found, user) for user in found} == expected
