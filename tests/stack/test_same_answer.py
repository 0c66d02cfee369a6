"""What the running job writes is what `segments replay` says, byte for byte, through stops and failures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from benchmarks.simulator import simulate
from jobs.player import HEARTBEAT_USER, heartbeat, play
from jobs.stack.stack import Stack
from segments.changes import Change, decode_change, encode_change
from segments.definitions import load_definitions
from segments.events import RejectedEvent
from segments.mapping import ordered
from segments.record_times import Stamped, stamped
from segments.replay import Replay
from tests.conftest import ROOT
from tests.stack.support import Pipeline, kill_python_worker, pipeline

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]  # seconds; each test waits with shorter bounds of its own

SHIPPED = ROOT / "conf/segments.yaml"
TAOBAO = ROOT.parent / "shared/data/taobao_users/UserBehavior.csv.gz"
START = 1_764_000_000_000
OUT_OF_ORDERNESS = 5_000
AFTER_THE_LAST = 2 * 3_600_000  # so that abandonments after the last event are seen too
REPLAYED: dict[str, dict[str, Any]] = {
    "event_time": {"follow_wall_clock": False, "idle_after": "1h"},
    "kafka": {"start_from": "earliest"},
}
COMPLETE_TIMEOUT = 240.0  # seconds


class Expected:
    """What the replay says about parts of a stream that are played one after the other."""

    def __init__(self, *parts: Sequence[bytes]) -> None:
        self.records: list[Stamped] = [record for part in parts for record in stamped(part)]
        self.end = max(record.timestamp or 0 for record in self.records) + AFTER_THE_LAST
        self.replay = Replay(load_definitions(SHIPPED), out_of_orderness=OUT_OF_ORDERNESS)
        self.by_user: dict[str, list[bytes]] = {}
        self.changes: list[Change] = []
        timed = [(record.payload, record.timestamp) for record in self.records]
        for change in self.replay.run(timed, until=self.end - OUT_OF_ORDERNESS - 1):
            self.changes.append(change)
            self.by_user.setdefault(change.user_id, []).append(encode_change(change))


def test_simulated_traffic_through_a_killed_worker(stack: Stack, tmp_path: Path) -> None:
    traffic = list(simulate(1_500, 60_000, 7, START, days=3, late_rate=0.02, broken_rate=0.002))
    parts = [traffic[:45_000], traffic[45_000:]]
    expected = Expected(*parts)
    assert min(expected.replay.counts[name] for name in ("late", "duplicates", "rejected")) > 20
    with pipeline(stack, tmp_path, SHIPPED.read_text(), REPLAYED) as made:
        job = made.submit()
        play_part(made, parts[0])
        await_more(made, job, 5_000)
        kill_python_worker(stack)
        play_part(made, parts[1])  # an idle worker's death shows with the next frame
        made.wait_for(lambda: stack.rest.root_exception(job) != "", "the failure to be noticed")
        finish(made, job, expected)
        compare(made, expected)
        assert {record.value for record in made.read("dead_letters")} == rejected_payloads(expected)


@pytest.mark.skipif(not TAOBAO.exists(), reason="the Taobao data is not on this machine")
def test_real_traffic_of_taobao(stack: Stack, tmp_path: Path) -> None:
    events = list(islice(ordered(TAOBAO, mapping="taobao"), 40_000))
    expected = Expected(events)
    with pipeline(stack, tmp_path, SHIPPED.read_text(), REPLAYED) as made:
        job = made.submit()
        play_part(made, events)
        finish(made, job, expected)
        compare(made, expected)


def play_part(made: Pipeline, events: Sequence[bytes]) -> None:
    played = play(events, made.stack.bootstrap_servers, made.topics["events"])
    assert (played.sent, played.failed) == (len(events), 0)


def await_more(made: Pipeline, job: str, changes: int) -> None:
    """Return once so many changes are there and a checkpoint was made."""
    made.wait_for(lambda: len(made.read("changes")) >= changes, f"{changes} changes")
    made.wait_for(lambda: made.stack.rest.completed_checkpoints(job) > 0, "a checkpoint")


def finish(made: Pipeline, job: str, expected: Expected) -> None:
    """Move event time past the end on every partition, wait for all changes, and stop with everything flushed."""
    heartbeat(made.stack.bootstrap_servers, made.topics["events"], expected.end)
    wanted = sum(map(len, expected.by_user.values()))
    made.wait_for(lambda: distinct(made) >= wanted, "all changes", COMPLETE_TIMEOUT)
    made.stack.stop_with_savepoint(job)


def distinct(made: Pipeline) -> int:
    return sum(len(own) for user, own in by_user(made).items() if user != HEARTBEAT_USER)


def by_user(made: Pipeline) -> dict[str, dict[int, bytes]]:
    """Return what is in the segment topic: user -> seq -> bytes; what stands there twice must be the same."""
    found: dict[str, dict[int, bytes]] = {}
    for record in made.read("changes"):
        own = found.setdefault(record.key.decode(), {})
        seq = decode_change(record.value).seq
        assert own.setdefault(seq, record.value) == record.value
        assert seq <= len(own) + 1, "a gap"
    return found


def compare(made: Pipeline, expected: Expected) -> None:
    found = by_user(made)
    found.pop(HEARTBEAT_USER, None)
    different = [user for user in found.keys() | expected.by_user if listed(found, user) != expected.by_user.get(user)]
    assert different == []
    hashes, sets = fold(expected.changes)
    in_redis = {
        user: {name: json.loads(value) for name, value in own.items()}
        for user, own in made.memberships_in_redis().items()
        if user != HEARTBEAT_USER
    }
    assert in_redis == hashes
    members = {name: without(users, HEARTBEAT_USER) for name, users in made.sorted_sets_in_redis().items()}
    assert {name: users for name, users in members.items() if users} == sets


def rejected_payloads(expected: Expected) -> set[bytes]:
    """Return the payloads that are no events, as the decoder of the shipped definitions says."""
    decode = expected.replay.processor.engine.plan.decoder.decode
    found = set()
    for record in expected.records:
        try:
            decode(record.payload, record.timestamp)
        except RejectedEvent:
            found.add(record.payload)
    return found


def listed(found: dict[str, dict[int, bytes]], user: str) -> list[bytes]:
    return [value for _, value in sorted(found.get(user, {}).items())]


def without(users: dict[str, int], user: str) -> dict[str, int]:
    return {name: since for name, since in users.items() if name != user}


def fold(changes: Sequence[Change]) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, int]]]:
    """Return the hashes, their JSON parsed, and the sorted sets that the changes lead to."""
    hashes: dict[str, dict[str, Any]] = {}
    sets: dict[str, dict[str, int]] = {}
    for change in changes:
        own, users = hashes.setdefault(change.user_id, {}), sets.setdefault(change.segment, {})
        own["_seq"] = change.seq
        if change.action == "exited":
            own.pop(change.segment, None)
            users.pop(change.user_id, None)
        else:
            own[change.segment] = {
                "score": change.score,
                "since": change.at,
                "version": change.segment_version,
                "seq": change.seq,
                "confidence": change.confidence,
            }
            users[change.user_id] = change.at
    return hashes, {name: users for name, users in sets.items() if users}
