"""What a run was worth: everything the job wrote against a replay of everything it was sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context

import redis

from benchmarks.faults.observed import Observed, Reference, Unprocessed
from benchmarks.faults.topics import records, records_with_headers
from jobs.control_topic import records_told
from jobs.player import HEARTBEAT_USER
from jobs.reconcile_memberships import compare_memberships, newest_memberships
from jobs.reconcile_redis import compare_redis
from jobs.settings import Settings
from segments.control import ControlRecord
from segments.profiles import user_checksum

SHOWN = 5
HEARTBEAT = HEARTBEAT_USER.encode()


@dataclass(slots=True)
class Verdict:
    """How many changes were lost, doubled, ..., and for people the first differences of each kind.

    `events` are those of the topic, `changes` those that a consumer takes. Under at-least-once delivery `redelivered`
    counts what a consumer skips by `seq`; under exactly-once that is `doubled`, and so is a dead letter told twice.
    """

    events: int = 0
    changes: int = 0
    lost: int = 0
    doubled: int = 0
    redelivered: int = 0
    misplaced: int = 0
    wrong: int = 0
    memberships_wrong: int = 0
    redis_wrong: int = 0
    unprocessed: int = 0
    unprocessed_lost: int = 0
    unprocessed_wrong: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Say whether nothing at all differs."""
        faults = (
            self.lost, self.doubled, self.misplaced, self.wrong, self.memberships_wrong, self.redis_wrong,
            self.unprocessed_lost, self.unprocessed_wrong,
        )  # fmt: skip
        return not any(faults)

    def __str__(self) -> str:
        numbers = {name: getattr(self, name) for name in self.__slots__ if isinstance(getattr(self, name), int)}
        listed = ", ".join(f"{name.replace('_', ' ')} {value:,}" for name, value in numbers.items())
        return "\n".join([listed, *self.differences])


@dataclass(slots=True)
class Slice:
    """What was found out about some of the users; `newest` holds each user's changes that still count, in order."""

    verdict: Verdict
    newest: dict[str, list[bytes]]
    refused: dict[Unprocessed, str]


def judge(settings: Settings, sent: int, *, slices: int = 1, processes: int = 1) -> Verdict:
    """Compare topics, dead letters, late events and Redis with the replay of the events topic, the job having stopped.

    `sent` events, and heartbeats, must be in the topic. Users are taken in `slices`, in so many processes at once: the
    changes of a slice's users are in memory together. Raises TopicError, redis.RedisError.
    """
    told = records_told(settings.kafka)
    if processes > 1:
        with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
            parts = list(
                pool.map(judge_slice, *zip(*((settings, told, n, slices) for n in range(slices)), strict=True))
            )
    else:
        parts = [judge_slice(settings, told, number, slices) for number in range(slices)]
    verdict = _merged([part.verdict for part in parts])
    if verdict.events < sent:  # a producer whose broker was killed may write more: it repeats what it saw no answer to
        verdict.differences.append(f"{sent} events were sent, the topic has {verdict.events}")
        verdict.lost += sent - verdict.events
    _judge_unprocessed(verdict, settings, {place: why for part in parts for place, why in part.refused.items()})
    _judge_redis(verdict, settings, {user: kept for part in parts for user, kept in part.newest.items()})
    return verdict


def judge_slice(settings: Settings, told: list[ControlRecord], number: int, slices: int) -> Slice:
    """Compare the users of one slice: changes and memberships with the replay."""
    kafka, servers = settings.kafka, settings.kafka.bootstrap_servers

    def ours(key: bytes | None) -> bool:
        return slices == 1 or user_checksum((key or b"").decode(errors="replace")) % slices == number

    reference = Reference(told, settings)
    for topic in kafka.events_topics:
        reference.add(each for each in records(servers, topic) if ours(each.key) or each.key == HEARTBEAT)
    observed = Observed()
    for record in records(servers, kafka.changes_topic):
        if record.value is not None and ours(record.key):
            observed.add(record.value)
    required, expected = reference.changes(observed.newest_instant)
    exactly_once = kafka.delivery == "exactly_once"
    verdict = Verdict(
        events=reference.counts["events"],
        changes=observed.changes,
        doubled=observed.repeated if exactly_once else 0,
        redelivered=0 if exactly_once else observed.repeated,
        misplaced=observed.misplaced,
        counts=reference.counts,
        differences=observed.differences[:SHOWN],
    )
    compare(verdict, observed, required, expected)
    newest = newest_memberships(each for each in records(servers, kafka.memberships_topic) if ours(each.key))
    kept = observed.kept()
    wrong = [f"user {user}: memberships topic: {detail}" for user, detail in compare_memberships(newest, kept)]
    verdict.memberships_wrong = len(wrong)
    verdict.differences += wrong[:SHOWN]
    return Slice(verdict, kept, reference.refused)


def compare(
    verdict: Verdict, observed: Observed, required: Mapping[str, int], expected: Mapping[str, list[bytes]]
) -> None:
    """Count what each user lacks of `required` changes, and what is not as the replay has it."""
    told: Counter[str] = Counter()
    for user in sorted(observed.by_user.keys() | expected.keys()):
        found, wanted = observed.by_user.get(user, {}), expected.get(user, [])
        missing = [seq for seq in range(1, required.get(user, 0) + 1) if seq not in found]
        wrong = [seq for seq, value in found.items() if seq > len(wanted) or wanted[seq - 1] != value]
        verdict.lost += len(missing)
        verdict.wrong += len(wrong)
        for kind, seqs in (("lost", missing), ("not as in the replay", wrong)):
            told[kind] += bool(seqs)
            if seqs and told[kind] <= SHOWN:
                replayed = wanted[seqs[0] - 1].decode() if seqs[0] <= len(wanted) else "nothing"
                job = found.get(seqs[0], b"nothing").decode()
                verdict.differences.append(f"user {user}: {kind}: change {seqs[0]}: job {job}, replay {replayed}")


def _judge_unprocessed(verdict: Verdict, settings: Settings, refused: Mapping[Unprocessed, str]) -> None:
    """Compare dead letters and late events with those of the replay, by their origins."""
    kafka, found = settings.kafka, Counter[Unprocessed]()
    for topic in (kafka.dead_letters_topic, kafka.late_events_topic):
        for _, headers in records_with_headers(kafka.bootstrap_servers, topic):
            place = headers["topic"].decode(), int(headers["partition"]), int(headers["offset"])
            found[place] += 1
            if refused.get(place) != (reason := headers["reason"].decode()):
                verdict.unprocessed_wrong += 1
                if verdict.unprocessed_wrong <= SHOWN:
                    told = refused.get(place, "applied")
                    verdict.differences.append(f"event {place}: {reason} in the job, {told} in the replay")
    lost = sorted(refused.keys() - found.keys())
    verdict.unprocessed = len(found)
    verdict.unprocessed_lost = len(lost)
    verdict.differences += [f"event {place}: {refused[place]}, but in no topic" for place in lost[:SHOWN]]
    repeated = sum(found.values()) - len(found)
    if kafka.delivery == "exactly_once":
        verdict.doubled += repeated
    else:
        verdict.redelivered += repeated


def _judge_redis(verdict: Verdict, settings: Settings, newest: Mapping[str, list[bytes]]) -> None:
    if settings.redis.enabled:
        with redis.Redis.from_url(settings.redis.url.get_secret_value(), socket_timeout=30.0) as client:
            wrong = [f"user {user}: Redis: {detail}" for user, detail in compare_redis(client, newest)]
        verdict.redis_wrong = len(wrong)
        verdict.differences += wrong[:SHOWN]


def _merged(parts: Iterable[Verdict]) -> Verdict:
    whole = Verdict()
    for part in parts:
        for name in _numbers(part):
            setattr(whole, name, getattr(whole, name) + getattr(part, name))
        whole.counts += part.counts
        whole.differences += part.differences
    return whole


def _numbers(verdict: Verdict) -> Iterator[str]:
    return (name for name in verdict.__slots__ if isinstance(getattr(verdict, name), int))
