"""What disorder costs: the same shop traffic in order, and with events that later ones of their users overtake."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import islice

from benchmarks.cases.case import BenchmarkError, Context, Numbers
from benchmarks.cases.fresh import in_fresh_process
from benchmarks.cases.worker import BATCH, SEED, START_MS, Batch, Worker
from benchmarks.simulator import simulate
from segments.record_times import with_record_times

LATE = {"usual": (0.02, 60_000), "harsh": (0.05, 600_000)}  # share of late events, and how late at most (ms)
ROUNDS = 3
_IN_ORDER = (0.0, 1)
_EVENTS_A_USER = 5


def measure(context: Context) -> Numbers:
    """Return events/s (of CPU time) in order and out of order, each the best of three rounds in turns, and ratios."""
    events = context.sizes.lateness_events
    best: dict[tuple[float, int], Numbers] = {}
    for number in range(ROUNDS):
        for rate, late_by in (_IN_ORDER, *LATE.values()):
            context.say(f"round {number + 1}: {events:,} events, {rate:.0%} of them late by up to {late_by} ms")
            found = in_fresh_process(run, events, rate, late_by)
            known = best.setdefault((rate, late_by), found)
            if float(found["events_per_s"]) > float(known["events_per_s"]):
                best[rate, late_by] = found
    in_order = float(best[_IN_ORDER]["events_per_s"])
    numbers: Numbers = {"events": events, "in_order_events_per_s": in_order}
    for name, late in LATE.items():
        if not best[late]["rewound"]:
            raise BenchmarkError("no event came out of order")
        numbers[f"{name}_late_rate"], numbers[f"{name}_late_by_ms"] = late
        numbers[f"{name}_rewound"] = best[late]["rewound"]
        numbers[f"{name}_events_per_s"] = best[late]["events_per_s"]
        numbers[f"{name}_ratio"] = float(best[late]["events_per_s"]) / in_order
    return numbers


def run(events: int, late_rate: float, late_by: int) -> Numbers:
    """Measure in this process."""
    worker = Worker()
    timing = worker.run(list(_batches(events, late_rate, late_by)), time.process_time)
    return {"rewound": worker.rewound, "events_per_s": events / timing.seconds}


def _batches(events: int, late_rate: float, late_by: int) -> Iterator[Batch]:
    traffic = simulate(
        max(1, events // _EVENTS_A_USER),
        events,
        SEED,
        START_MS,
        late_rate=late_rate,
        out_of_order_max_ms=late_by,
        duplicate_rate=0,
        broken_rate=0,
        very_late_rate=0,
    )
    timed = with_record_times(traffic)
    while chunk := list(islice(timed, BATCH)):
        yield Batch([payload for payload, _ in chunk], [at or START_MS for _, at in chunk])
