"""The memberships topic against the segment topic: each user's newest record must be the fold of the user's changes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from jobs.player import HEARTBEAT_USER
from jobs.reconcile_redis import State, fold
from jobs.topics import Record
from segments.changes import Membership, Memberships, decode_memberships
from udfs.redis_entries import SegmentEntry

Newest = dict[str, Memberships | str]  # by user the newest record, or what is wrong with it


def newest_memberships(records: Iterable[Record]) -> Newest:
    """Return each user's newest record, as compaction leaves it; a tombstone ends what was there."""
    newest: Newest = {}
    for record in records:
        user = (record.key or b"").decode(errors="replace")
        if record.value is None:
            newest.pop(user, None)
        else:
            newest[user] = _read(user, record.value)
    newest.pop(HEARTBEAT_USER, None)
    return newest


def compare_memberships(newest: Newest, by_user: Mapping[str, Sequence[bytes]]) -> Iterator[tuple[str, str]]:
    """Yield (user, what differs) for the memberships topic against the changes of each user."""
    states = {user: fold(changes) for user, changes in by_user.items() if changes}
    for user in sorted(states.keys() | newest.keys()):
        detail = _difference(states.get(user), newest.get(user))
        if detail is not None:
            yield user, detail


def _read(user: str, value: bytes) -> Memberships | str:
    try:
        found = decode_memberships(value)
    except msgspec.DecodeError as error:
        return f"unreadable ({error})"
    return found if found.user_id == user else f"about user {found.user_id}"


def _difference(state: State | None, found: Memberships | str | None) -> str | None:
    if state is None:
        return "the memberships topic has a record, the segment topic no change"
    if found is None:
        if not state[1]:
            return None  # who is in no segment any more has a tombstone, which compaction removes
        return f"the segment topic is at change {state[0]}, the memberships topic has no record"
    if isinstance(found, str):
        return f"the newest record of the memberships topic is {found}"
    seq, entries = state
    if found.seq != seq:
        return f"the segment topic is at change {seq}, the memberships topic at {found.seq}"
    for segment in sorted(entries.keys() | found.segments.keys()):
        expected, told = _text(entries.get(segment)), _text(found.segments.get(segment))
        if expected != told:
            return f"segment {segment}: the segment topic says {expected}, the memberships topic {told}"
    return None


def _text(entry: SegmentEntry | Membership | None) -> str:
    if entry is None:
        return "not inside"
    version = entry.version if isinstance(entry, SegmentEntry) else entry.segment_version
    return f"inside since {entry.since}, version {version}"
