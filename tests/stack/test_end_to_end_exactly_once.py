"""Delivery by transactions: readers of what is committed see each change once, also when a TaskManager is killed."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from jobs.player import play
from jobs.stack.stack import Stack
from segments.changes import encode_change
from segments.definitions import parse_definitions
from segments.replay import replay
from tests.stack.support import Pipeline, pipeline, replace_task_manager

pytestmark = pytest.mark.stack

DEFINITIONS = """
version: 1
segments:
  - name: once
    when: {lifetime: {of: count, event: any, gte: 1}}
  - name: twice
    when: {lifetime: {of: count, event: any, gte: 2}}
  - name: thrice
    when: {lifetime: {of: count, event: any, gte: 3}}
"""
SETTINGS = {"kafka": {"delivery": "exactly_once"}, "flink": {"checkpoint_interval": "1s"}}
USERS = 300
NOW = time.time_ns() // 1_000_000


def test_each_change_is_committed_once(stack: Stack, tmp_path: Path) -> None:
    rounds = [[page(user, NOW + number) for user in range(USERS)] for number in range(3)]
    slots = stack.rest.slots()
    with pipeline(stack, tmp_path, DEFINITIONS, SETTINGS) as made:
        job = made.submit()
        play_round(made, rounds[0])
        made.wait_for(lambda: len(committed(made)) == USERS, "the first round")
        play_round(made, rounds[1])
        replace_task_manager(stack)
        play_round(made, rounds[2])
        made.wait_for(lambda: len(committed(made)) >= 3 * USERS, "all rounds")
        assert stack.rest.root_exception(job) != ""
        made.wait_for(lambda: stack.rest.slots() == slots, "the new TaskManager")
        stack.stop_with_savepoint(job)
        wanted = replay(parse_definitions(DEFINITIONS), [event for each in rounds for event in each])
        assert sorted(committed(made)) == sorted(encode_change(change) for change in wanted)


def page(user: int, time: int) -> bytes:
    event = {"type": "page", "userId": f"u{user}", "timestamp": time, "messageId": f"{user}-{time}"}
    return json.dumps(event).encode()


def play_round(made: Pipeline, events: Sequence[bytes]) -> None:
    assert play(events, made.stack.bootstrap_servers, made.topics["events"]).failed == 0


def committed(made: Pipeline) -> list[bytes]:
    return [record.value for record in made.read("changes", isolation="read_committed")]
