"""What a worker keeps follows from its users, not from how many events they made."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from benchmarks.simulator import uniform_load
from tests.udfs.fakes import Worker
from tests.udfs.test_segment_function import options
from tests.udfs.wire import Raw

T = 1_764_000_000_000
STEP = 20_000  # ms: each user comes about every half an hour, and the half of what is recent is so by one event
USERS = 100
ROUND = 2_000


@pytest.fixture
def worker() -> Iterator[Worker]:
    made = Worker(options(Path("conf/segments.yaml").read_text()))
    yield made
    made.close()
    gc.enable()


def blocks_after(worker: Worker, load: Iterator[bytes], start: int) -> int:
    """Return how many objects of Python there are once a round of events is in a checkpoint."""
    for first in range(0, ROUND, 100):
        at = start + first * STEP
        written = [Raw(payload, at + place * STEP) for place, payload in enumerate(islice(load, 100))]
        broken = [Raw(b'{"userId": "u1", "type": "track"', at + STEP)] * 5
        worker.events(*written, *broken, watermark=at)
    worker.checkpoint()
    gc.collect()
    return sys.getallocatedblocks()


def test_more_events_of_the_same_users_take_no_more_memory(worker: Worker) -> None:
    load = uniform_load(USERS, 16 * ROUND, 1, T, STEP)
    rounds = [blocks_after(worker, load, T + number * ROUND * STEP) for number in range(16)]
    grown = min(rounds[8:]) - min(rounds[:8])  # of caches that fill and are emptied, what they are at their least
    assert grown < 4 * ROUND, f"{grown} objects for {8 * ROUND} events"
