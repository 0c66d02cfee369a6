"""Does what the job wrote equal a replay of what it read, and do memberships and Redis equal that? Per user."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

import msgspec
import redis

from jobs.backfill.topic import handed_over
from jobs.player import HEARTBEAT_USER
from jobs.reconcile_memberships import Newest, compare_memberships, newest_memberships
from jobs.reconcile_redis import compare_redis
from jobs.redis_access import address_now
from jobs.settings import Settings
from jobs.topics import Record, TopicReader
from scoring.source import scorers
from segments.backfill_chunks import Chunk
from segments.changes import are_missing, encode_change
from segments.control import ControlRecord, Release
from segments.definitions.model import Definitions
from segments.events import EventDecoder, RejectedEvent
from segments.outcome import Outcome
from segments.replay import Replay
from segments.shadow_names import in_shadow

_BATCH = 2_000
_SHOWN_CHARS = 400


class _Head(msgspec.Struct, gc=False):
    user_id: str
    at: int
    seq: int


_head = msgspec.json.Decoder(_Head).decode


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not equal: whose, between what, and how."""

    user_id: str
    between: str
    detail: str

    def __str__(self) -> str:
        return f"user {self.user_id}: {self.between}: {self.detail}"


@dataclass(slots=True)
class Reconciliation:
    """What was compared, and the first difference of each user and comparison."""

    counts: Counter[str] = field(default_factory=Counter)
    differences: list[Difference] = field(default_factory=list)

    @property
    def equal(self) -> bool:
        """Say whether no difference was found."""
        return not self.differences


class Recomputation:
    """The changes that the engine makes of recorded events, by user, as the bytes of the segment topic.

    A user's changes depend on this user's events alone, so the partitions may be given one after the other.
    """

    def __init__(self, told: Definitions | Sequence[ControlRecord], settings: Settings) -> None:
        times = settings.event_time
        self.changes: dict[str, list[bytes]] = {}
        self.counts: Counter[str] = Counter()
        self._processor = Replay(
            told,
            allowed_lateness=times.allowed_lateness,
            plausibility=settings.plausibility,
            scorers=scorers(settings.scoring.cache_dir),
        ).processor

    def take(self, handed: Iterable[Chunk]) -> None:
        """Take in what side jobs handed over."""
        for chunk in handed:
            self._processor.hand(chunk)

    def add(self, events: Iterable[tuple[bytes, int | None]]) -> None:
        """Apply events with the times (ms) of their records, each user's in order of arrival."""
        iterator = iter(events)
        while batch := list(islice(iterator, _BATCH)):
            outcome = self._processor.process([payload for payload, _ in batch], [written for _, written in batch])
            self.counts["events"] += len(batch)
            self.counts["duplicates"] += outcome.duplicates
            self.counts["late"] += len(outcome.late)
            self.counts["dead letters"] += len(outcome.rejected)
            self._keep(outcome)

    def advance(self, until: int) -> None:
        """Let happen what happens by itself up to and including `until` (ms)."""
        self._keep(self._processor.advance(until))
        while self._processor.sweeping:
            self._keep(self._processor.sweep(_BATCH))

    def users(self) -> int:
        """Return how many users have a profile."""
        return sum(1 for user in self._processor.profiles.users() if user != HEARTBEAT_USER)

    def lengths(self) -> dict[str, int]:
        """Return how many changes each user has so far."""
        return {user: len(changes) for user, changes in self.changes.items()}

    def _keep(self, outcome: Outcome) -> None:
        for change in outcome.changes:
            if change.user_id != HEARTBEAT_USER and not in_shadow(change.segment):
                self.changes.setdefault(change.user_id, []).append(encode_change(change))


class WrittenChanges:
    """The segment topic by user; what at-least-once delivery wrote again after a restart is taken once."""

    def __init__(self) -> None:
        self.by_user: dict[str, list[bytes]] = {}
        self._seqs: dict[str, array[int]] = {}
        self.redelivered = 0
        self.newest = 0
        self.differences: list[Difference] = []

    def add(self, value: bytes) -> bool:
        """Take in a record's value; returns False when it was there already. Raises msgspec.DecodeError."""
        head = _head(value)
        if head.user_id == HEARTBEAT_USER:
            return False
        known, seqs = self.by_user.setdefault(head.user_id, []), self._seqs.setdefault(head.user_id, array("q"))
        newest = seqs[-1] if seqs else 0
        if head.seq <= newest:
            self.redelivered += 1
            place = bisect_left(seqs, head.seq)
            if seqs[place] != head.seq or known[place] != value:
                self._differ(head, f"change {head.seq} was written twice and differently: {_shown(value)}")
            return False
        if are_missing(newest, head.seq):
            self._differ(head, f"change {head.seq} follows change {newest}")
        seqs.append(head.seq)
        known.append(value)
        self.newest = max(self.newest, head.at)
        return True

    def _differ(self, head: _Head, detail: str) -> None:
        self.differences.append(Difference(head.user_id, "segment topic", detail))


def compare_changes(written: WrittenChanges, replayed: Recomputation, required: dict[str, int]) -> Iterator[Difference]:
    """Yield each user's first difference between topic and replay.

    The first `required` changes of a user must be there; the job may be further on, but only where the replay goes too.
    """
    for user in sorted(written.by_user.keys() | replayed.changes.keys()):
        job, replay = written.by_user.get(user, []), replayed.changes.get(user, [])
        place = next((at for at, pair in enumerate(zip(job, replay, strict=False)) if pair[0] != pair[1]), None)
        if place is not None:
            detail = f"change {place + 1}: job {_shown(job[place])}, replay {_shown(replay[place])}"
        elif len(job) < required.get(user, 0):
            detail = f"the job wrote {len(job)} changes, the replay {required[user]}; next {_shown(replay[len(job)])}"
        elif len(job) > len(replay):
            detail = f"the job wrote {len(job)} changes, the replay {len(replay)}; next {_shown(job[len(replay)])}"
        else:
            continue
        yield Difference(user, "job and replay", detail)


def reconcile(
    written: WrittenChanges, replayed: Recomputation, memberships: Newest, reached: int, redis_url: str | None
) -> Reconciliation:
    """Compare topics, replay (all events added) and Redis, event time having passed `reached` (ms) in the job for sure.

    Raises redis.RedisError when Redis does not answer.
    """
    replayed.advance(reached)
    required = replayed.lengths()
    replayed.advance(max(reached, written.newest))
    result = Reconciliation(Counter(replayed.counts), list(written.differences))
    result.counts["changes"] = sum(map(len, written.by_user.values()))
    result.counts["redelivered"] = written.redelivered
    result.counts["users"] = replayed.users()
    result.differences += compare_changes(written, replayed, required)
    told = compare_memberships(memberships, written.by_user)
    result.differences += (Difference(user, "changes and memberships", detail) for user, detail in told)
    if redis_url is not None:
        with redis.Redis.from_url(redis_url, socket_timeout=30.0) as client:
            found = compare_redis(client, written.by_user)
            result.differences += (Difference(user, "topic and Redis", detail) for user, detail in found)
    return result


def reconcile_topics(
    told: Definitions | Sequence[ControlRecord], settings: Settings, *, bounded: bool = False
) -> Reconciliation:
    """Read events, changes and memberships and compare them and Redis; raises TopicError, redis.RedisError.

    Of self-changes, the job must have written those due by the time of the partition that is furthest behind. A
    `bounded` job ends before its last watermark: of it only those due before the user's last event are required.
    """
    kafka = settings.kafka
    replayed, written = Recomputation(told, settings), WrittenChanges()
    progress = NewestTimes(settings)
    if not isinstance(told, Definitions):
        replayed.take(handed_over(kafka, [record for record in told if isinstance(record, Release)]))
    with topic_reader(settings, kafka.events_topics) as reader:
        replayed.add(progress.watch(reader.to_the_end()))
    with topic_reader(settings, [kafka.changes_topic]) as reader:
        for record in reader.to_the_end():
            if record.value is not None:
                written.add(record.value)
    url = address_now(settings.redis) if settings.redis.enabled else None
    with topic_reader(settings, [kafka.memberships_topic]) as reader:
        memberships = newest_memberships(reader.to_the_end())
    return reconcile(written, replayed, memberships, 0 if bounded else progress.reached(), url)


def topic_reader(settings: Settings, topics: Iterable[str]) -> TopicReader:
    """Return a reader of what is committed in topics of the job's Kafka; raises TopicError, SettingsError."""
    kafka = settings.kafka
    return TopicReader(kafka.bootstrap_servers, topics, committed_only=True, properties=kafka.consumer_properties)


class NewestTimes:
    """How far event time has come in each partition, as the job's watermarks see it."""

    def __init__(self, settings: Settings) -> None:
        self._decode = EventDecoder(plausibility=settings.plausibility).decode
        self._out_of_orderness = settings.event_time.out_of_orderness
        self._newest: dict[tuple[str, int], int] = {}

    def watch(self, records: Iterable[Record]) -> Iterator[tuple[bytes, int | None]]:
        """Yield each record's value and time (ms), noting its event's time."""
        for record in records:
            value = record.value or b""
            part = record.topic, record.partition
            try:
                time = self._decode(value, record.timestamp).time
                self._newest[part] = max(time, self._newest.get(part, time))
            except RejectedEvent:
                pass
            yield value, record.timestamp

    def reached(self) -> int:
        """Return the watermark (ms) that the job has passed for sure; 0 when there was no event."""
        return max(0, min(self._newest.values(), default=0) - self._out_of_orderness - 1)


def _shown(value: bytes) -> str:
    text = value.decode(errors="replace")
    return text if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + "..."
