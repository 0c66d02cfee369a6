"""What is kept of one user, and how it is kept as bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

NEVER = 1 << 62  # later than any instant; as due it says that nothing happens by itself


class Profile(msgspec.Struct, array_like=True, gc=False):
    """State of one user: feature states by feature id, memberships by segment id; all times in ms.

    `due` comes first so that `due_of` can read it without decoding the rest. The ids are those of one plan.
    """

    due: int = NEVER
    clock: int = 0
    newest: int = 0
    seq: int = 0
    seen: bytes = b""
    features: dict[int, Any] = msgspec.field(default_factory=dict)
    members: dict[int, tuple[int, int, int]] = msgspec.field(default_factory=dict)


class Layout(NamedTuple):
    """What the ids in profiles stand for: by feature id and by segment id the checksum of what it means."""

    features: tuple[int, ...] = ()
    segments: tuple[int, ...] = ()


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Profile).decode


def encode_profile(profile: Profile) -> bytes:
    """Return the profile as bytes (MessagePack, an array)."""
    return _encode(profile)


def profile_encoder() -> Callable[[Profile], bytes]:
    """Return an `encode_profile` for one thread: it keeps its buffer, which is faster.

    >>> profile_encoder()(Profile(seq=3)) == encode_profile(Profile(seq=3))
    True
    """
    buffer, encode_into = bytearray(), msgspec.msgpack.Encoder().encode_into

    def encode(profile: Profile) -> bytes:
        encode_into(profile, buffer)
        return bytes(buffer)

    return encode


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


def translator(old: Layout, new: Layout) -> Callable[[bytes], bytes]:
    """Return what turns bytes of a profile from one layout to another; what `new` does not name is left out.

    >>> profile = Profile(newest=1, features={0: "a", 1: "b"})
    >>> decode_profile(translator(Layout((7, 8)), Layout((8, 9)))(encode_profile(profile))).features
    {0: 'b'}
    """
    features = _moves(old.features, new.features)
    segments = _moves(old.segments, new.segments)

    def translate(blob: bytes) -> bytes:
        profile = _decode(blob)
        profile.features = {features[i]: state for i, state in profile.features.items() if i in features}
        profile.members = {segments[i]: member for i, member in profile.members.items() if i in segments}
        return encode_profile(profile)

    return translate


def _moves(old: tuple[int, ...], new: tuple[int, ...]) -> dict[int, int]:
    places = {stable: place for place, stable in enumerate(new)}
    return {place: places[stable] for place, stable in enumerate(old) if stable in places}
