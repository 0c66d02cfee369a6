"""The bare loop: one core, one process, the job's engine, events in memory, encoded records thrown away."""

from __future__ import annotations

import time

import orjson

from benchmarks.cases.case import BenchmarkError, Context, Numbers
from benchmarks.cases.fresh import in_fresh_process
from benchmarks.cases.worker import Worker, load

_ORJSON_EVENTS = 50_000
_ROUNDS = 5


def measure(context: Context) -> Numbers:
    """Return events/s of the loop, and what one of its steps costs in `orjson.loads` of the same event."""
    context.say(f"{context.sizes.events:,} events of {context.sizes.users:,} users, in memory, on one core")
    return in_fresh_process(run, context.sizes.users, context.sizes.events)


def run(users: int, events: int) -> Numbers:
    """Measure in this process."""
    worker = Worker()
    timing = worker.run(load(users, events))
    if timing.events != events:
        raise BenchmarkError(f"{events} events went in, {timing.events} were applied")
    parse_us = _orjson_us(users, min(events, _ORJSON_EVENTS))
    return {
        "events": events,
        "users": users,
        "changes": timing.changes,
        "events_per_s": timing.events / timing.seconds,
        "us_per_event": timing.us_per_event,
        "orjson_us_per_event": parse_us,
        "cold_step_vs_orjson": timing.us_per_event / parse_us,
    }


def _orjson_us(users: int, events: int) -> float:
    payloads = [payload for batch in load(users, events) for payload in batch.payloads]
    rounds = []
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        for payload in payloads:
            orjson.loads(payload)
        rounds.append(time.perf_counter() - started)
    return min(rounds) / events * 1e6
