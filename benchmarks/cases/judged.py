"""What the cases about faults have in common: everything that a run wrote against its replay, and the figures of it."""

from __future__ import annotations

import os

from benchmarks.cases.case import Context, Numbers
from benchmarks.faults.live_run import LiveRun
from benchmarks.faults.verdict import Verdict, judge

_SLICES = 8  # of the users, one after the other, so that millions of events fit into memory


def judged(context: Context, run: LiveRun, sent: int) -> Verdict:
    """Compare what a run that has stopped wrote with the replay of its events, and say what differs."""
    context.say(f"comparing {sent:,} events with their replay")
    verdict = judge(run.settings, sent, slices=_SLICES, processes=os.cpu_count() or 1)
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
