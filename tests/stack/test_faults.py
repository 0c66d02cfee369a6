"""The verdict on a live run notices when what makes the job survive a kill is switched off."""

from __future__ import annotations

from random import Random

import pytest

from benchmarks.faults.acts import kill_python_worker, recovered
from benchmarks.faults.live_run import RunOptions, live_run
from benchmarks.faults.load import LoadOptions
from benchmarks.faults.verdict import judge
from benchmarks.faults.without import MECHANISMS, PROGRAM
from jobs.stack.stack import Stack

pytestmark = [pytest.mark.stack, pytest.mark.long, pytest.mark.timeout(600)]


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_kill_is_seen_when_a_mechanism_is_off(stack: Stack, mechanism: str) -> None:
    load = LoadOptions(users=200, rate=400, seed=5)
    program = str(PROGRAM), "--without", mechanism
    options = RunOptions(load=load, redis=False, shards=4, checkpoint_interval="500ms", program=program)
    with live_run(stack, options) as run:
        run.await_sent(1_500)
        run.await_checkpoint()
        kill_python_worker(run, Random(5))
        recovered(run)
        verdict = judge(run.settings, run.finish(), slices=3, processes=2)
    assert verdict.changes > 0
    assert verdict.wrong > 0, verdict
