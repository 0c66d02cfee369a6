"""Training features against serving features: every value of every user at random instants, bit for bit."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from segments.definitions.model import Definitions
from segments.engine import Engine
from segments.events import EventDecoder, RejectedEvent
from segments.mapping import ordered
from segments.models.features import Vector
from segments.models.model import Rows
from segments.models.spec import FeatureSet
from segments.plan import Plan
from segments.processor import Processor
from segments.record_times import with_record_times
from training.rows import Asked, Sample, Timed, sample_of_users

_DISORDER_MS = 1_800_000
_BATCH = 2_000
Pair = tuple[str, int]


def timed_events(path: Path, mapping: str | None) -> list[tuple[int, Timed]]:
    """Return a file's events by time, each with its time (ms); what is no event is left out."""
    decode, found = EventDecoder().decode, []
    for payload, written in with_record_times(ordered(path, mapping=mapping)):
        try:
            time = decode(payload).time
        except RejectedEvent:
            continue
        if written is not None:
            found.append((time, (payload, written)))
    return found


def instants_of(events: Sequence[tuple[int, Timed]], count: int, seed: int) -> tuple[int, ...]:
    """Return instants (ms) spread as the events are: half of them those of events, half up to an hour later."""
    draw = random.Random(seed)  # noqa: S311 - a seeded sample
    return tuple(sorted({draw.choice(events)[0] + place % 2 * draw.randrange(3_600_000) for place in range(count)}))


def trained(
    definitions: Definitions,
    features: FeatureSet,
    events: Sequence[tuple[int, Timed]],
    instants: tuple[int, ...],
    pairs: int,
) -> Sample:
    """Return what training sees of a sample of all users at all instants: each user replayed alone."""
    decode = EventDecoder().decode
    users: dict[str, list[Timed]] = {}
    for _, timed in events:
        users.setdefault(decode(timed[0]).user_id, []).append(timed)
    asked = Asked(definitions, features, events[0][0], events[-1][0], Rows(at_most=pairs), instants=instants)
    return sample_of_users(asked, users.values())


class Served:
    """What the job's step sees: all segments judged, users mixed, events up to 30 minutes out of order."""

    def __init__(self, definitions: Definitions, features: FeatureSet, seed: int) -> None:
        plan = Plan(definitions, feature_sets={"features": features})
        self._processor, self._vector = Processor(Engine(plan)), plan.models["features"].vector
        self._draw = random.Random(seed)  # noqa: S311 - a seeded shuffle

    def upto(self, at: int, events: Sequence[tuple[int, Timed]]) -> set[str]:
        """Take in the events since the last instant and return the users that are known at this one."""
        arriving = [timed for _, timed in sorted(events, key=lambda each: each[0] + self._draw.randrange(_DISORDER_MS))]
        for start in range(0, len(arriving), _BATCH):
            batch = arriving[start : start + _BATCH]
            self._processor.process([payload for payload, _ in batch], [written for _, written in batch])
        self._processor.advance(at)
        return set(self._processor.profiles.users())

    def vectors(self, users: Sequence[str], at: int) -> Iterator[Vector]:
        """Yield the features of users at an instant (ms)."""
        profiles = self._processor.profiles
        for user_id in users:
            yield self._vector(profiles.open(user_id), at)
        profiles.settle()


def compare(
    definitions: Definitions,
    features: FeatureSet,
    events: Sequence[tuple[int, Timed]],
    instants: tuple[int, ...],
    seed: int,
    pairs: int = 100_000,
) -> tuple[int, list[tuple[Pair, Vector | None, Vector | None]]]:
    """Return how many of at most so many (user, instant) pairs were compared, and those whose vectors differ.

    That both sides know the same number of users, over all instants, is compared too.
    """
    sample, served = trained(definitions, features, events, instants, pairs), Served(definitions, features, seed)
    by_instant = {at: list(rows) for at, rows in groupby(sample.rows(), key=lambda row: row.at)}
    differing: list[tuple[Pair, Vector | None, Vector | None]] = []
    place = seen = 0
    for at in instants:
        until = bisect_right(events, at, key=lambda each: each[0])
        known = served.upto(at, events[place:until])
        place, seen = until, seen + len(known)
        wanted = [row for row in by_instant.get(at, ()) if row.user_id in known]
        differing += [
            ((row.user_id, at), None, row.vector) for row in by_instant.get(at, ()) if row.user_id not in known
        ]
        vectors = served.vectors([row.user_id for row in wanted], at)
        differing += [
            ((row.user_id, at), vector, row.vector)
            for row, vector in zip(wanted, vectors, strict=True)
            if vector != row.vector
        ]
    if seen != sample.seen:
        differing.append(((f"{seen:,} users and instants in the job, {sample.seen:,} in training", 0), None, None))
    return min(pairs, sample.seen), differing
