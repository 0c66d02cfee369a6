"""Redis against the segment topic: each user's hash and each segment's sorted set must be the fold of the changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import msgspec

from jobs.player import HEARTBEAT_USER
from segments.changes import decode_change
from udfs.redis_entries import SEGMENT_KEY, SEQ_FIELD, USER_KEY, SegmentEntry

_USERS_A_ROUND_TRIP = 1_000
_SHOWN = 3
_decode_entry = msgspec.json.Decoder(SegmentEntry).decode

State = tuple[int, dict[str, SegmentEntry]]  # number of the newest change, and the memberships


def fold(changes: Sequence[bytes]) -> State:
    """Return what Redis must hold for a user after these changes (values of the segment topic, in order).

    >>> fold([])
    (0, {})
    """
    seq, entries = 0, dict[str, SegmentEntry]()
    for value in changes:
        change = decode_change(value)
        seq = change.seq
        if change.action == "exited":
            entries.pop(change.segment, None)
        else:
            entries[change.segment] = SegmentEntry(
                change.score, change.at, change.segment_version, change.seq, change.confidence
            )
    return seq, entries


def compare_redis(client: Any, by_user: Mapping[str, Sequence[bytes]]) -> Iterator[tuple[str, str]]:
    """Yield (user, what differs) for Redis against the changes of each user; raises redis.RedisError."""
    states = {user: fold(changes) for user, changes in by_user.items() if changes}
    users = iter(states)
    while some := list(islice(users, _USERS_A_ROUND_TRIP)):
        for user, stored in zip(some, user_hashes(client, some), strict=True):
            detail = _difference(states[user], stored)
            if detail is not None:
                yield user, detail
    prefix = len(USER_KEY)
    for key in client.scan_iter(match=f"{USER_KEY}*", count=_USERS_A_ROUND_TRIP):
        user = key[prefix:].decode(errors="replace")
        if user not in states and user != HEARTBEAT_USER:
            yield user, f"Redis has {USER_KEY}{user}, the topic has no change of this user"
    yield from _compare_sets(client, states)


def user_hashes(client: Any, users: Sequence[str]) -> list[dict[bytes, bytes]]:
    """Return what stands in Redis of users, in one round trip; raises redis.RedisError."""
    pipeline = client.pipeline(transaction=False)
    for user in users:
        pipeline.hgetall(USER_KEY + user)
    answers: list[dict[bytes, bytes]] = pipeline.execute()
    return answers


def _difference(state: State, stored: Mapping[bytes, bytes]) -> str | None:
    seq, entries = state
    if not stored:
        return f"the topic is at change {seq}, Redis has no such user"
    fields = {name.decode(): value for name, value in stored.items()}
    at = fields.pop(SEQ_FIELD, b"nothing").decode()
    if at != str(seq):
        return f"the topic is at change {seq}, Redis at {at}"
    for segment in sorted(entries.keys() | fields.keys()):
        expected, found = entries.get(segment), _entry(fields.get(segment))
        if not _agree(expected, found, seq):
            return f"segment {segment}: the topic says {_text(expected)}, Redis {_text(found)}"
    return None


def _entry(value: bytes | None) -> SegmentEntry | str | None:
    try:
        return None if value is None else _decode_entry(value)
    except msgspec.DecodeError as error:
        return f"unreadable ({error})"


def _agree(expected: SegmentEntry | None, found: SegmentEntry | str | None, seq: int) -> bool:
    """Say whether an entry is the one that was told, or was written with the whole user.

    Score and confidence are then those of the user's newest event, which may be later than the change it names.
    """
    if found == expected or expected is None or not isinstance(found, SegmentEntry):
        return found == expected
    is_the_same = (found.since, found.version) == (expected.since, expected.version)
    has_a_score = (found.score is None) == (expected.score is None)
    return is_the_same and has_a_score and expected.seq <= found.seq <= seq


def _text(entry: SegmentEntry | str | None) -> str:
    if isinstance(entry, SegmentEntry):
        told = f"score {entry.score}, confidence {entry.confidence}, version {entry.version}"
        return f"inside since {entry.since} by change {entry.seq} ({told})"
    return "not inside" if entry is None else entry


def _compare_sets(client: Any, states: Mapping[str, State]) -> Iterator[tuple[str, str]]:
    expected: dict[str, dict[str, int]] = {}
    for user, (_, entries) in states.items():
        for segment, entry in entries.items():
            expected.setdefault(segment, {})[user] = entry.since
    stored = {key[len(SEGMENT_KEY) :].decode() for key in client.scan_iter(match=f"{SEGMENT_KEY}*")}
    for segment in sorted(expected.keys() | stored):
        members = {
            user.decode(errors="replace"): int(since)
            for user, since in client.zrange(SEGMENT_KEY + segment, 0, -1, withscores=True)
            if user != HEARTBEAT_USER.encode()
        }
        wanted = expected.get(segment, {})
        different = [user for user in sorted(wanted.keys() | members.keys()) if wanted.get(user) != members.get(user)]
        for user in different[:_SHOWN]:
            topic, found = wanted.get(user, "not in it"), members.get(user, "not in it")
            yield user, f"sorted set {SEGMENT_KEY}{segment}: the topic says {topic}, Redis {found}"
