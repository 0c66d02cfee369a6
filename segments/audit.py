"""What a job says about what it was told: records of the audit topic."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec


class ReleaseDone(msgspec.Struct, frozen=True, tag_field="kind", tag="release_done"):
    """One worker has judged all users of its shards under a release; times in ms.

    `effective_at` is the release's own instant. With `at_own_clock` event time had passed it when the worker heard of
    it: it took effect for each user at that user's own clock. `users` and `changes` count what the sweep did since the
    worker's last start, `shadow_changes` those of segments in the shadow, `failed` the users whom a bug keeps from
    following (docs/operations.md); `finished` is the wall clock's time. The segments in `warming` stand still from then
    on, until a later release is done.
    """

    number: int
    effective_at: int
    at_own_clock: bool
    shards: list[int]
    users: int
    changes: int
    shadow_changes: int
    finished: int
    failed: int = 0
    warming: list[str] = []


class ReleaseRefused(msgspec.Struct, frozen=True, tag_field="kind", tag="release_refused"):
    """The job cannot use a release and goes on as before; `detail` says why in words, times in ms.

    `effective_at` is the release's own instant, `refused` the wall clock's time. It is said again at each start.
    """

    number: int
    effective_at: int
    reason: str
    detail: str
    refused: int


class UserLimited(msgspec.Struct, frozen=True, tag_field="kind", tag="user_limited"):
    """A user makes too much work: after `steps`, events from `at` until `until` (ms, event time) are dead letters."""

    user_id: str
    at: int
    until: int
    steps: int


class ModelFailed(msgspec.Struct, frozen=True, tag_field="kind", tag="model_failed", omit_defaults=True):
    """A version of a model had no score for `failures` of `scores` rows; `detail` is the first failure, `at` in ms.

    `release` is the one that takes it out of force: None, while it fails too seldom for that.
    """

    name: str
    version: int
    scores: int
    failures: int
    detail: str
    at: int
    release: int | None = None


Audit = ReleaseDone | ReleaseRefused | UserLimited | ModelFailed

_encode = msgspec.json.Encoder(order="deterministic").encode
_decoder: msgspec.json.Decoder[Audit] = msgspec.json.Decoder(Audit)


def encode_audit(record: Audit) -> bytes:
    """Return the record as the JSON of the audit topic."""
    return _encode(record)


def decode_audit(payload: bytes) -> Audit:
    """Return the record in a message of the audit topic; raises msgspec.DecodeError.

    >>> decode_audit(encode_audit(ReleaseDone(2, 5, False, [0, 1], 10, 3, 0, 9))).shards
    [0, 1]
    """
    return _decoder.decode(payload)


def note_done(newest: dict[int, ReleaseDone], record: ReleaseDone) -> None:
    """Note for the shards of a record that it is the newest release that they are done with, if it is."""
    for shard in record.shards:
        if shard not in newest or newest[shard].number <= record.number:
            newest[shard] = record


def standing_still(newest: Mapping[int, ReleaseDone]) -> frozenset[str]:
    """Return the segments that are warming in some shard, by the newest release that each is done with.

    >>> newest = {}
    >>> for release, warming in ((2, ["loyal"]), (3, [])):
    ...     for shard in (0, 1):
    ...         note_done(newest, ReleaseDone(release, 5, False, [shard], 1, 0, 0, 9, warming=warming))
    ...         print(sorted(standing_still(newest)))
    ['loyal']
    ['loyal']
    ['loyal']
    []
    """
    return frozenset(name for each in newest.values() for name in each.warming)


def refusals(records: Iterable[Audit]) -> dict[tuple[int, int], ReleaseRefused]:
    """Return the releases that a job refused and never used, by number and instant (ms); records in their order.

    A newer version of the job may be able to use what an older one refused.

    >>> refused = ReleaseRefused(2, 5, "not_usable", "no such thing", 9)
    >>> list(refusals([refused])), list(refusals([refused, ReleaseDone(2, 5, False, [0], 1, 0, 0, 10)]))
    ([(2, 5)], [])
    """
    found: dict[tuple[int, int], ReleaseRefused] = {}
    for record in records:
        if isinstance(record, UserLimited | ModelFailed):
            continue
        key = (record.number, record.effective_at)
        if isinstance(record, ReleaseRefused):
            found[key] = record
        else:
            found.pop(key, None)
    return found
