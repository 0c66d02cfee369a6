"""Redis against the memberships topic, while events go on, and mending it: nobody is ever moved backwards."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Literal, NamedTuple

import msgspec
import redis

from jobs.live.judging import MOST_LOOKS, Look, judge
from jobs.live.looks import Waiting
from jobs.live.report import Found, Pace
from jobs.live.state import chunks, on_the_way
from jobs.live.told import Told, Unreadable
from jobs.settings import Settings
from segments.changes import Memberships
from segments.inspection import Choice, stands
from udfs.redis_entries import (
    SEGMENT_KEY,
    SEQ_FIELD,
    USER_KEY,
    WHOLE,
    WRITE,
    SegmentEntry,
    UserEntry,
    batches,
    whole_entry,
)

_TOGETHER = 500
_IN_ONE_TRANSACTION = 100  # users: Redis does nothing else meanwhile
_LISTED = 0.1  # of the work of a user who is compared
Segments = dict[str, tuple[str | Literal[False], int]]
OUTSIDE: tuple[str | Literal[False], int] = (False, 0)
_entry = msgspec.json.Decoder(SegmentEntry).decode

# Has Redis forget how far a user is, if that is still what was seen: who writes next then writes the user whole.
_RESET = """
local key = 'seg:' .. ARGV[1]
if (redis.call('HGET', key, '_seq') or '') ~= ARGV[2] then return 0 end
if ARGV[2] ~= '' then redis.call('HSET', key, '_seq', 0) end
return 1
"""


class Stand(NamedTuple):
    """What Redis said of a user in one moment: the hash, and the scores in the sorted sets that were asked."""

    seen: str
    fields: Mapping[str, bytes]
    scores: Mapping[str, int]
    asked: Collection[str]
    wrong: str = ""  # what stands there is nothing of ours

    @property
    def seq(self) -> int:
        """The number of the newest change that Redis knows, 0 where there is none."""
        return int(self.seen) if self.seen.isdecimal() else 0

    @property
    def is_empty(self) -> bool:
        """Say whether the user is in no segment."""
        return not self.fields and not self.scores


class RedisSide:
    """Compares users of a choice, and with `repair` writes those who differ as the topic has them.

    Who has not changed since before `expired_before` (ms) and is not in Redis has expired there, and does not differ.
    """

    def __init__(
        self, client: Any, told: Told, settings: Settings, found: Found, *, repair: bool, expired_before: int = 0
    ) -> None:
        self._client, self._told, self._found, self._repairs = client, told, found, repair
        self._expired_before = expired_before
        self._ttl = settings.redis.ttl
        self._waiting: Waiting[Stand] = Waiting(on_the_way(settings))
        self._reset, self._write = client.register_script(_RESET), client.register_script(WRITE)
        self._sets: list[str] = []

    def compare(self, choice: Choice, rate: int, progress: Callable[[int, int], None]) -> None:
        """Note in `found` who differs; raises redis.RedisError, kafka.errors.KafkaError, TimeoutError.

        `progress` is told how many users, keys and members are done, and how many there are.
        """
        pace = Pace(rate)
        sets = self._client.scan_iter(match=f"{SEGMENT_KEY}*", count=_TOGETHER, _type="ZSET")
        self._sets = [_text(key[len(SEGMENT_KEY) :]) for key in sets]
        users, keys = len(self._told.table), self._client.dbsize()
        total = users + keys + sum(self._client.zcard(SEGMENT_KEY + each) for each in self._sets)
        done = 0
        for some in chunks(self._told.table, _TOGETHER):
            pace.wait(len(some))
            self._found.counts["users in Redis"] += len(some)
            done += len(some)
            self._look({user: [] for user in some if user not in self._waiting})
            self._look_again(wait=False)
            progress(done, total)
        for listed in self._listed(pace):
            done += len(listed)
            strays = {user for user, segment in listed if choice.has(user) and self._is_stray(user, segment)}
            self._look({user: [] for user in sorted(strays) if user not in self._waiting}, everywhere=True)
            self._look_again(wait=False)
            progress(min(done, total), total)
        while self._waiting:
            self._look_again(wait=True)

    def _listed(self, pace: Pace) -> Iterator[list[tuple[str, str | None]]]:
        """Yield all users with a hash, and all members with their set."""

        def each() -> Iterator[tuple[str, str | None]]:
            for key in self._client.scan_iter(match=f"{USER_KEY}*", count=_TOGETHER, _type="HASH"):
                yield _text(key[len(USER_KEY) :]), None
            for segment in self._sets:
                for member, _ in self._client.zscan_iter(SEGMENT_KEY + segment, count=_TOGETHER):
                    yield _text(member), segment

        for some in chunks(each(), _TOGETHER):
            pace.wait(len(some) * _LISTED)
            yield some

    def _is_stray(self, user: str, segment: str | None) -> bool:
        """Say whether the topic does not know what Redis lists."""
        if segment is None:
            return user not in self._told.table
        told = self._told.now(user)
        return not isinstance(told, Memberships) or segment not in told.segments

    def _look(self, before: dict[str, list[Look[Stand]]], *, everywhere: bool = False) -> None:
        """Look at users, and note those who differ; those who cannot be judged are looked at again, `everywhere`.

        That is in all sorted sets, not only in those of the user's segments.
        """
        for some in chunks(before, _TOGETHER):
            found = self._stands(some, everywhere=everywhere)
            self._told.refresh()  # after Redis was read: so the topic knows what is there, but for what is on the way
            again: dict[str, list[Look[Stand]]] = {}
            for user, stand in zip(some, found, strict=True):
                now = self._told.now(user)
                if isinstance(now, Unreadable) or stand.wrong:
                    self._note(user, now.why if isinstance(now, Unreadable) else stand.wrong)
                    continue
                if now is not None and now.at < self._expired_before and _is_let_go(stand, now):
                    self._found.counts["expired"] += 1
                    continue
                told = now.seq if now else None
                look = Look(stand, stand.seq, stand.is_empty, told, self._told.reached(user, now))
                looks = [*before[user], look]
                verdict = judge(looks, self._told.of(user, stand.asked), difference, "Redis")
                if verdict.text is not None:
                    self._differs(user, verdict.text, stand, now)
                elif verdict.is_open and len(looks) < MOST_LOOKS:
                    again[user] = looks
                elif verdict.is_open:
                    self._found.not_compared(user)
            self._waiting.add(again)

    def _look_again(self, *, wait: bool) -> None:
        while self._waiting:
            due = self._waiting.due()
            if due:
                self._look(due, everywhere=True)
            elif wait or self._waiting.is_full:
                self._told.settle(self._waiting.left())
            else:
                return

    def _stands(self, users: Sequence[str], *, everywhere: bool) -> Iterator[Stand]:
        """Yield what Redis says of users, each in one moment."""
        for some in chunks(users, _IN_ONE_TRANSACTION):
            pipeline = self._client.pipeline(transaction=True)
            asked = [self._names(user, everywhere=everywhere) for user in some]
            for user, names in zip(some, asked, strict=True):
                pipeline.hgetall(USER_KEY + user)
                for name in names:
                    pipeline.zscore(SEGMENT_KEY + name, user)
            answers = iter(pipeline.execute(raise_on_error=False))
            for names in asked:
                answer = list(islice(answers, 1 + len(names)))
                wrong = next((str(each) for each in answer if isinstance(each, redis.ResponseError)), None)
                if wrong is not None:
                    yield Stand("", {}, {}, names, f"Redis holds something else: {wrong}")
                    continue
                fields = {_text(name): value for name, value in answer[0].items()}
                scores = {name: int(score) for name, score in zip(names, answer[1:], strict=True) if score is not None}
                yield Stand(_text(fields.pop(SEQ_FIELD, b"")), fields, scores, names)

    def _names(self, user: str, *, everywhere: bool) -> list[str]:
        told = self._told.now(user)
        names = set(told.segments) if isinstance(told, Memberships) else set()
        return sorted(names.union(self._sets) if everywhere else names)

    def _differs(self, user: str, text: str, stand: Stand, told: Memberships | None) -> None:
        if not self._note(user, text):
            return
        if self._repairs and (told is None or stand.seq <= told.seq):
            self._mend(user, told, stand)

    def _note(self, user: str, text: str) -> bool:
        """Note a user who differs; returns False for one who was noted."""
        is_new = self._told.table.note(user)
        if is_new:
            self._found.differs(user, text)
        return is_new

    def _mend(self, user: str, told: Memberships | None, stand: Stand) -> None:
        """Write a user as the topic has it; a job that writes in between goes first, and is not undone."""
        if not self._reset(args=[user, stand.seen]):
            return
        entry = whole_entry(user, told)
        names = {*self._sets, *stand.asked, *stand.fields}
        segments: Segments = {**dict.fromkeys(names, OUTSIDE), **entry.segments}
        if told is not None or stand.seen:  # of who has left all segments Redis keeps the number
            entry = UserEntry(user, WHOLE, told.seq if told is not None else stand.seq, segments)
        self._write(args=[*batches([entry._replace(segments=segments)]), self._ttl])
        self._found.counts["mended"] += 1


def difference(told: Memberships, stand: Stand) -> str | None:
    """Return what differs between Redis and the record of the same number."""
    expected = stands(told)[1]
    found = {name: _stands(value) for name, value in stand.fields.items()}
    for name in sorted(expected.keys() | found.keys() | stand.scores.keys()):
        wanted, hash_says, set_says = expected.get(name), found.get(name), stand.scores.get(name)
        if name in found and hash_says is None:
            return f"segment {name}: what Redis holds is unreadable"
        if wanted != hash_says:
            return f"segment {name}: the memberships topic says {_said(wanted)}, Redis {_said(hash_says)}"
        if (wanted and wanted[1]) != set_says:
            return f"segment {name}: the memberships topic says {_said(wanted)}, its sorted set {set_says}"
    return None


def _is_let_go(stand: Stand, told: Memberships) -> bool:
    """Say whether the hash is gone, and no set says more than the topic: sets live as long as any of their members."""
    members = stands(told)[1]
    return (
        not stand.seen
        and not stand.fields
        and all(name in members and members[name][1] == since for name, since in stand.scores.items())
    )


def _stands(value: bytes) -> tuple[int, int] | None:
    try:
        entry = _entry(value)
    except msgspec.DecodeError:
        return None
    return entry.version, entry.since


def _said(entry: tuple[int, int] | None) -> str:
    return "not inside" if entry is None else f"inside since {entry[1]}, version {entry[0]}"


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")
