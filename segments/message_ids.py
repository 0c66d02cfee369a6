"""Which events were applied already: checksums of the newest message ids of a user."""

from __future__ import annotations

import zlib

from segments.profile import Profile

MESSAGE_IDS_KEPT = 64
_KEY = 4  # bytes of a message id's checksum; 64 of them mistake a new id for a known one about once in 67 million


def seen_before(profile: Profile, message_id: str) -> bool:
    """Say whether the id is among the newest ones applied, and remember it."""
    key = zlib.crc32(message_id.encode()).to_bytes(_KEY, "big")
    seen = profile.seen
    place = seen.find(key)
    while place >= 0 and place % _KEY:
        place = seen.find(key, place + 1)
    if place >= 0:
        return True
    profile.seen = (seen + key)[-MESSAGE_IDS_KEPT * _KEY :]
    return False


def forget_newest(profile: Profile, message_id: str) -> None:
    """Take back what `seen_before` remembered last, if it was this id; the one that made place for it is gone."""
    key = zlib.crc32(message_id.encode()).to_bytes(_KEY, "big")
    profile.seen = profile.seen.removesuffix(key)
