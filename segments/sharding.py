"""How users are spread over shards."""

import zlib


def user_checksum(user_id: str) -> int:
    """Return the crc32 by which users are spread: over shards here and in the bridge, over processes, into samples.

    >>> user_checksum("u1") % 128
    118
    """
    return zlib.crc32(user_id.encode("utf-8", "surrogatepass"))


def shard_of(user_id: str, shards: int) -> int:
    """Return the shard of a user; the bridge computes the same.

    >>> shard_of("u1", 128)
    118
    """
    return user_checksum(user_id) % shards
