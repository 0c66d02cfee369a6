"""Which events were applied already: checksums of the newest message ids of a user."""

from __future__ import annotations

import zlib

from segments.profile import Profile

MESSAGE_IDS_KEPT = 64
_KEY = 4  # bytes of a message id's checksum; 64 of them mistake a new id for a known one about once in 67 million


def seen_before(profile: Profile, message_id: str) -> bool:
    """Say whether the id is among the newest ones applied, and remember it."""
    checksum = zlib.crc32(message_id.encode())
    key, seen = checksum.to_bytes(_KEY, "big"), profile.seen
    place = seen.find(checksum & 0xFF)  # the key's last byte: C looks for one in a few instructions, for four in turns
    while place >= 0:
        if place % _KEY == _KEY - 1 and seen[place + 1 - _KEY : place + 1] == key:
            return True
        place = seen.find(checksum & 0xFF, place + 1)
    profile.seen = (seen + key)[-MESSAGE_IDS_KEPT * _KEY :]
    return False


def forget_newest(profile: Profile, message_id: str) -> None:
    """Take back what `seen_before` remembered last, if it was this id; the one that made place for it is gone."""
    key = zlib.crc32(message_id.encode()).to_bytes(_KEY, "big")
    profile.seen = profile.seen.removesuffix(key)
