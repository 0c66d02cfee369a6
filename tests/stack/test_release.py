"""New definitions for the running job: what it writes is what a replay of the same releases says, byte for byte."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from benchmarks.simulator import simulate
from jobs.cli import app
from jobs.control_topic import read_history
from jobs.player import HEARTBEAT_USER, heartbeat, play
from jobs.settings import load_settings
from jobs.stack.stack import Stack
from segments.audit import ReleaseDone, decode_audit
from segments.changes import Change, decode_change, encode_change
from segments.control import Release
from segments.mapping import ordered
from segments.record_times import Stamped, stamped
from segments.replay import Replay
from segments.shadow_names import in_shadow
from tests.conftest import ROOT
from tests.stack.commands import ended
from tests.stack.support import Pipeline, kill_python_worker, pipeline, replace_task_manager, track
from tests.stack.test_same_answer import OUT_OF_ORDERNESS, REPLAYED, START, by_user, listed

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]  # seconds; each test waits with shorter bounds of its own

DATA = ROOT.parent / "shared/data"
HOUR = 3_600_000
SHIPPED = (ROOT / "conf/segments.yaml").read_text()
OTHER = SHIPPED.replace("gte: 3", "gte: 2").replace("within: 30m", "within: 45m")
ACTIVE = "segments: [{name: active, when: {count: {event: any, within: 1h, gte: 3}}}]\n"
LOWER = ACTIVE.replace("gte: 3", "gte: 2")
UNUSABLE = "properties: {price: string}\n" + ACTIVE.replace("count: {event: any", "sum: {event: any, property: price")
COMPLETE_TIMEOUT = 240.0  # seconds


def segments(made: Pipeline, command: str, *arguments: object, words: Sequence[str] = ()) -> Result:
    done = CliRunner().invoke(app, [command, *map(str, arguments), "--settings", str(made.settings)])
    ended(done, *words)
    return done


def releases_of(made: Pipeline) -> list[Release]:
    return read_history(load_settings(made.settings, {}).kafka).releases


def audit(made: Pipeline) -> list[ReleaseDone]:
    said = [decode_audit(record.value) for record in made.read("audit")]
    return [each for each in said if isinstance(each, ReleaseDone)]


def await_done(made: Pipeline, number: int) -> None:
    """Return once all shards follow a release."""

    def done() -> bool:
        return {shard for each in audit(made) if each.number == number for shard in each.shards} == set(range(16))

    made.wait_for(done, f"release {number} to be done", COMPLETE_TIMEOUT)


def replayed(releases: Sequence[Release], records: Sequence[Stamped], until: int) -> dict[str, list[bytes]]:
    run = Replay(releases, out_of_orderness=OUT_OF_ORDERNESS)
    found: dict[str, list[bytes]] = {}
    for change in run.run([(each.payload, each.timestamp) for each in records], until):
        if not in_shadow(change.segment):
            found.setdefault(change.user_id, []).append(encode_change(change))
    return found


def assert_replayed(made: Pipeline, job: str, records: Sequence[Stamped], end: int) -> list[Change]:
    """Let event time come to the end; the job's changes must be those of a replay of its releases."""
    heartbeat(made.stack.bootstrap_servers, made.topics["events"], end)
    expected = replayed(releases_of(made), records, end - OUT_OF_ORDERNESS - 1)
    wanted = sum(map(len, expected.values()))

    def distinct() -> int:
        return sum(len(own) for user, own in by_user(made).items() if user != HEARTBEAT_USER)

    made.wait_for(lambda: distinct() >= wanted, "all changes", COMPLETE_TIMEOUT)
    made.stack.stop_with_savepoint(job)
    found = by_user(made)
    found.pop(HEARTBEAT_USER, None)
    assert [user for user in found.keys() | expected if listed(found, user) != expected.get(user)] == []
    return [decode_change(value) for own in expected.values() for value in own]


def simulated() -> list[bytes]:
    return list(simulate(800, 30_000, 7, START, days=3, late_rate=0.02, broken_rate=0.002))


def taobao() -> list[bytes]:
    return list(islice(ordered(DATA / "taobao_users/UserBehavior.csv.gz", mapping="taobao"), 8_000))


def online_retail() -> list[bytes]:
    return list(islice(ordered(DATA / "online_retail/online_retail.csv.gz", mapping="online_retail"), 8_000))


REAL = [pytest.param(each, marks=pytest.mark.long) for each in (taobao, online_retail)]


@pytest.mark.parametrize("traffic", [simulated, *REAL])
def test_releases_in_the_middle_of_a_running_job_are_what_a_replay_says(
    stack: Stack, tmp_path: Path, traffic: object
) -> None:
    try:
        events = traffic()  # type: ignore[operator]
    except FileNotFoundError as missing:
        pytest.skip(f"the data is not on this machine: {missing.filename}")
    records = list(stamped(events))
    first, second = len(events) // 3, 2 * len(events) // 3
    at = [records[place].timestamp for place in (first, second)]
    new = tmp_path / "new.yaml"
    new.write_text(OTHER)
    with pipeline(stack, tmp_path, SHIPPED, REPLAYED) as made:
        job = made.submit()
        play_records(made, records[: first // 2])
        segments(made, "release", new, "--at", at[0], "--by", "ada", "--note", "carts")
        play_records(made, records[first // 2 : second - 1_000])
        await_done(made, 2)
        segments(made, "rollback", "--at", at[1])
        play_records(made, records[second - 1_000 :])
        changes = assert_replayed(made, job, records, max(each.timestamp or 0 for each in records) + 2 * HOUR)
        assert {each.at for each in changes if each.cause.kind == "definition"} >= set(at)
        history = json.loads(segments(made, "history", "--format", "json").output)
        assert [(each["number"], each["action"], each["by"]) for each in history["releases"]][1] == (
            2,
            "release",
            "ada",
        )
        assert not any(each.at_own_clock for each in audit(made))


def play_records(made: Pipeline, records: Sequence[Stamped]) -> None:
    played = play([each.payload for each in records], made.stack.bootstrap_servers, made.topics["events"])
    assert (played.sent, played.failed) == (len(records), 0)


def test_live_traffic_sees_releases_the_shadow_and_its_promotion(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = tmp_path / "new.yaml"
    new.write_text(LOWER)
    with pipeline(stack, tmp_path, ACTIVE) as made:
        job = made.submit()
        now = int(time.time() * 1_000)
        users = [f"u{number}" for number in range(50)]
        made.send([track(user, "Page", now + each) for user in users for each in (0, 1)])
        made.send([track("u1", "Page", now + 2)])
        (before,) = made.await_changes("u1", 1)

        segments(made, "release", new, "--shadow", words=["changed   active", "users judged, 0 changes"])
        made.wait_for(lambda: len(made.read("shadow_changes")) == 50, "the shadow's changes")
        assert made.changes().keys() == {"u1"}
        report = json.loads(segments(made, "diff", "--format", "json").output)
        (compared,) = report["segments"]
        assert [compared[name] for name in ("live", "shadow", "both", "only_shadow", "jaccard")] == [1, 50, 1, 49, 0.02]
        events = tmp_path / "events.ndjson"
        events.write_bytes(b"\n".join(track(user, "Page", now + each) for user in users for each in (0, 1)))
        preview = CliRunner().invoke(
            app, ["preview", str(new), "--events", str(events), "--settings", str(made.settings), "--workers", "1"]
        )
        ended(preview, "against release 2")

        segments(made, "promote", words=["49 changes"])
        made.wait_for(lambda: len(made.changes()) == 50, "all users")
        assert made.changes()["u1"] == [before], "it was in before"
        assert {each.cause.kind for user in users[2:] for each in made.changes()[user]} == {"definition"}

        known = stack.rest.completed_checkpoints(job)
        made.wait_for(lambda: stack.rest.completed_checkpoints(job) > known + 1, "a checkpoint with the release in it")
        kill_python_worker(stack)
        now = int(time.time() * 1_000)
        made.send([track("newcomer", "Page", now + each) for each in (0, 1)])
        (entered,) = made.await_changes("newcomer", 1)
        assert entered.at == now + 1, "a restarted worker knows from its state what it was told"

        segments(made, "rollback", words=["50 changes"])
        made.wait_for(lambda: len(made.changes()["u2"]) == 2, "the way back")
        made.wait_for(lambda: set(made.sorted_sets_in_redis()["active"]) == {"u1"}, "Redis to say the same")
        assert_refused(made, new, monkeypatch)
        refused = CliRunner().invoke(app, ["promote", "--settings", str(made.settings)])
        ended(refused, "nothing is in the shadow", code=2)


def assert_refused(made: Pipeline, new: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What only the job finds wrong ends the command with the job's reason, and the history has it."""
    new.write_text(UNUSABLE)
    command = sys.modules["jobs.cli.release"]  # the package has the function under this name
    monkeypatch.setattr(command, "_checked_text", lambda _, __: UNUSABLE)  # as a command of another version would
    done = CliRunner().invoke(app, ["release", str(new), "--settings", str(made.settings)])
    ended(done, "'price' is declared string, but is read as a number", code=1)
    newest = json.loads(segments(made, "history", "--format", "json").output)["releases"][-1]
    assert "is read as a number" in newest["refused"]
    segments(made, "history", words=["is read as a number"])
    again = CliRunner().invoke(app, ["rollback", "--to", str(newest["number"]), "--settings", str(made.settings)])
    ended(again, "was refused", code=2)


@pytest.mark.long
def test_a_task_manager_that_is_killed_while_users_follow_loses_nothing(stack: Stack, tmp_path: Path) -> None:
    new = tmp_path / "new.yaml"
    new.write_text(LOWER)
    users = [f"user-{number}" for number in range(30_000)]
    traffic = [track(user, "Page", START + at) for at in (0, 1) for user in users]
    records = list(stamped(traffic))
    with pipeline(stack, tmp_path, ACTIVE, REPLAYED) as made:
        job = made.submit()
        play_records(made, records)
        heartbeat(stack.bootstrap_servers, made.topics["events"], START + HOUR // 4)
        made.wait_for(lambda: made.counter(job, "events") >= len(records), "all events to be read")
        segments(made, "release", new, "--at", START + HOUR // 2)
        heartbeat(stack.bootstrap_servers, made.topics["events"], START + HOUR // 2 + OUT_OF_ORDERNESS + 2)
        made.wait_for(lambda: len(made.read("changes")) > 0, "the first to follow")
        replace_task_manager(stack)
        made.wait_for(lambda: stack.rest.root_exception(job) != "", "the failure to be noticed")
        await_done(made, 2)
        assert_replayed(made, job, records, START + 3 * HOUR)
