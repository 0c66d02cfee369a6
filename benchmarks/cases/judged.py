"""What the cases about faults have in common: everything that a run wrote against its replay, and the figures of it."""

from __future__ import annotations

import os
import time

from benchmarks.cases.case import Context, Numbers
from benchmarks.faults.live_run import LiveRun
from benchmarks.faults.verdict import Verdict, judge

_EVENTS_A_SLICE = 2_000_000  # what they lead to is in memory; every slice reads all topics, so few are faster


def judged(context: Context, run: LiveRun, sent: int) -> Verdict:
    """Compare what a run that has stopped wrote with the replay of its events, and say what differs."""
    context.say(f"comparing {sent:,} events with their replay")
    processes = os.cpu_count() or 1
    slices = processes * max(1, -(-sent // (processes * _EVENTS_A_SLICE)))  # as many for each process
    began = time.monotonic()
    verdict = judge(run.settings, sent, slices=slices, processes=processes)
    context.say(f"compared in {time.monotonic() - began:.0f} s")
    if not verdict.good:
        context.say(str(verdict))
    return verdict


def figures(verdict: Verdict) -> Numbers:
    """Return how much of what was written is not what it should be, by what is wrong with it."""
    return {
        "lost": verdict.lost,
        "doubled": verdict.doubled,
        "out_of_order": verdict.misplaced,
        "not_as_replayed": verdict.wrong,
        "memberships_wrong": verdict.memberships_wrong,
        "redis_wrong": verdict.redis_wrong,
    }
