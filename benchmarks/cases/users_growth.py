"""Growth with the number of users: what the 6th to 8th event of a user costs, among few users and among many."""

from __future__ import annotations

import time
from itertools import islice

from benchmarks.cases.case import Context, Numbers
from benchmarks.cases.fresh import in_fresh_process
from benchmarks.cases.worker import BATCH, Timing, Worker, load

FEW = 10_000
HISTORY = 5  # events a user has on average before anything is measured
MEASURED = 3  # events a user may have on average while it is measured
_USER_MS = 1_000_000  # mean event time between two events of a user, the same for any number of users


def measure(context: Context) -> Numbers:
    """Return CPU time an event, at both numbers of users and as a ratio."""
    many, events = context.sizes.growth_users, context.sizes.growth_events
    context.say(f"{FEW:,} users")
    few = in_fresh_process(cost, FEW, events)
    context.say(f"{many:,} users, {HISTORY} events each before the clock starts")
    more = in_fresh_process(cost, many, events)
    return {
        "few_users": FEW,
        "many_users": many,
        "events_few": few.events,
        "events_many": more.events,
        "us_per_event_few": few.us_per_event,
        "us_per_event_many": more.us_per_event,
        "changes_per_event_few": few.changes / few.events,
        "changes_per_event_many": more.changes / more.events,
        "ratio": more.us_per_event / few.us_per_event,
    }


def cost(users: int, events: int) -> Timing:
    """Measure about `events` events in this process, with new users as often as that takes."""
    a_run = min(events, MEASURED * users)
    timings = [_one_run(users, a_run, seed) for seed in range(1, max(1, events // a_run) + 1)]
    return Timing(*(sum(column) for column in zip(*timings, strict=True)))


def _one_run(users: int, events: int, seed: int) -> Timing:
    stream = load(users, HISTORY * users + events, step_ms=max(1, _USER_MS // users), seed=seed)
    worker = Worker()
    worker.run(islice(stream, HISTORY * users // BATCH))
    return worker.run(stream, time.process_time)
