"""What a job says about what it was told: records of the audit topic."""

from __future__ import annotations

import msgspec


class ReleaseDone(msgspec.Struct, frozen=True, tag_field="kind", tag="release_done"):
    """One worker has judged all users of its shards under a release; times in ms.

    `effective_at` is the release's own instant. With `at_own_clock` event time had passed it when the worker heard of
    it: it took effect for each user at that user's own clock. `users` and `changes` count what the sweep did since the
    worker's last start, `shadow_changes` those of segments in the shadow; `finished` is the wall clock's time.
    """

    number: int
    effective_at: int
    at_own_clock: bool
    shards: list[int]
    users: int
    changes: int
    shadow_changes: int
    finished: int


_encode = msgspec.json.Encoder(order="deterministic").encode
_decode = msgspec.json.Decoder(ReleaseDone).decode


def encode_audit(record: ReleaseDone) -> bytes:
    """Return the record as the JSON of the audit topic."""
    return _encode(record)


def decode_audit(payload: bytes) -> ReleaseDone:
    """Return the record in a message of the audit topic; raises msgspec.DecodeError.

    >>> decode_audit(encode_audit(ReleaseDone(2, 5, False, [0, 1], 10, 3, 0, 9))).shards
    [0, 1]
    """
    return _decode(payload)
