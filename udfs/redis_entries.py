"""What stands in Redis of a user, and the scripts that write it: never backwards, and never over a gap."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Literal, NamedTuple

import msgspec

from segments.changes import Change, Memberships
from segments.warming import Warming, encode_warming

SEQ_FIELD = "_seq"
USER_KEY = "seg:"
SEGMENT_KEY = "segment:"
WHOLE_KEY = "segments:whole"  # a hash of shard -> the id of the server that is known to hold all of its users
WARMING_KEY = "segments:warming"  # a hash of segment -> `segments.warming.Warming` as JSON
WARMING_SHARDS_KEY = "segments:warming:shards"  # a hash of shard -> what is warming there
_USERS_A_SCRIPT = 256  # a script blocks Redis for its whole run, a few milliseconds; Lua unpacks 8,000 values
WHOLE = -1
_GONE = -2

# A batch is a list of [user, after, seq, {segment: [value or false, at]}]: changes of a user after number `after` up to
# number `seq`; `after` -1: all that the user is in; -2: the user is gone. Who is up to date is left alone.
# Returned are the users who lack what came before, and the keys that hold something else. All users of a segment are
# one call of Redis. Sets come before hashes: a user whose `_seq` is known is in all of them, wherever a script ends.
WRITE = """
local batch = cmsgpack.unpack(ARGV[1])
local ttl = ARGV[2]
local added, removed, hashes, lacking, refused = {}, {}, {}, {}, {}
local function values_of(sets, segment)
  local values = sets[segment]
  if not values then values = {} sets[segment] = values end
  return values, #values
end
for _, entry in ipairs(batch) do
  local user, after, seq, segments = entry[1], entry[2], entry[3], entry[4]
  local key = 'seg:' .. user
  local found = redis.pcall('HGET', key, '_seq')
  local known = type(found) == 'string' and tonumber(found) or 0
  if type(found) == 'table' then
    if not string.find(found.err, 'WRONGTYPE', 1, true) then return found end
    refused[#refused + 1] = key
  elseif after > known then
    lacking[#lacking + 1] = user
    for segment, change in pairs(segments) do -- the hash may have expired, and sets still have the user
      if not change[1] then
        local users, count = values_of(removed, segment)
        users[count + 1] = user
      end
    end
  elseif known < seq or after == -2 then
    local set, gone, place = {'_seq', seq}, {}, 2
    if after < 0 then
      for _, field in ipairs(redis.call('HKEYS', key)) do
        if field ~= '_seq' and not segments[field] then segments[field] = {false, 0} end
      end
    end
    for segment, change in pairs(segments) do
      if change[1] then
        set[place + 1], set[place + 2] = segment, change[1]
        place = place + 2
        local times, count = values_of(added, segment)
        times[count + 1], times[count + 2] = change[2], user
      else
        gone[#gone + 1] = segment
        local users, count = values_of(removed, segment)
        users[count + 1] = user
      end
    end
    hashes[#hashes + 1] = {key, set, gone, after == -2}
  end
end
local function write(command, sets)
  for segment, values in pairs(sets) do
    local members = 'segment:' .. segment
    local answer = redis.pcall(command, members, unpack(values))
    if type(answer) == 'table' and answer.err then
      if not string.find(answer.err, 'WRONGTYPE', 1, true) then return answer end
      refused[#refused + 1] = members
    else
      redis.call('PEXPIRE', members, ttl)
    end
  end
end
local failed = write('ZREM', removed) or write('ZADD', added)
if failed then return failed end
for _, hash in ipairs(hashes) do
  local key, set, gone = hash[1], hash[2], hash[3]
  if hash[4] then
    redis.call('DEL', key)
  else
    for first = 1, #gone, 1000 do redis.call('HDEL', key, unpack(gone, first, math.min(first + 999, #gone))) end
    for first = 1, #set, 1000 do redis.call('HSET', key, unpack(set, first, math.min(first + 999, #set))) end
    redis.call('PEXPIRE', key, ttl)
  end
end
return {lacking, refused}
"""

# A batch is a list of [user, seq]. Returned are the users of whom Redis does not know change number `seq`.
COMPARE = """
local lacking = {}
for _, entry in ipairs(cmsgpack.unpack(ARGV[1])) do
  local found = redis.pcall('HGET', 'seg:' .. entry[1], '_seq')
  if type(found) == 'table' and not string.find(found.err, 'WRONGTYPE', 1, true) then return found end
  local known = type(found) == 'string' and tonumber(found) or 0
  if type(found) ~= 'table' and known < entry[2] then lacking[#lacking + 1] = entry[1] end
end
return lacking
"""

# The marker's fields go from ARGV[1] to ARGV[2], for the shards that follow; 0 when they are not as they were left.
MARK = """
for place = 3, #ARGV do
  if redis.call('HGET', 'segments:whole', ARGV[place]) ~= ARGV[1] then return 0 end
end
for place = 3, #ARGV do redis.call('HSET', 'segments:whole', ARGV[place], ARGV[2]) end
return 1
"""


# ARGV[1] packs {segment: text} of what is warming in the shards that follow; one list is made of those of all shards.
TELL = """
local by_shard, listed = 'segments:warming:shards', 'segments:warming'
local kind = redis.call('TYPE', by_shard).ok
if kind ~= 'hash' and kind ~= 'none' then redis.call('DEL', by_shard) end
for place = 2, #ARGV do redis.call('HSET', by_shard, ARGV[place], ARGV[1]) end
redis.call('DEL', listed)
for _, packed in ipairs(redis.call('HVALS', by_shard)) do
  local is_ours, found = pcall(cmsgpack.unpack, packed)
  if is_ours and type(found) == 'table' then
    for segment, text in pairs(found) do redis.call('HSET', listed, segment, text) end
  end
end
return 1
"""


class SegmentEntry(msgspec.Struct, frozen=True):
    """One field of a user's hash; `since` in ms, `seq` the user's change as of which score and confidence are."""

    score: float | None
    since: int
    version: int
    seq: int
    confidence: float


class UserEntry(NamedTuple):
    """One user of a batch, as the script reads it."""

    user: str
    after: int
    seq: int
    segments: dict[str, tuple[str | Literal[False], int]]


_encode = msgspec.msgpack.Encoder().encode


def changed_entries(changes: Iterable[Change]) -> dict[str, UserEntry]:
    """Return by user what changed: the last seq, and the last word on each segment; a user's changes are in order."""
    users: dict[str, UserEntry] = {}
    for change in changes:
        user = change.user_id
        known = users.get(user)
        after, segments = (change.seq - 1, {}) if known is None else (known.after, known.segments)
        segments[change.segment] = (False if change.action == "exited" else entry_json(change), change.at)
        users[user] = UserEntry(user, after, change.seq, segments)
    return users


def whole_entry(user: str, memberships: Memberships | None) -> UserEntry:
    """Return all that a user is in, whatever Redis knows; None: the user is gone."""
    if memberships is None:
        return UserEntry(user, _GONE, 0, {})
    seq = memberships.seq
    segments: dict[str, tuple[str | Literal[False], int]] = {
        name: (_json(each.score, each.since, each.segment_version, seq, each.confidence), each.since)
        for name, each in memberships.segments.items()
    }
    return UserEntry(user, WHOLE, seq, segments)


def batches(entries: Iterable[Sequence[Any]]) -> Iterator[bytes]:
    """Yield the arguments of the scripts, of at most 256 users each."""
    rest = iter(entries)
    while batch := list(islice(rest, _USERS_A_SCRIPT)):
        yield _encode(batch)


def packed_warming(warming: Mapping[str, Warming]) -> bytes:
    """Return what the script is told of segments that stand still."""
    return _encode({name: encode_warming(each) for name, each in sorted(warming.items())})


def entry_json(change: Change) -> str:
    """Return a `SegmentEntry` as JSON.

    >>> from segments.changes import Cause
    >>> entry_json(Change("u1", "active", 2, "entered", 10, 7, Cause("event"), [], None, None, 1.0, None))
    '{"score":null,"since":10,"version":2,"seq":7,"confidence":1.0}'
    """
    return _json(change.score, change.at, change.segment_version, change.seq, change.confidence)


def _json(score: float | None, since: int, version: int, seq: int, confidence: float) -> str:
    """Written by hand: it takes a third of the time, and Redis unpacks no binary type."""
    text = "null" if score is None else repr(score)
    return f'{{"score":{text},"since":{since},"version":{version},"seq":{seq},"confidence":{confidence!r}}}'
