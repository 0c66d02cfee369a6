"""What a worker counts: Flink metrics for operators, and a trace file for benchmarks."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from scoring.scorer import Tally
from segments.outcome import Outcome
from udfs.frames import Kind
from udfs.redis_writer import RedisWriter


class WorkerMetrics:
    """What one worker counts: events and their fates, changes, bytes written, users behind a release."""

    def __init__(self, group: Any, trace: Path | None) -> None:
        self._group = group
        self._trace = trace
        self._events = group.counter("events")
        self._applied = group.counter("applied")
        self._duplicates = group.counter("duplicates")
        self._late = group.counter("late")
        self._dead_letters = group.counter("dead_letters")
        self._by_reason: dict[str, Any] = {}
        self._by_model: dict[tuple[str, int], dict[str, Any]] = {}
        self.changes = group.counter("changes")
        self.forgotten = group.counter("users_forgotten")
        self.shadow_changes = group.counter("shadow_changes")
        self.written = group.counter("state_bytes_written")
        self._busy: dict[str, float] = {}
        self._frames: Counter[str] = Counter()
        self._fates: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self._total = 0
        self._first = self._last = 0.0

    def tell(self, release: Callable[[], int], behind: Callable[[], int], warming: Callable[[], int]) -> None:
        """Have operators see which release event time has reached, how many users are behind it, what is warming."""
        self._group.gauge("release", release)
        self._group.gauge("users_behind", behind)
        self._group.gauge("segments_warming", warming)

    def watch_redis(self, writer: RedisWriter) -> None:
        """Have operators see how Redis stands."""
        self._group.gauge("redis_away_s", lambda: writer.log.away_s)
        self._group.gauge("redis_users_behind", lambda: writer.behind)
        self._group.gauge("redis_outages", lambda: writer.log.outages)
        self._group.gauge("redis_refused", lambda: writer.log.refusals)

    def processed(self, outcome: Outcome, events: int) -> None:
        """Count one batch of events."""
        self._events.inc(events)
        self._applied.inc(outcome.applied)
        self._fates.update(applied=outcome.applied, duplicates=outcome.duplicates, late=len(outcome.late))
        self._duplicates.inc(outcome.duplicates)
        self._late.inc(len(outcome.late))
        now = time.time()
        self._first = self._first or now
        self._last = now
        self._total += events

    def rejected(self, reason: str) -> None:
        """Count one dead letter."""
        self._dead_letters.inc()
        self._reasons[reason] += 1
        if reason not in self._by_reason:
            self._by_reason[reason] = self._group.add_group("reason", reason).counter("dead_letters")
        self._by_reason[reason].inc()

    def scored(self, name: str, version: int, tally: Tally) -> None:
        """Count what became of scores by a version of a model, and how long they took."""
        key = (name, version)
        if key not in self._by_model:
            group = self._group.add_group("model", name).add_group("version", str(version))
            self._by_model[key] = {each: group.counter(each) for each in ("scores", "score_failures", "score_us")}
        counters = self._by_model[key]
        counters["scores"].inc(tally.scores)
        counters["score_failures"].inc(tally.failures)
        counters["score_us"].inc(round(tally.seconds * 1_000_000))

    def handled(self, kind: int, seconds: float) -> None:
        """Note how long a frame took."""
        name = Kind(kind).name
        self._busy[name] = self._busy.get(name, 0.0) + seconds
        self._frames[name] += 1

    def close(self) -> None:
        """Write the trace: events, fates, first and last batch (s since 1970), frames and busy seconds by kind, CPU."""
        if self._trace is None:
            return
        content = {
            "events": self._total,
            "fates": dict(self._fates),
            "reasons": dict(self._reasons),
            "first": self._first,
            "last": self._last,
            "frames": dict(self._frames),
            "busy_s": {kind: round(seconds, 3) for kind, seconds in self._busy.items()},
            "cpu_s": round(time.process_time(), 3),
        }
        self._trace.parent.mkdir(parents=True, exist_ok=True)
        self._trace.write_bytes(msgspec.json.encode(content))
