"""What is kept of one user, and how it is kept as bytes."""

from __future__ import annotations

from typing import Any

import msgspec

NEVER = 1 << 62  # later than any instant; as due it says that nothing happens by itself


class Profile(msgspec.Struct, array_like=True, gc=False):
    """State of one user: feature states by feature id, memberships by segment id; all times in ms.

    `due` comes first so that `due_of` can read it without decoding the rest.
    """

    due: int = NEVER
    clock: int = 0
    newest: int = 0
    seq: int = 0
    seen: bytes = b""
    features: dict[int, Any] = msgspec.field(default_factory=dict)
    members: dict[int, list[int]] = msgspec.field(default_factory=dict)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Profile).decode


def encode_profile(profile: Profile) -> bytes:
    """Return the profile as bytes (MessagePack, an array)."""
    return _encode(profile)


def decode_profile(blob: bytes) -> Profile:
    """Return the profile that `encode_profile` made the bytes of.

    >>> decode_profile(encode_profile(Profile(seq=3))).seq
    3
    """
    return _decode(blob)


def due_of(blob: bytes) -> int:
    """Return an encoded profile's due instant (ms).

    >>> due_of(encode_profile(Profile(due=1_764_000_000_123)))
    1764000000123
    """
    return int.from_bytes(blob[2:10], "big")  # array header, uint64 marker, 8 bytes: due is always above 2**32
