"""A job is moved, by the commands, while traffic goes on: what it commits is what a replay says, each change once."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from benchmarks.simulator import simulate
from jobs.cli import app
from jobs.player import HEARTBEAT_USER, heartbeat
from jobs.savepoints import manifest_of
from jobs.stack.stack import Stack
from segments.changes import decode_change
from tests.conftest import ROOT
from tests.stack.commands import ended
from tests.stack.support import Pipeline, pipeline
from tests.stack.test_same_answer import REPLAYED, SHIPPED, START, Expected, play_part

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]  # seconds; each test waits with shorter bounds of its own

COMPLETE_TIMEOUT = 240.0  # seconds


def segments(made: Pipeline, *words: str, env: dict[str, str] | None = None) -> Result:
    """Run a command on the pipeline's job; the local stack would give it the stack's first Redis database."""
    chosen = [] if words[0] == "savepoint" else ["--settings", str(made.settings)]
    done = CliRunner().invoke(
        app,
        [*words, *chosen, "--run", made.stack.run],
        env={"SEGMENTS__REDIS__URL": made.redis_url, **(env or {})},
    )
    made.jobs += [line.removeprefix("runs as ") for line in done.output.splitlines() if line.startswith("runs as ")]
    return done


def succeeded(made: Pipeline, *words: str, env: dict[str, str] | None = None) -> str:
    return ended(segments(made, *words, env=env))


def test_rescaled_stopped_and_moved_between_backends_under_load(stack: Stack, tmp_path: Path) -> None:
    traffic = list(simulate(800, 24_000, 11, START, days=3, late_rate=0.02))
    parts = [traffic[number * 6_000 : (number + 1) * 6_000] for number in range(4)]
    expected = Expected(*parts)
    settings = {**REPLAYED, "kafka": {**REPLAYED["kafka"], "delivery": "exactly_once"}}
    with pipeline(stack, tmp_path, SHIPPED.read_text(), settings) as made:
        first = made.submit()
        play_part(made, parts[0])
        await_committed(made, 1)
        ended(segments(made, "rescale", "17"), "at most 16 subtasks", code=2)
        with ThreadPoolExecutor(1) as pool:
            playing = pool.submit(play_part, made, parts[1])
            ended(segments(made, "rescale", "1"), "runs as")
            playing.result()
        assert (stack.rest.parallelism(made.jobs[-1]), stack.job_state(first)) == (1, "FINISHED")

        savepoint = succeeded(made, "savepoint", "--stop").splitlines()[-1]
        manifest = manifest_of(savepoint)
        assert manifest is not None
        assert (manifest.parallelism, manifest.form) == (1, "canonical")
        play_part(made, parts[2])  # and so carts are abandoned while nothing runs
        heap = {"SEGMENTS__FLINK__STATE_BACKEND": "hashmap"}
        refused = segments(made, "resume", savepoint, env={"SEGMENTS__FLINK__SHARDS": "8"})
        ended(refused, "16 shards", code=2)
        succeeded(made, "resume", savepoint, env=heap)
        assert stack.rest.parallelism(made.jobs[-1]) == 2
        again = segments(made, "resume", savepoint)
        ended(again, "writes the same topic", code=2)

        play_part(made, parts[3])
        ended(segments(made, "upgrade", "--dry-run"), "flink.state_backend: hashmap -> rocksdb")
        succeeded(made, "upgrade", "--to", str(checkout(tmp_path / "next")))
        assert stack.rest.parameters(made.jobs[-1])["segments.version"] == "9.9.9"
        finish(made, expected)


def checkout(folder: Path) -> Path:
    """Return a checkout of another version: this code under another number, with a bridge of its own."""
    for package in ("segments", "scoring", "udfs", "jobs"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__", "target"))
    bridge = folder / "jobs/bridge/target"
    bridge.mkdir()
    shutil.copy(ROOT / "jobs/bridge/target/flink-segments-bridge.jar", bridge)
    (folder / "segments/version.py").write_text('VERSION = "9.9.9"\n')
    return folder


def finish(made: Pipeline, expected: Expected) -> None:
    """Let event time come to the end; what is committed must be each change of the replay, once and in order."""
    heartbeat(made.stack.bootstrap_servers, made.topics["events"], expected.end)
    await_committed(made, sum(map(len, expected.by_user.values())))
    made.stack.stop_with_savepoint(made.jobs[-1])
    found: dict[str, list[bytes]] = {}
    for user, value in committed(made):
        found.setdefault(user, []).append(value)
    assert [user for user in found.keys() | expected.by_user if found.get(user) != expected.by_user.get(user)] == []


def await_committed(made: Pipeline, number: int) -> None:
    made.wait_for(lambda: len(committed(made)) >= number, f"{number} committed changes", COMPLETE_TIMEOUT)


def committed(made: Pipeline) -> Sequence[tuple[str, bytes]]:
    records = made.read("changes", isolation="read_committed")
    named = [(decode_change(record.value).user_id, record.value) for record in records]
    return [(user, value) for user, value in named if user != HEARTBEAT_USER]
