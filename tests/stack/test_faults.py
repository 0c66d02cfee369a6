"""The verdict on a live run notices when what makes the job survive a kill is switched off."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from benchmarks.faults.acts import kill_python_worker, recovered
from benchmarks.faults.live_run import RunOptions, live_run
from benchmarks.faults.load import LoadOptions
from benchmarks.faults.verdict import Verdict, judge
from benchmarks.faults.without import MECHANISMS, PROGRAM
from jobs.settings import Settings
from jobs.stack.stack import Stack

pytestmark = [pytest.mark.stack, pytest.mark.long, pytest.mark.timeout(600)]


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_kill_is_seen_when_a_mechanism_is_off(stack: Stack, mechanism: str) -> None:
    program = str(PROGRAM), "--without", mechanism
    verdict = killed(stack, RunOptions(checkpoint_interval="500ms", program=program))
    assert verdict.changes > 0
    assert verdict.wrong > 0, verdict


def test_a_kill_is_seen_when_transactions_are_off(stack: Stack) -> None:
    """Checkpoints are rare enough for changes to come between the last one and the kill."""
    verdict = killed(stack, RunOptions(checkpoint_interval="3s", delivery="at_least_once"))
    assert (verdict.lost, verdict.wrong) == (0, 0), verdict
    assert verdict.doubled > 0, verdict


def killed(stack: Stack, options: RunOptions) -> Verdict:
    """Kill a Python worker between two checkpoints, and judge as if the output were to be exactly once."""
    load = LoadOptions(users=200, rate=400, seed=5)
    with live_run(stack, replace(options, load=load, redis=False, shards=4)) as run:
        run.await_sent(1_500)
        run.await_checkpoint()
        run.await_sent(run.load.sent + 400)
        kill_python_worker(run, Random(5))
        recovered(run)
        return judge(exactly_once(run.settings), run.finish(), slices=3, processes=2)


def exactly_once(settings: Settings) -> Settings:
    return settings.model_copy(update={"kafka": settings.kafka.model_copy(update={"delivery": "exactly_once"})})
