"""The engine alone: one step over users with a history, against parsing the same event with orjson."""

from __future__ import annotations

import time
from itertools import islice

import orjson

from benchmarks.cases.case import BenchmarkError, Context, Numbers
from benchmarks.cases.fresh import in_fresh_process
from benchmarks.cases.worker import BATCH, Batch, Worker, load
from udfs.huge_pages import move_all

USERS = 8_000  # as many as a worker keeps decoded (8,192), so no step pays for turning a profile into bytes and back
HISTORY = 30  # events a user has on average before anything is measured
ROUNDS = 5


def measure(context: Context) -> Numbers:
    """Return what a step (decode, apply, encode its changes and memberships) costs in `orjson.loads` of the event."""
    context.say(f"{USERS:,} users with {HISTORY} events each, then {ROUNDS} rounds of {context.sizes.step_events:,}")
    return in_fresh_process(run, context.sizes.step_events)


def run(events: int) -> Numbers:
    """Measure in this process: each round takes the next events of the same users, once for each contestant."""
    size = -(-events // BATCH)
    stream = load(USERS, HISTORY * USERS + ROUNDS * size * BATCH)
    worker = Worker()
    worker.run(islice(stream, HISTORY * USERS // BATCH))
    profiles = worker.processor.profiles
    profiles.again.update(profiles.users())  # all stay decoded, as those do who come twice in a short time
    move_all()  # as a worker that has run for minutes
    changes, steps, parses = worker.changes, [], []
    for _ in range(ROUNDS):
        batches = list(islice(stream, size))
        parses.append(_parse_us(batches))
        steps.append(_step_us(worker, batches))
    return {
        "users": USERS,
        "events_per_round": size * BATCH,
        "changes_per_event": (worker.changes - changes) / (ROUNDS * size * BATCH),
        "step_us": min(steps),
        "orjson_us": min(parses),
        "step_vs_orjson": min(steps) / min(parses),
    }


def _step_us(worker: Worker, batches: list[Batch]) -> float:
    applied = worker.applied
    started = time.process_time()
    for batch in batches:
        worker.handle(batch)
    seconds = time.process_time() - started
    events = sum(len(batch.payloads) for batch in batches)
    if worker.applied - applied != events:
        raise BenchmarkError(f"{events} events went in, {worker.applied - applied} were applied")
    return seconds / events * 1e6


def _parse_us(batches: list[Batch]) -> float:
    parse = orjson.loads
    started = time.process_time()
    for batch in batches:
        for payload in batch.payloads:
            parse(payload)
    return (time.process_time() - started) / sum(len(batch.payloads) for batch in batches) * 1e6
