"""Memory: what a worker's process grows by for each profile it holds."""

from __future__ import annotations

import gc

import psutil

from benchmarks.cases.case import Context, Numbers
from benchmarks.cases.fresh import in_fresh_process
from benchmarks.cases.worker import Worker, load

EVENTS_A_USER = 5


def measure(context: Context) -> Numbers:
    """Return the bytes a profile takes, the order of dues and all overhead included."""
    users = context.sizes.memory_users
    context.say(f"{users:,} users with {EVENTS_A_USER} events each, in a process of their own")
    return in_fresh_process(run, users)


def run(users: int) -> Numbers:
    """Measure in this process."""
    worker = Worker()
    before = _resident()
    worker.run(load(users, EVENTS_A_USER * users))
    profiles = len(worker.processor.profiles)  # settles: all profiles are bytes
    grown = _resident() - before
    return {"profiles": profiles, "grown_mib": grown / 2**20, "bytes_per_profile": grown / profiles}


def _resident() -> int:
    gc.collect()
    return int(psutil.Process().memory_info().rss)
