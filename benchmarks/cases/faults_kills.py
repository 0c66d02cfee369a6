"""Kills with -9 under load: what reached consumers of committed records, memberships and Redis against the replay."""

from __future__ import annotations

import time
from random import Random

from benchmarks.cases.case import BenchmarkError, Context, Numbers
from benchmarks.cases.judged import figures, judged
from benchmarks.faults.acts import kill_python_worker, kill_task_manager, recovered
from benchmarks.faults.live_run import RunOptions, live_run, own_stack
from benchmarks.faults.load import LoadOptions

RUN = "faults"
RATE = 10_000.0  # events/s
USERS = 20_000
SEED = 1
_LOAD_BETWEEN_S = 5
_DRAIN_TIMEOUT_S = 1_800.0


def measure(context: Context) -> Numbers:
    """Kill TaskManagers and Python workers in turns, and return what was lost and doubled."""
    kills, random = context.sizes.kills, Random(SEED)  # noqa: S311 - a seed, not secrecy
    options = RunOptions(load=LoadOptions(users=USERS, rate=RATE, seed=SEED), shards=128)
    recoveries: list[float] = []
    with own_stack(RUN, high_availability=False) as stack, live_run(stack, options) as run:
        began = time.monotonic()
        for number in range(kills):
            run.await_sent(run.load.sent + int(_LOAD_BETWEEN_S * RATE))
            (kill_task_manager if number % 2 == 0 else kill_python_worker)(run, random)
            recoveries.append(recovered(run))
            context.say(f"kill {number + 1} of {kills}: a checkpoint after {recoveries[-1]:.0f} s")
        loaded_s = time.monotonic() - began
        context.say("the job catches up")
        sent = run.finish(_DRAIN_TIMEOUT_S)
        caught_up_s = time.monotonic() - began - loaded_s
        verdict = judged(context, run, sent)
    if verdict.changes == 0:
        raise BenchmarkError("the job wrote no changes, so nothing could be lost")
    return {
        "kills": kills,
        "events": verdict.events,
        "events_per_s": sent / loaded_s,
        "changes": verdict.changes,
        **figures(verdict),
        "unprocessed": verdict.unprocessed,
        "unprocessed_wrong": verdict.unprocessed_lost + verdict.unprocessed_wrong,
        "checkpoint_after_kill_s": max(recoveries),
        "caught_up_s": caught_up_s,
    }
