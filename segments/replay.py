"""The same engine without Flink: recorded events in, the changes that the job makes of them out, byte for byte."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from segments.changes import Change
from segments.control import ControlRecord, Release, Thresholds
from segments.definitions.model import Definitions
from segments.definitions.paths import parts
from segments.definitions.threshold import Threshold
from segments.engine import Engine
from segments.events import Plausibility
from segments.models.scores import ScorerSource, unscored
from segments.outcome import Outcome
from segments.plan import Plan
from segments.population.bounds import Bounds
from segments.preview.versions import restricted
from segments.processor import Processor
from segments.record_times import with_record_times
from segments.shadow import plan_of
from segments.timeline import timeline_of

_BATCH = 1_000


class Replay:
    """One run over recorded events, under definitions that always hold or under what a job was told.

    `counts` tells what became of the events. Bounds of the population are those that the job was told; where there are
    none, the run finds its own (`found`). `scorers` run the models of the releases; without them nobody is scored.
    Raises DefinitionErrors when a release's definitions are wrong, and what `scorers` raises.
    """

    def __init__(
        self,
        definitions: Definitions | Sequence[ControlRecord],
        *,
        allowed_lateness: int = 3_600_000,
        out_of_orderness: int = 5_000,
        plausibility: Plausibility | None = None,
        scorers: ScorerSource = unscored,
    ) -> None:
        bounds = Bounds()

        def engine_of(release: Release) -> Engine:
            plan = plan_of(release, plausibility, bounds=bounds, scorers=scorers)
            return Engine(plan, allowed_lateness=allowed_lateness)

        told: Sequence[ControlRecord] = () if isinstance(definitions, Definitions) else definitions
        releases = [record for record in told if isinstance(record, Release)]
        self.processor = Processor(
            Engine(Plan(definitions, plausibility, bounds=bounds), allowed_lateness=allowed_lateness)
            if isinstance(definitions, Definitions)
            else timeline_of(releases, engine_of)
        )
        self.found: list[Thresholds] = []
        self._finds_bounds = len(releases) == len(told)
        for record in told:
            if isinstance(record, Thresholds):
                self.processor.accept(record)
        self.counts: Counter[str] = Counter()
        self.newest: int | None = None
        self._out_of_orderness = out_of_orderness

    def run(self, events: Iterable[bytes | tuple[bytes, int | None]], until: int | None = None) -> Iterator[Change]:
        """Return the changes, each user's in order, with self-changes up to `until` (ms, default: the newest event)."""
        batch: list[tuple[bytes, int | None]] = []
        for timed in _timed(events):
            batch.append(timed)
            if len(batch) >= _BATCH or self._ends_interval(timed[1]):
                yield from self._batch(batch)
                batch = []
        yield from self._batch(batch)
        end = until if until is not None else self.newest
        if end is not None:
            yield from self._advance(end)

    def _ends_interval(self, written: int | None) -> bool:
        """Say whether a round of the population is due with this record."""
        if not self._finds_bounds or not self.processor.population.thresholds or written is None:
            return False
        return self.newest is None or written - self._out_of_orderness > self.processor.population.next_round()

    def _batch(self, batch: list[tuple[bytes, int | None]]) -> Iterator[Change]:
        outcome = self._count(self.processor.process([payload for payload, _ in batch], [at for _, at in batch]))
        yield from outcome.changes
        written = [at for _, at in batch if at is not None]
        if written:
            self.newest = max(written) if self.newest is None else max(self.newest, *written)
            yield from self._advance(self.newest - self._out_of_orderness - 1)

    def _advance(self, until: int) -> Iterator[Change]:
        yield from self._count(self.processor.advance(until)).changes
        yield from self._sweep()
        if self._finds_bounds:
            for record in self.processor.population.rounds(until, max(until, self.newest or 0) + 1):
                self.found.append(record)
                self.processor.accept(record)
            yield from self._sweep()

    def _sweep(self) -> Iterator[Change]:
        while self.processor.sweeping:
            yield from self._count(self.processor.sweep(_BATCH)).changes

    def _count(self, outcome: Outcome) -> Outcome:
        self.counts["applied"] += outcome.applied
        self.counts["duplicates"] += outcome.duplicates
        self.counts["late"] += len(outcome.late)
        self.counts["rejected"] += len(outcome.rejected)
        self.counts["changes"] += len(outcome.changes)
        self.counts.update(f"rejected.{rejected.reason}" for _, rejected in outcome.rejected)
        return outcome


def replay(
    definitions: Definitions | Sequence[ControlRecord],
    events: Iterable[bytes | tuple[bytes, int | None]],
    *,
    until: int | None = None,
    allowed_lateness: int = 3_600_000,
    out_of_orderness: int = 5_000,
    scorers: ScorerSource = unscored,
) -> Iterator[Change]:
    """Return the changes that definitions or releases make of events (JSON, or pairs with the record's time in ms).

    >>> from segments.definitions import parse_definitions
    >>> definitions = parse_definitions("segments: [{name: seen, when: {recency: {event: any, within: 1h}}}]")
    >>> event = b'{"type": "page", "userId": "u", "timestamp": 1795341600000}'
    >>> [(change.user_id, change.action) for change in replay(definitions, [event])]
    [('u', 'entered')]
    """
    run = Replay(definitions, allowed_lateness=allowed_lateness, out_of_orderness=out_of_orderness, scorers=scorers)
    return run.run(events, until)


def found_bounds(
    definitions: Definitions,
    events: Iterable[bytes | tuple[bytes, int | None]],
    *,
    allowed_lateness: int = 3_600_000,
    plausibility: Plausibility | None = None,
) -> list[Thresholds]:
    """Return the bounds of the population that a replay of all users finds; nothing is read where there is none.

    >>> from segments.definitions import parse_definitions
    >>> found_bounds(parse_definitions("segments: [{name: a, when: {recency: {event: any, within: 1h}}}]"), [])
    []
    """
    compared = [each.name for each in definitions.segments if any(isinstance(part, Threshold) for part in parts(each))]
    if not compared:
        return []
    run = Replay(restricted(definitions, compared), allowed_lateness=allowed_lateness, plausibility=plausibility)
    for _ in run.run(events):
        pass  # what its users enter and leave is no question here
    return run.found


def _timed(events: Iterable[bytes | tuple[bytes, int | None]]) -> Iterator[tuple[bytes, int | None]]:
    iterator = iter(events)
    first = next(iterator, None)
    if first is None:
        return
    if isinstance(first, tuple):
        yield first
        yield from (each for each in iterator if isinstance(each, tuple))
        return
    yield from with_record_times(each for each in chain([first], iterator) if isinstance(each, bytes))
