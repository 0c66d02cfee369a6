"""Moving thresholds on many users: how far sketched bounds are from exact ranks, how soon a shift moves members."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from benchmarks.cases.case import BenchmarkError, Context, Numbers
from benchmarks.cases.fresh import in_fresh_process
from benchmarks.cases.worker import BATCH, SEED, START_MS
from segments.definitions import parse_definitions
from segments.engine import Engine
from segments.plan import Plan
from segments.population.rounds import LEAD, Coordinator, Report
from segments.population.summary import RANK_ERROR
from segments.processor import Processor
from segments.profiles import Profiles, shard_of

_WORKERS = 4
_REFRESH_MS = 600_000
_PERCENTILES = (50, 80, 95, 99)
_SLICE = 2_000
_SHIFTED = 0.1  # of the users order ten times as much between two rounds
_MEASURE = "{sum: {event: Order Completed, property: total, within: 30d}}"


def measure(context: Context) -> Numbers:
    """Return the largest rank error of several percentiles, the stated bound, and what rounds and moves took."""
    context.say(f"{context.sizes.users:,} users in {_WORKERS} workers, two rounds")
    return in_fresh_process(run, context.sizes.users)


def run(users: int) -> Numbers:
    """Measure in this process; raises BenchmarkError when members are not those above the bound."""
    population = _Population(users)
    rng = np.random.default_rng(SEED)
    population.order(START_MS, np.round(rng.lognormal(3, 1.2, users), 2))
    first = population.round(START_MS + _REFRESH_MS)
    shifted = np.zeros(users)
    shifted[rng.random(users) < _SHIFTED] = 500.0
    population.order(START_MS + _REFRESH_MS + _REFRESH_MS // 2, shifted)
    second = population.round(START_MS + 2 * _REFRESH_MS)
    return {
        "users": users,
        "workers": _WORKERS,
        "rank_error": max(first.error, second.error),
        "stated_rank_error": RANK_ERROR,
        "sketch_bytes": population.sketch_bytes,
        "report_ms": second.report_s * 1e3,
        "looked_at": second.looked_at,
        "moved": second.moved,
        "move_us_per_user": second.move_s / max(1, second.moved) * 1e6,
    }


class _Round:
    def __init__(self) -> None:
        self.error = 0.0
        self.report_s = 0.0  # of the slowest worker
        self.move_s = 0.0
        self.looked_at = 0
        self.moved = 0


class _Population:
    """Workers as in the job, without Flink and Kafka; each user's sum is kept beside them, to compare with."""

    def __init__(self, users: int) -> None:
        segments = (
            f"{{name: top_{each}, when: {{threshold: {{of: {_MEASURE}, percentile: {each}}}}}}}"
            for each in _PERCENTILES
        )
        definitions = parse_definitions(f"segments: [{', '.join(segments)}]")
        self.workers = [Processor(Engine(Plan(definitions)), Profiles(_WORKERS)) for _ in range(_WORKERS)]
        for shard, worker in enumerate(self.workers):
            worker.profiles.load(shard, [])
            list(worker.population.reports(START_MS, [shard]))  # the interval in which a worker begins has no round
        self._coordinator = Coordinator(_WORKERS, self.workers[0].engine.plan.population)
        self._sums = np.zeros(users)
        self._shards = np.array([shard_of(f"u{number:07}", _WORKERS) for number in range(users)])
        self.sketch_bytes = 0

    def order(self, at: int, totals: NDArray[np.float64]) -> None:
        """Have each user with a total above 0 order once, in random order."""
        self._sums += totals
        for shard, worker in enumerate(self.workers):
            numbers = [int(number) for number in np.nonzero((self._shards == shard) & (totals > 0))[0]]
            random.Random(SEED).shuffle(numbers)  # noqa: S311 - seeded load, not a secret
            orders = _orders(numbers, at, totals)
            while batch := list(islice(orders, BATCH)):
                worker.process(batch, [at] * len(batch))

    def round(self, now: int) -> _Round:
        """Report, merge, tell all workers, and have the users moved."""
        result = _Round()
        reports: list[Report] = []
        for shard, worker in enumerate(self.workers):
            worker.advance(now)
            started = time.perf_counter()
            reports += worker.population.reports(now, [shard])
            result.report_s = max(result.report_s, time.perf_counter() - started)
        self.sketch_bytes = max(len(each.summary.sketch or b"") for each in reports)
        thresholds = self.workers[0].population.thresholds
        records = [made for each in reports if (made := self._coordinator.take(each, thresholds)) is not None]
        bounds: dict[str, float] = {}
        for record in records:
            bounds |= {key: bound for key, bound in record.bounds.items() if bound is not None}
            for worker in self.workers:
                worker.accept(record)
        if len(bounds) != len(_PERCENTILES):
            raise BenchmarkError(f"{len(bounds)} of {len(_PERCENTILES)} thresholds have a bound")
        started = time.perf_counter()
        for worker in self.workers:
            result.looked_at += worker.population.left
            while worker.sweeping:
                result.moved += len(worker.sweep(_SLICE).changes)
            result.moved += len(worker.advance(now + LEAD).changes)
            worker.profiles.settle()
        result.move_s = time.perf_counter() - started
        found = {percentile: bounds[key] for percentile, key in zip(_PERCENTILES, thresholds, strict=True)}
        result.error = max(self._rank_error(percentile, bound) for percentile, bound in found.items())
        self._compare(found)
        return result

    def _rank_error(self, percentile: float, bound: float) -> float:
        """Return how far the percentile is from the ranks at which the bound lies."""
        below, up_to = float((self._sums < bound).mean()), float((self._sums <= bound).mean())
        return max(0.0, below - percentile / 100, percentile / 100 - up_to)

    def _compare(self, bounds: dict[int, float]) -> None:
        sums, wrong = np.round(self._sums, 6), 0
        for worker in self.workers:
            for number in range(worker.profiles.numbered):
                user = worker.profiles.user(number)
                total = sums[int(user[1:])]
                wanted = {f"top_{percentile}" for percentile, bound in bounds.items() if total >= bound}
                wrong += wanted != set(worker.engine.memberships(user, worker.profiles.peek(number)).segments)
        if wrong:
            raise BenchmarkError(f"{wrong:,} users are on the wrong side of a bound")


def _orders(users: Iterable[int], at: int, totals: NDArray[np.float64]) -> Iterator[bytes]:
    for user in users:
        yield (
            b'{"timestamp":%d,"userId":"u%07d","type":"track","event":"Order Completed","properties":{"total":%.2f}}'
            % (at, user, totals[user])
        )
