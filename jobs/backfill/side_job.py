"""Users put together from recorded events, on all cores: what each has to have filled in, by shard."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from jobs.recording import Recording, Timed
from segments.backfill import Backfill
from segments.backfill_chunks import collected
from segments.control import Release
from segments.engine import Engine
from segments.events import Plausibility
from segments.plan import Plan
from segments.profiles import shard_of
from segments.shadow import definitions_of, plan_of

ByShard = dict[int, dict[str, bytes]]  # by user an encoded profile


@dataclass(frozen=True)
class Work:
    """What a process needs to know; `cut` in ms."""

    release: Release
    plausibility: Plausibility
    backfill: Backfill
    cut: int
    shards: int


def fill_in(work: Work, users: Iterator[list[Timed]]) -> ByShard:
    """Return what the users of one partition of a recording have to have filled in."""
    engine = Engine(still_plan(work.release, work.plausibility))
    found: ByShard = {}
    for user_id, profile in collected(engine, work.backfill, users, work.cut):
        found.setdefault(shard_of(user_id, work.shards), {})[user_id] = profile
    return found


def still_plan(release: Release, plausibility: Plausibility | None = None) -> Plan:
    """Return a release's plan in which aggregates are kept and no segment is judged; raises DefinitionErrors."""
    segments = definitions_of(release).segments
    return plan_of(release, plausibility, warming={segment.name: segment.version for segment in segments})


def fill_in_all(recording: Recording, work: Work, progress: Callable[[int], None]) -> ByShard:
    """Return what all users of a recording have to have filled in; `progress` is told the events done."""
    whole: ByShard = {shard: {} for shard in range(work.shards)}
    for part in recording.each(fill_in, work, progress):
        for shard, profiles in part.items():
            whole[shard] |= profiles
    return whole
