"""What a running job's profiles never kept is filled in from its events topics, and is what a replay says."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from kafka import KafkaProducer
from typer.testing import CliRunner

from benchmarks.simulator import simulate
from jobs.backfill.topic import read_chunks
from jobs.cli import app
from jobs.control_topic import read_history
from jobs.player import HEARTBEAT_USER, heartbeat, play
from jobs.settings import load_settings
from jobs.stack.stack import Stack
from segments.changes import decode_change, decode_memberships, encode_change
from segments.record_times import Stamped, stamped
from segments.replay import Replay
from serving.warming import SegmentsWarming
from tests.conftest import ROOT
from tests.stack.commands import ended
from tests.stack.support import Pipeline, pipeline, track
from tests.stack.test_same_answer import OUT_OF_ORDERNESS, REPLAYED, START, by_user, listed
from udfs.redis_entries import WARMING_KEY

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]  # seconds; each test waits with shorter bounds of its own

HOUR = 3_600_000
SHIPPED = (ROOT / "conf/segments.yaml").read_text()
ACTIVE = "segments: [{name: active, when: {count: {event: any, within: 1h, gte: 3}}}]\n"
EVER = "lifetime: {of: count, event: Page, gte: 3}"
LOYAL = f"{ACTIVE.strip()[:-1]}, {{name: loyal, backfill: replay, when: {{{EVER}}}}}]\n"
COMPLETE_TIMEOUT = 240.0  # seconds


def segments(made: Pipeline, command: str, *arguments: object, words: Sequence[str] = ()) -> str:
    done = CliRunner().invoke(app, [command, *map(str, arguments), "--settings", str(made.settings)])
    return ended(done, *words)


def test_a_release_fills_in_what_it_lacks_while_the_job_runs(stack: Stack, tmp_path: Path) -> None:
    new = tmp_path / "new.yaml"
    new.write_text(LOYAL)
    users = [f"u{number}" for number in range(50)]
    with pipeline(stack, tmp_path, ACTIVE) as made:
        job = made.submit()
        now = int(time.time() * 1_000)
        made.send([track(user, "Page", now - 5 * HOUR + each, f"{user}-{each}") for each in range(3) for user in users])
        made.send([track("few", "Page", now)])
        made.wait_for(lambda: made.counter(job, "events") >= 151, "all events to be read")
        begun = tmp_path / "begun.yaml"
        begun.write_text(LOYAL.replace("backfill: replay, ", ""))
        assert "warming" not in segments(made, "release", begun)
        segments(made, "release", new, "--by", "ada", words=["warming: loyal", "51 users handed over"])
        made.wait_for(lambda: sum(map(len, made.changes().values())) >= 150, "everybody to be judged")
        loyal = [change for own in made.changes().values() for change in own if change.segment == "loyal"]
        assert {(change.user_id, change.action, change.cause.kind) for change in loyal} == {
            (user, "entered", "definition") for user in users
        }
        completing = read_history(load_settings(made.settings, {}).kafka).releases[-1]
        assert (completing.action, {change.at for change in loyal}) == ("backfill", {completing.effective_at})
        assert json.loads(segments(made, "history", "--format", "json"))["warming"] == []
        segments(made, "backfill", words=["lacks nothing"])


def test_what_was_filled_in_is_what_a_replay_says(stack: Stack, tmp_path: Path) -> None:
    records = list(stamped(list(simulate(800, 30_000, 7, START, days=3, late_rate=0.02, broken_rate=0.002))))
    first, second = len(records) // 3, 2 * len(records) // 3
    new = tmp_path / "new.yaml"
    new.write_text(f"backfill: replay\n{SHIPPED}")
    with pipeline(stack, tmp_path, ACTIVE, REPLAYED) as made:
        job = made.submit()
        play_records(made, records[: first // 2])
        segments(made, "release", new, "--at", records[first].timestamp, words=["warming: "])
        play_records(made, records[first // 2 : second])
        warming = json.loads(segments(made, "history", "--format", "json"))["warming"]
        await_listed(made, set(warming))
        segments(made, "backfill", "--no-wait", "--workers", "1")
        await_heard(made)
        play_records(made, records[second:])
        end = max(each.timestamp or 0 for each in records) + 2 * HOUR
        heartbeat(stack.bootstrap_servers, made.topics["events"], end)

        kafka = load_settings(made.settings, {}).kafka
        releases = read_history(kafka).releases
        run = Replay(releases, out_of_orderness=OUT_OF_ORDERNESS)
        for chunk in read_chunks(kafka):
            run.processor.hand(chunk)
        expected: dict[str, list[bytes]] = {}
        for change in run.run([(each.payload, each.timestamp) for each in records], end - OUT_OF_ORDERNESS - 1):
            expected.setdefault(change.user_id, []).append(encode_change(change))
        wanted = sum(map(len, expected.values()))

        def distinct() -> int:
            return sum(len(own) for user, own in by_user(made).items() if user != HEARTBEAT_USER)

        made.wait_for(lambda: distinct() >= wanted, "all changes", COMPLETE_TIMEOUT)
        await_listed(made, set())
        stack.stop_with_savepoint(job)
        found = by_user(made)
        found.pop(HEARTBEAT_USER, None)
        assert [user for user in found.keys() | expected if listed(found, user) != expected.get(user)] == []
        filled_in = [decode_change(each) for own in expected.values() for each in own]
        at_completion = [each for each in filled_in if each.at == releases[-1].effective_at]
        assert len({each.segment for each in at_completion if each.cause.kind == "definition"}) > 5
        current = [decode_memberships(each.value) for each in made.read("memberships") if each.value]
        between = range(releases[1].effective_at, releases[-1].effective_at)
        marked = {(each.at in between, tuple(each.warming or ())) for each in current}
        assert marked == {(False, ()), (True, tuple(sorted(warming)))}


def await_listed(made: Pipeline, expected: set[str]) -> None:
    """Return once the audit topic and Redis both say that just these segments are warming."""
    with SegmentsWarming(made.stack.bootstrap_servers, topic=made.topics["audit"]) as now, made.in_redis() as client:

        def is_said() -> bool:
            now.refresh()
            return (set(now), set(client.hgetall(WARMING_KEY))) == (expected, expected)

        made.wait_for(is_said, f"{len(expected)} segments to be warming", COMPLETE_TIMEOUT)


def play_records(made: Pipeline, records: Sequence[Stamped]) -> None:
    played = play([each.payload for each in records], made.stack.bootstrap_servers, made.topics["events"])
    assert (played.sent, played.failed) == (len(records), 0)


def await_heard(made: Pipeline) -> None:
    """Return once the job has read the control topic up to here: it says so of a record that is none."""
    before = len(made.read("dead_letters"))
    producer = KafkaProducer(bootstrap_servers=made.stack.bootstrap_servers)
    producer.send(made.topics["control"], b"are you there?").get(timeout=60)
    producer.close()

    def refused() -> bool:
        letters = made.read("dead_letters")[before:]
        return any(b"are you there?" in (each.value or b"") for each in letters)

    made.wait_for(refused, "the control topic to be read")
