"""Growth with the number of segments: each user's events touch ten of them, whether there are 10 or 1,000."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from itertools import islice

from benchmarks.cases.case import Context, Numbers
from benchmarks.cases.fresh import in_fresh_process
from benchmarks.cases.worker import BATCH, SEED, START_MS, Timing, Worker, batches
from benchmarks.simulator.wire import Clock
from segments.definitions import parse_definitions
from segments.definitions.model import Definitions

FEW, MANY = 10, 1_000
USERS = 10_000
GROUPS_A_USER = 10
HISTORY = 5
ROUNDS = 5
_STEP_MS = 100
_KINDS = (
    "count: {{event: Product Viewed, where: {{group: {group}}}, within: 24h, gte: 2}}",
    "recency: {{event: Product Viewed, where: {{group: {group}}}, within: 30m}}",
    "lifetime: {{of: sum, event: Product Viewed, where: {{group: {group}}}, property: price, gte: 150}}",
    "distinct: {{event: Product Viewed, where: {{group: {group}}}, property: price, within: 24h, gte: 2}}",
    "sum: {{event: Product Viewed, where: {{group: {group}}}, property: price, within: 7d, gte: 100}}",
)


def measure(context: Context) -> Numbers:
    """Return CPU time an event, with both numbers of segments and as a ratio."""
    context.say(f"{FEW} and {MANY:,} segments, {ROUNDS} rounds of {context.sizes.segments_events:,} events each")
    return in_fresh_process(run, context.sizes.segments_events)


def run(events: int) -> Numbers:
    """Measure in this process, both in turns; the fastest round of each counts."""
    size = -(-events // BATCH)
    contestants = {}
    for segments in (FEW, MANY):
        worker = Worker(definitions(segments))
        total = HISTORY * USERS + ROUNDS * size * BATCH
        stream = batches(views(segments, total), _STEP_MS)
        worker.run(islice(stream, HISTORY * USERS // BATCH))
        contestants[segments] = worker, stream
    timings: dict[int, list[Timing]] = {FEW: [], MANY: []}
    for _ in range(ROUNDS):
        for segments, (worker, stream) in contestants.items():
            timings[segments].append(worker.run(islice(stream, size), time.process_time))
    few, many = (min(timing.us_per_event for timing in timings[segments]) for segments in (FEW, MANY))
    return {
        "events_per_round": size * BATCH,
        "us_per_event_few": few,
        "us_per_event_many": many,
        "changes_per_event_few": _changes_per_event(timings[FEW]),
        "changes_per_event_many": _changes_per_event(timings[MANY]),
        "ratio": many / few,
    }


def definitions(segments: int) -> Definitions:
    """Return as many segments, each about the views of one group of products, of five kinds in turns."""
    lines = (
        f"  - {{name: segment_{number}, when: {{{_KINDS[number % len(_KINDS)].format(group=f'g{number}')}}}}}"
        for number in range(segments)
    )
    return parse_definitions("\n".join(["properties: {price: number, group: string}", "segments:", *lines]))


def views(segments: int, events: int) -> Iterator[bytes]:
    """Yield product views; a user looks at ten groups, two of each kind, and each view touches one segment."""
    rng, clock = random.Random(SEED), Clock()  # noqa: S311 - seeded load, not a secret
    for number in range(events):
        user = rng.randrange(USERS)
        group = (user * GROUPS_A_USER + rng.randrange(GROUPS_A_USER)) % segments
        yield (
            b'{"timestamp":"%b","userId":"u%05d","type":"track","event":"Product Viewed",'
            b'"properties":{"group":"g%d","price":%d.5},"context":{"device":{"type":"mobile"}},"messageId":"S%010x"}'
            % (clock.iso(START_MS + number * _STEP_MS), user, group, 10 + rng.randrange(90), number)
        )


def _changes_per_event(timings: list[Timing]) -> float:
    return sum(timing.changes for timing in timings) / sum(timing.events for timing in timings)
