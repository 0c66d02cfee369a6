"""Current memberships in Redis: one round trip a batch, never backwards, and patient while Redis is away."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import msgspec
import redis

from segments.changes import Change

_log = logging.getLogger(__name__)
_USERS_A_SCRIPT = 256  # a script blocks Redis for its whole run: a few milliseconds
_LONGEST_PAUSE_S = 5.0
SEQ_FIELD = "_seq"
USER_KEY = "seg:"
SEGMENT_KEY = "segment:"

_PASSING = ("OOM", "READONLY", "MISCONF", "NOREPLICAS", "MASTERDOWN", "CLUSTERDOWN", "LOADING", "BUSY")

# A batch is a list of [user, seq, [[segment, value or false, at], ...]]. A user whose seq is not older is left alone.
_SCRIPT = """
local batch = cmsgpack.unpack(ARGV[1])
local ttl = ARGV[2]
local touched = {}
for _, entry in ipairs(batch) do
  local key = 'seg:' .. entry[1]
  local known = redis.call('HGET', key, '_seq')
  if not known or tonumber(known) < tonumber(entry[2]) then
    local set, gone = {'_seq', entry[2]}, {}
    for _, change in ipairs(entry[3]) do
      local members = 'segment:' .. change[1]
      touched[members] = true
      if change[2] then
        set[#set + 1] = change[1]
        set[#set + 1] = change[2]
        redis.call('ZADD', members, change[3], entry[1])
      else
        gone[#gone + 1] = change[1]
        redis.call('ZREM', members, entry[1])
      end
    end
    redis.call('HSET', key, unpack(set))
    if #gone > 0 then redis.call('HDEL', key, unpack(gone)) end
    redis.call('PEXPIRE', key, ttl)
  end
end
for members in pairs(touched) do redis.call('PEXPIRE', members, ttl) end
"""


class SegmentEntry(msgspec.Struct, frozen=True):
    """One field of a user's hash; `since` in ms."""

    score: float | None
    since: int
    version: int
    seq: int
    confidence: float


_encode_entry = msgspec.json.Encoder().encode
_encode_batch = msgspec.msgpack.Encoder().encode


@dataclass(frozen=True, slots=True)
class RedisOptions:
    """Where Redis is and how long (ms) an entry stays and an attempt may take."""

    url: str
    ttl_ms: int
    timeout_ms: int


class RedisWriter:
    """Writes changes: hash `seg:{user}` of segment -> JSON, sorted set `segment:{name}` of users by entered time."""

    def __init__(self, options: RedisOptions, sleep: Callable[[float], None] = time.sleep) -> None:
        seconds = options.timeout_ms / 1_000
        self._redis: Any = redis.Redis.from_url(
            options.url, socket_timeout=seconds, socket_connect_timeout=seconds, socket_keepalive=True
        )
        self._ttl = str(options.ttl_ms)
        self._sleep = sleep
        self._sha: str | None = None
        self.retries = 0

    def write(self, changes: Iterable[Change]) -> None:
        """Write a batch and return when Redis has it; while Redis is away, tries again with growing pauses for ever."""
        entries = iter(_by_user(changes).items())
        chunks = []
        while users := list(islice(entries, _USERS_A_SCRIPT)):
            chunks.append(_encode_batch([[user, *entry] for user, entry in users]))
        pause = 0.05
        while chunks:
            try:
                self._send(chunks)
                return
            except redis.RedisError as error:
                if _is_a_bug(error):
                    raise
                self._sha = None
                self.retries += 1
                _log.warning("Redis does not take the batch, trying again in %.2f s: %s", pause, str(error)[-200:])
                self._sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE_S)

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()

    def _send(self, chunks: list[bytes]) -> None:
        if self._sha is None:
            self._sha = self._redis.script_load(_SCRIPT)
        pipeline = self._redis.pipeline(transaction=False)
        for chunk in chunks:
            pipeline.evalsha(self._sha, 0, chunk, self._ttl)
        for answer in pipeline.execute(raise_on_error=False):
            if isinstance(answer, Exception):
                raise answer


def _is_a_bug(error: redis.RedisError) -> bool:
    """A script that fails will fail again; anything else (away, loading, full, read-only, script lost) can pass."""
    text = str(error)
    in_script = "running script" in text or "@user_script" in text
    return isinstance(error, redis.ResponseError) and in_script and not any(word in text for word in _PASSING)


def _by_user(changes: Iterable[Change]) -> dict[str, tuple[str, list[list[Any]]]]:
    """Group changes: user -> (last seq, the last word on each segment)."""
    grouped: dict[str, dict[str, Change]] = {}
    for change in changes:
        grouped.setdefault(change.user_id, {})[change.segment] = change
    return {user: (_last_seq(latest.values()), list(_fields(latest.values()))) for user, latest in grouped.items()}


def _last_seq(changes: Iterable[Change]) -> str:
    return str(max(change.seq for change in changes))


def _fields(changes: Iterable[Change]) -> Iterator[list[Any]]:
    for change in changes:
        if change.action == "exited":
            yield [change.segment, False, ""]
        else:
            entry = SegmentEntry(change.score, change.at, change.segment_version, change.seq, change.confidence)
            yield [change.segment, _encode_entry(entry).decode(), str(change.at)]  # Redis unpacks no binary type
