"""Current memberships in Redis: each batch is awaited with the next one, never backwards, and patient in outages."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

import msgspec
import redis

from segments.changes import Change

_log = logging.getLogger(__name__)
_USERS_A_SCRIPT = 256  # a script blocks Redis for its whole run: a few milliseconds
_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 5.0
SEQ_FIELD = "_seq"
USER_KEY = "seg:"
SEGMENT_KEY = "segment:"

_PASSING = ("OOM", "READONLY", "MISCONF", "NOREPLICAS", "MASTERDOWN", "CLUSTERDOWN", "LOADING", "BUSY")

# A batch is a list of [user, seq, {segment: [value or false, at]}]. A user whose seq is not older is left alone.
_SCRIPT = """
local batch = cmsgpack.unpack(ARGV[1])
local ttl = ARGV[2]
local touched = {}
for _, entry in ipairs(batch) do
  local user, seq = entry[1], entry[2]
  local key = 'seg:' .. user
  local known = redis.call('HGET', key, '_seq')
  if not known or tonumber(known) < seq then
    local set, gone = {'_seq', seq}, {}
    for segment, change in pairs(entry[3]) do
      local members = 'segment:' .. segment
      touched[members] = true
      if change[1] then
        set[#set + 1] = segment
        set[#set + 1] = change[1]
        redis.call('ZADD', members, change[2], user)
      else
        gone[#gone + 1] = segment
        redis.call('ZREM', members, user)
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


_SHA = hashlib.sha1(_SCRIPT.encode(), usedforsecurity=False).hexdigest()
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
        pool = redis.ConnectionPool.from_url(
            options.url, socket_timeout=seconds, socket_connect_timeout=seconds, socket_keepalive=True
        )
        self._connection: Any = pool.make_connection()
        self._ttl = str(options.ttl_ms)
        self._sleep = sleep
        self._chunks: list[bytes] = []  # of the last batch, until Redis has answered
        self._answers_due = 0  # 0 while `_chunks` still has to be sent, or sent again
        self._has_script = False
        self.retries = 0

    def write(self, changes: Iterable[Change]) -> None:
        """Send a batch, once Redis has the one before; a user's changes must be in order. `flush` awaits its answer."""
        chunks = list(_chunks(changes))
        self.flush()
        self._chunks = chunks
        if chunks:
            with suppress(redis.RedisError):  # the next flush sends it again, as long as it takes
                self._send()

    def flush(self) -> None:
        """Return when Redis has all that was written; while it is away, try again with growing pauses for ever.

        Raises redis.ResponseError when the script fails, as it does where a key has another type.
        """
        pause = _FIRST_PAUSE_S
        while self._chunks:
            try:
                if not self._answers_due:
                    self._send()
                self._receive()
                self._chunks = []
            except redis.RedisError as error:
                self._start_again()
                if _is_a_bug(error):
                    raise
                self.retries += 1
                _log.warning("Redis does not take the batch, trying again in %.2f s: %s", pause, str(error)[-200:])
                self._sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE_S)

    def close(self) -> None:
        """Await the last answer if it comes, and leave; what Redis did not take then is lost to it."""
        if self._answers_due:
            with suppress(redis.RedisError):
                self._receive()
        self._start_again()

    def _send(self) -> None:
        commands: list[tuple[object, ...]] = [("EVALSHA", _SHA, 0, chunk, self._ttl) for chunk in self._chunks]
        if not self._has_script:
            commands.insert(0, ("SCRIPT LOAD", _SCRIPT))
        self._connection.send_packed_command(self._connection.pack_commands(commands))
        self._answers_due = len(commands)

    def _receive(self) -> None:
        """Read the answers; an error among them is raised, and the rest goes away with the connection."""
        while self._answers_due:
            self._connection.read_response()
            self._answers_due -= 1
        self._has_script = True

    def _start_again(self) -> None:
        self._connection.disconnect()
        self._answers_due = 0
        self._has_script = False


def _is_a_bug(error: redis.RedisError) -> bool:
    """A script that fails will fail again; anything else (away, loading, full, read-only, script lost) can pass."""
    text = str(error)
    in_script = "running script" in text or "@user_script" in text
    return isinstance(error, redis.ResponseError) and in_script and not any(word in text for word in _PASSING)


def _chunks(changes: Iterable[Change]) -> Iterator[bytes]:
    """Yield the batches of the script: for each user the last seq, and the last word on each segment."""
    users: dict[str, tuple[str, int, dict[str, tuple[str | Literal[False], int]]]] = {}
    for change in changes:
        user = change.user_id
        known = users.get(user)
        segments = known[2] if known else {}
        segments[change.segment] = (False if change.action == "exited" else entry_json(change), change.at)
        users[user] = (user, change.seq, segments)
    entries = iter(users.values())
    while batch := list(islice(entries, _USERS_A_SCRIPT)):
        yield _encode_batch(batch)


def entry_json(change: Change) -> str:
    """Return a `SegmentEntry` as JSON, written by hand: it takes a third of the time, and Redis unpacks no binary type.

    >>> from segments.changes import Cause
    >>> entry_json(Change("u1", "active", 2, "entered", 10, 7, Cause("event"), [], None, None, 1.0, None))
    '{"score":null,"since":10,"version":2,"seq":7,"confidence":1.0}'
    """
    score = "null" if change.score is None else repr(change.score)
    return (
        f'{{"score":{score},"since":{change.at},"version":{change.segment_version},'
        f'"seq":{change.seq},"confidence":{change.confidence!r}}}'
    )
