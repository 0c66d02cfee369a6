"""Redis against the memberships topic, while events go on, and mending it: nobody is ever moved backwards."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, Literal

import msgspec

from jobs.live.report import Found, Pace
from jobs.live.state import chunks, on_the_way
from jobs.reconcile_redis import user_hashes
from jobs.settings import Settings
from segments.changes import Memberships
from segments.inspection import Choice, stands
from serving.memberships import SegmentMemberships
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
Segments = dict[str, tuple[str | Literal[False], int]]
OUTSIDE: tuple[str | Literal[False], int] = (False, 0)
_ROUNDS = 4
_MOST_AGAIN = 100_000
_entry = msgspec.json.Decoder(SegmentEntry).decode

# Has Redis forget how far a user is, if that is still what was seen: who writes next then writes the user whole.
_RESET = """
local key = 'seg:' .. ARGV[1]
if (redis.call('HGET', key, '_seq') or '') ~= ARGV[2] then return 0 end
if ARGV[2] ~= '' then redis.call('HSET', key, '_seq', 0) end
return 1
"""


class RedisSide:
    """Compares users of a choice, and with `repair` writes those who differ as the topic has them."""

    def __init__(
        self, client: Any, view: SegmentMemberships, settings: Settings, found: Found, *, repair: bool
    ) -> None:
        self._client, self._view, self._ttl, self._found, self._repairs = (
            client,
            view,
            settings.redis.ttl,
            found,
            repair,
        )
        self._patience = on_the_way(settings)
        self._reset, self._write = client.register_script(_RESET), client.register_script(WRITE)

    def compare(self, choice: Choice, rate: int) -> None:
        """Note in `found` who differs; raises redis.RedisError, kafka.errors.KafkaError.

        A user who is not as far in the one as in the other may be on the way, and is looked at again.
        """
        pace, again = Pace(rate), set[str]()
        for some in chunks([user for user in self._view if choice.has(user)], _TOGETHER):
            pace.wait(len(some))
            self._found.counts["users in Redis"] += len(some)
            again.update(self._look(some))
        sets = [
            _text(key[len(SEGMENT_KEY) :]) for key in self._client.scan_iter(match=f"{SEGMENT_KEY}*", count=_TOGETHER)
        ]
        for some in chunks(self._strays(choice, sets), _TOGETHER):
            pace.wait(len(some))
            if len(again) < _MOST_AGAIN:
                again.update(some)
        for left in reversed(range(_ROUNDS)):
            if not again:
                return
            self._view.settle(self._patience)
            looked = (self._look(some, sets, final=left == 0) for some in chunks(sorted(again), _TOGETHER))
            again = {user for some in looked for user in some}

    def _strays(self, choice: Choice, sets: Collection[str]) -> Iterator[str]:
        """Yield users who stand in Redis as members and not so in the topic."""
        for key in self._client.scan_iter(match=f"{USER_KEY}*", count=_TOGETHER):
            user = _text(key[len(USER_KEY) :])
            if choice.has(user) and self._view.of(user) is None:
                yield user
        for segment in sets:
            for member, _ in self._client.zscan_iter(SEGMENT_KEY + segment, count=_TOGETHER):
                user = _text(member)
                told = self._view.of(user) if choice.has(user) else None
                if choice.has(user) and (told is None or segment not in told.segments):
                    yield user

    def _look(self, users: list[str], sets: Collection[str] = (), *, final: bool = False) -> list[str]:
        """Note those who differ for sure; return those to be looked at again. They are looked for in `sets` too."""
        hashes = user_hashes(self._client, users)
        self._view.refresh()  # after Redis was read: the topic may be ahead of what was seen, and rarely behind
        names = {
            user: sorted({*sets, *map(_text, stored.keys() - {SEQ_FIELD.encode()}), *_names(self._view.of(user))})
            for user, stored in zip(users, hashes, strict=True)
        }
        scores = self._scores(users, names)
        again = []
        for user, stored in zip(users, hashes, strict=True):
            told, seen = self._view.of(user), stored.get(SEQ_FIELD.encode(), b"").decode()
            text, is_sure = difference(told, stored, scores[user])
            if text is None:
                continue
            if not is_sure and not final:
                again.append(user)
                continue
            self._found.differs(user, text)
            if self._repairs and (told is None or int(seen or 0) <= told.seq):
                self._mend(user, told, seen, names[user])
        return again

    def _scores(self, users: list[str], names: dict[str, list[str]]) -> dict[str, dict[str, int]]:
        pipeline = self._client.pipeline(transaction=False)
        asked = [(user, name) for user in users for name in names[user]]
        for user, name in asked:
            pipeline.zscore(SEGMENT_KEY + name, user)
        scores: dict[str, dict[str, int]] = {user: {} for user in users}
        for (user, name), score in zip(asked, pipeline.execute(), strict=True):
            if score is not None:
                scores[user][name] = int(score)
        return scores

    def _mend(self, user: str, told: Memberships | None, seen: str, names: list[str]) -> None:
        """Write a user as the topic has it; a job that writes in between goes first, and is not undone."""
        if not self._reset(args=[user, seen]):
            return
        entry = whole_entry(user, told)
        segments: Segments = {**dict.fromkeys(names, OUTSIDE), **entry.segments}
        if told is not None or seen:  # of who has left all segments Redis keeps the number
            entry = UserEntry(user, WHOLE, told.seq if told is not None else int(seen), segments)
        self._write(args=[*batches([entry._replace(segments=segments)]), self._ttl])
        self._found.counts["mended"] += 1


def difference(told: Memberships | None, stored: dict[bytes, bytes], scores: dict[str, int]) -> tuple[str | None, bool]:
    """Return what differs, and whether that is for sure: who is not as far here as there may be on the way."""
    fields = {_text(name): value for name, value in stored.items()}
    seen = int(fields.pop(SEQ_FIELD, b"0"))
    if told is None:
        extra = sorted(fields.keys() | scores.keys())
        return (f"Redis has segments {', '.join(extra)}, the memberships topic nothing" if extra else None), False
    if not stored:
        return f"the memberships topic is at change {told.seq}, Redis has no such user", True
    if seen != told.seq:
        return f"the memberships topic is at change {told.seq}, Redis at {seen}", False
    expected = stands(told)[1]
    found = {name: _stands(value) for name, value in fields.items()}
    for name in sorted(expected.keys() | found.keys() | scores.keys()):
        wanted, hash_says, set_says = expected.get(name), found.get(name), scores.get(name)
        if wanted != hash_says:
            return f"segment {name}: the memberships topic says {_said(wanted)}, Redis {_said(hash_says)}", True
        if (wanted and wanted[1]) != set_says:
            return f"segment {name}: the memberships topic says {_said(wanted)}, its sorted set {set_says}", True
    return None, True


def _stands(value: bytes) -> tuple[int, int] | None:
    try:
        entry = _entry(value)
    except msgspec.DecodeError:
        return None
    return entry.version, entry.since


def _said(entry: tuple[int, int] | None) -> str:
    return "not inside" if entry is None else f"inside since {entry[1]}, version {entry[0]}"


def _names(told: Memberships | None) -> list[str]:
    return [] if told is None else list(told.segments)


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")
