"""Training features against serving features: every value of every user at random instants, bit for bit."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

from segments.definitions.model import Definitions
from segments.engine import Engine
from segments.events import EventDecoder, RejectedEvent
from segments.mapping import ordered
from segments.models.features import Vector
from segments.models.spec import FeatureSet
from segments.plan import Plan
from segments.processor import Processor
from segments.record_times import with_record_times
from training.rows import Asked, Timed, rows_of_users

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
    definitions: Definitions, features: FeatureSet, events: Sequence[tuple[int, Timed]], instants: tuple[int, ...]
) -> dict[Pair, Vector]:
    """Return what training sees: each user replayed alone."""
    decode = EventDecoder().decode
    users: dict[str, list[Timed]] = {}
    for _, timed in events:
        users.setdefault(decode(timed[0]).user_id, []).append(timed)
    asked = Asked(definitions, features, events[0][0], events[-1][0], instants=instants)
    return {(row.user_id, row.at): row.vector for row in rows_of_users(asked, users.values())}


def served(
    definitions: Definitions,
    features: FeatureSet,
    events: Sequence[tuple[int, Timed]],
    instants: tuple[int, ...],
    seed: int,
) -> Iterator[tuple[Pair, Vector]]:
    """Yield what the job's step sees: all segments judged, users mixed, events up to 30 minutes out of order."""
    plan = Plan(definitions, feature_sets={"features": features})
    processor, vector = Processor(Engine(plan)), plan.models["features"].vector
    draw, place = random.Random(seed), 0  # noqa: S311 - a seeded shuffle
    for at in instants:
        upto = place
        while upto < len(events) and events[upto][0] <= at:
            upto += 1
        arriving = sorted(events[place:upto], key=lambda each: each[0] + draw.randrange(_DISORDER_MS))
        place = upto
        for start in range(0, len(arriving), _BATCH):
            batch = [timed for _, timed in arriving[start : start + _BATCH]]
            processor.process([payload for payload, _ in batch], [written for _, written in batch])
        processor.advance(at)
        for user_id in list(processor.profiles.users()):
            yield (user_id, at), vector(processor.profiles.open(user_id), at)
        processor.profiles.settle()


def compare(
    definitions: Definitions,
    features: FeatureSet,
    events: Sequence[tuple[int, Timed]],
    instants: tuple[int, ...],
    seed: int,
) -> tuple[int, list[tuple[Pair, Vector, Vector | None]]]:
    """Return how many (user, instant) pairs were compared, and those whose vectors differ."""
    expected = trained(definitions, features, events, instants)
    pairs, differing = 0, []
    for pair, vector in served(definitions, features, events, instants, seed):
        pairs += 1
        known = expected.pop(pair, None)
        if known != vector:
            differing.append((pair, vector, known))
    differing += [(pair, (), vector) for pair, vector in expected.items()]
    return pairs, differing
