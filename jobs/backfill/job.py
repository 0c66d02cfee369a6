"""What the newest release lacks, and the side job that hands it to the running job."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

import msgspec

from jobs.backfill.events import EventFilter
from jobs.backfill.side_job import Work, fill_in_all
from jobs.backfill.topic import write_chunks
from jobs.control_topic import append, effective_instant, newest_event, read_history
from jobs.recording import Recording
from jobs.release_planning import LIVE_AHEAD_MS, ReleaseError
from jobs.settings import Settings
from jobs.topics import TopicReader
from segments.backfill import Backfill, Knowledge
from segments.backfill_chunks import chunks_of
from segments.control import Filled, Release
from segments.definitions import DefinitionErrors
from segments.events import Plausibility
from segments.history import History
from segments.shadow import plan_of
from segments.shadow_names import names_of

Bar = Callable[[str, int], Callable[[int], None]]  # begins a bar of a name and a size
Totals = Callable[[int, int], None]  # is told how much is done and how much there is


@dataclass(frozen=True, slots=True)
class Pending:
    """A release and what it lacks; `cut` (ms) is the instant before which recorded events fill it in."""

    release: Release
    backfill: Backfill

    @property
    def cut(self) -> int:
        return self.release.effective_at

    @property
    def first(self) -> int:
        """The instant (ms) from which on events matter."""
        return 0 if self.backfill.reach is None else self.cut - self.backfill.reach


@dataclass(frozen=True, slots=True)
class Source:
    """Recorded events: a file of them, and the time (ms) from which on it has them; None: there are none."""

    path: Path
    since: int | None
    mapping: str | None = None


def pending(history: History, plausibility: Plausibility | None = None) -> Pending | None:
    """Return what the newest release lacks, None when that is nothing."""
    knowledge, found = Knowledge(), None
    for release in history.releases:
        if release.number in history.refused:
            continue
        try:
            plan = plan_of(release, plausibility)
        except DefinitionErrors:  # the job leaves it out as well
            continue
        lacking, _ = knowledge.after(release, plan)
        found = Pending(release, lacking) if lacking else None
    return found


@contextmanager
def recorded(job: Settings, wanted: Pending, progress: Totals) -> Iterator[Source]:
    """Give the events of the job's topics that matter; raises TopicError."""
    kafka, times = job.kafka, job.event_time
    wanted_events = EventFilter(wanted.cut, wanted.backfill.reach, times.allowed_lateness, job.plausibility)
    with (
        NamedTemporaryFile(prefix="segments-backfill-", suffix=".ndjson") as out,
        TopicReader(kafka.bootstrap_servers, kafka.events_topics, properties=kafka.consumer_properties) as reader,
    ):
        if wanted.backfill.reach is not None:
            reader.go_to(max(0, wanted.first - times.max_ahead))
        wanted_events.write(reader.to_the_end(progress), out)
        out.flush()
        earliest = wanted_events.earliest
        yield Source(Path(out.name), None if earliest is None else max(earliest, wanted.first))


def hand_over(job: Settings, wanted: Pending, source: Source, workers: int, bar: Bar) -> Filled:
    """Find the aggregates of all users and hand them to the workers; raises TopicError, OSError, MappingError."""
    release, shards = wanted.release, job.flink.shards
    work = Work(release, job.plausibility, wanted.backfill, wanted.cut, shards)
    layout = plan_of(release, job.plausibility).layout
    run = int(time.time() * 1_000)
    with Recording.open(
        source.path, source.mapping, plausibility=job.plausibility, workers=workers, bar=bar
    ) as recording:
        since = source.since if source.since is not None or recording.span is None else recording.span[0]
        found = fill_in_all(recording, work, bar("users put together", recording.events))
    handed = (
        chunk
        for shard in range(shards)
        for chunk in chunks_of(release.number, run, shard, layout, found[shard].items())
    )
    written = write_chunks(job.kafka, handed)
    users = sum(map(len, found.values()))
    return Filled(
        release.number,
        run,
        wanted.cut,
        wanted.cut if since is None else max(since, wanted.first),
        tuple(written[shard] for shard in range(shards)),
        users,
    )


def complete(job: Settings, wanted: Pending, filled: Filled, by: str) -> Release:
    """Write and return the release from which on the warming segments live; raises ReleaseError, TopicError."""
    history = read_history(job.kafka)
    current = history.current
    if current is None or current.number != wanted.release.number:
        raise ReleaseError("another release came meanwhile: run segments backfill for that one")
    now = int(time.time() * 1_000)
    names = names_of(wanted.backfill.warming)
    release = history.following(
        "backfill",
        current.definitions,
        effective_at=effective_instant(now, newest_event(job.kafka), LIVE_AHEAD_MS),
        shadow=current.shadow,
        released_at=now,
        by=by,
        note=f"completes {names} of release {current.number}",
    )
    completing = msgspec.structs.replace(release, filled=filled)
    append(job.kafka, completing)
    return completing
