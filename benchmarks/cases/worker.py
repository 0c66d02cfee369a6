"""A worker of the job without Flink, Kafka and Redis: batches of events in memory go in, encoded records come out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from benchmarks.simulator import uniform_load
from jobs.settings import load_settings
from segments.definitions import load_definitions
from segments.definitions.model import Definitions
from segments.engine import Engine
from segments.models.scores import InForce
from segments.outcome import Outcome
from segments.plan import Plan
from segments.processor import Processor
from segments.profiles import Profiles
from udfs.frames import OutputFrame
from udfs.huge_pages import keep_on_huge_pages
from udfs.memory import collect_only_on_demand

ROOT = Path(__file__).resolve().parents[2]
SETTINGS_PATH = ROOT / "conf" / "job.yaml"
START_MS = 1_764_000_000_000
STEP_MS = 20
SEED = 1
BATCH = 2_000


class Batch(NamedTuple):
    """Raw events and the time (ms) at which each record was written."""

    payloads: list[bytes]
    written_at: list[int]


class Timing(NamedTuple):
    """What was handled in how many seconds."""

    events: int
    changes: int
    seconds: float

    @property
    def us_per_event(self) -> float:
        """Microseconds an event took."""
        return self.seconds / self.events * 1e6


class Worker:
    """The shipped settings and, unless others are given, the shipped definitions; `models` score its users."""

    def __init__(self, definitions: Definitions | None = None, models: Iterable[InForce] = ()) -> None:
        collect_only_on_demand()  # as the job's workers do, and so is the next line
        keep_on_huge_pages()
        settings = load_settings(SETTINGS_PATH, {})
        times = settings.event_time
        shipped = settings.definitions.path
        plan = Plan(definitions or load_definitions(shipped), settings.plausibility, models=models)
        self.processor = Processor(
            Engine(plan, allowed_lateness=times.allowed_lateness), Profiles(settings.flink.shards)
        )
        self._out_of_orderness = times.out_of_orderness
        self.applied = 0
        self.changes = 0
        self.rewound = 0

    def handle(self, batch: Batch) -> bytes:
        """Apply a batch and return its encoded records, as one EVENTS frame of the job does."""
        outcome = self.processor.process(batch.payloads, batch.written_at)
        self.applied += outcome.applied
        self.rewound += outcome.rewound
        return self._encoded(outcome)

    def tick(self, batch: Batch) -> bytes:
        """Let happen what happens by itself up to the watermark after `batch`, as a TICK frame of the job does."""
        return self._encoded(self.processor.advance(batch.written_at[-1] - self._out_of_orderness - 1))

    def run(self, batches: Iterable[Batch], clock: Callable[[], float] = time.perf_counter) -> Timing:
        """Handle all batches; only the work on them is on the clock, not how they come about."""
        applied, changes, seconds = self.applied, self.changes, 0.0
        for batch in batches:
            started = clock()
            self.handle(batch)
            self.tick(batch)
            seconds += clock() - started
        return Timing(self.applied - applied, self.changes - changes, seconds)

    def _encoded(self, outcome: Outcome) -> bytes:
        frame = OutputFrame()
        if outcome.changes:
            self.changes += len(outcome.changes)
            frame.add_changes(outcome.changes)
            frame.add_memberships(outcome.memberships)
        return frame.to_bytes()


def load(users: int, events: int, *, step_ms: int = STEP_MS, seed: int = SEED) -> Iterator[Batch]:
    """Yield the benchmarks' uniform load in batches of 2,000, with the times the player gives the records."""
    return batches(uniform_load(users, events, seed, START_MS, step_ms), step_ms)


def batches(payloads: Iterator[bytes], step_ms: int) -> Iterator[Batch]:
    """Yield batches of 2,000 events that are `step_ms` apart."""
    start = START_MS
    while chunk := list(islice(payloads, BATCH)):
        yield Batch(chunk, list(range(start, start + len(chunk) * step_ms, step_ms)))
        start += len(chunk) * step_ms
