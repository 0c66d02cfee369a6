"""More events than the job takes: they wait in Kafka, memory stays where it is, and nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.faults.acts import is_python_worker
from benchmarks.simulator import uniform_load
from jobs.stack.stack import Stack
from segments.changes import Change
from segments.definitions import parse_definitions
from segments.replay import replay
from tests.conftest import ROOT
from tests.stack.support import pipeline

pytestmark = pytest.mark.stack

T = 1_764_000_000_000
USERS, EVENTS, STEP_MS = 300, 40_000, 20
MIB = 1024 * 1024
# All of the backlog in a worker at once would be 40,000 payloads, frames and decoded events on top of its state.
MOST_GROWTH_MIB = 60
TIMEOUT_S = 180.0


def in_order(changes: list[Change]) -> dict[str, list[tuple[int, str, str, int]]]:
    found: dict[str, list[tuple[int, str, str, int]]] = {}
    for each in changes:
        found.setdefault(each.user_id, []).append((each.seq, each.segment, each.action, each.at))
    return found


def test_a_backlog_is_worked_off_in_bounded_memory_and_the_answer_is_that_of_a_replay(
    stack: Stack, tmp_path: Path
) -> None:
    text = (ROOT / "conf/segments.yaml").read_text(encoding="utf-8")
    settings = {"event_time": {"follow_wall_clock": False}, "redis": {"enabled": False}}
    load = list(uniform_load(USERS, EVENTS, 7, T, STEP_MS))
    with pipeline(stack, tmp_path, text, settings) as made:
        made.send(load[: EVENTS // 4], key=b"one partition")
        job = made.submit()
        made.wait_for(lambda: made.counter(job, "events") >= EVENTS // 4, "the first events", TIMEOUT_S)
        workers = [each for server in stack._table for each in server.members() if is_python_worker(each)]
        began = {each.pid: each.memory_info().rss for each in workers}
        grown = dict.fromkeys(began, 0)

        def handled() -> bool:
            for each in workers:
                grown[each.pid] = max(grown[each.pid], each.memory_info().rss - began[each.pid])
            return made.counter(job, "events") >= EVENTS

        made.send(load[EVENTS // 4 :], key=b"one partition")
        made.wait_for(handled, "the backlog to be worked off", TIMEOUT_S)
        assert len(workers) == 2
        assert max(grown.values()) < MOST_GROWTH_MIB * MIB
        assert made.counter(job, "applied") == EVENTS
        made.wait_for(lambda: len(made.read("changes")) == made.counter(job, "changes"), "all changes")
        found = in_order([change for changes in made.changes().values() for change in changes])
        end = T + (EVENTS - 1) * STEP_MS - 5_001
        expected = in_order(list(replay(parse_definitions(text), [(each, T) for each in load], until=end)))
        assert found == expected
