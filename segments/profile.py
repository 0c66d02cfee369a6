"""What is kept of one user, and how it is kept as bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

UNJUDGED = 1 << 20  # added to a release: the ids are its own, but its rules have not judged the profile yet
_UINT8 = 0xCC  # MessagePack's marker of an unsigned integer of one byte; the next ones are of 2, 4 and 8 bytes
_ARRAY = 0x9  # the upper half of MessagePack's marker of an array
_SHORTEST = 12  # bytes up to the release
NEVER = 1 << 62  # later than any instant; as due it says that nothing happens by itself


class Profile(msgspec.Struct, array_like=True, gc=False):
    """State of one user: feature states by feature id, memberships by segment id; all times in ms.

    `due` and `release` come first so that `due_of` and `release_of` can read them without decoding the rest. Ids are
    those of the release's plan; a profile without events has release 0. `clock` is when the newest thing happened. Of a
    user who was forgotten a shell stays for a while, with no `newest` and with that instant as its clock.
    `seq` and `shadow_seq` are the numbers of the newest changes that people and that the shadow's readers see.
    """

    due: int = NEVER
    release: int = 0
    clock: int = 0
    newest: int = 0
    seq: int = 0
    seen: bytes = b""
    features: dict[int, Any] = msgspec.field(default_factory=dict)
    members: dict[int, tuple[int, int, int]] = msgspec.field(default_factory=dict)
    shadow_seq: int = 0

    def count(self, *, hidden: bool) -> int:
        """Return the number of the user's next change; those of the shadow are counted by themselves."""
        if hidden:
            self.shadow_seq += 1
            return self.shadow_seq
        self.seq += 1
        return self.seq

    def open_from(self) -> int:
        """Return the first instant (ms) at which an event still comes in order.

        What time alone changed at an instant comes after the events of that instant.

        >>> Profile(clock=5, newest=5).open_from(), Profile(clock=7, newest=5).open_from()
        (5, 8)
        """
        return self.clock if self.clock == self.newest else self.clock + 1


class _ProfileOfFormat1(msgspec.Struct, array_like=True, gc=False):
    due: int
    clock: int
    newest: int
    seq: int
    seen: bytes
    features: dict[int, Any]
    members: dict[int, tuple[int, int, int]]


class Layout(NamedTuple):
    """What the ids in profiles stand for: by feature id and by segment id the checksum of what it means."""

    features: tuple[int, ...] = ()
    segments: tuple[int, ...] = ()


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Profile).decode
_decode_format_1 = msgspec.msgpack.Decoder(_ProfileOfFormat1).decode


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


def restore_profile(profile: Profile, blob: bytes) -> None:
    """Make a profile what it was when it was encoded.

    >>> profile = Profile(seq=3)
    >>> restore_profile(profile, encode_profile(Profile(seq=2)))
    >>> profile.seq
    2
    """
    replace_profile(profile, decode_profile(blob) if blob else Profile())


def replace_profile(profile: Profile, other: Profile) -> None:
    """Make a profile what another one is; the other must not be used any more."""
    for name in Profile.__struct_fields__:
        setattr(profile, name, getattr(other, name))


def check_profile(blob: bytes) -> None:
    """Check that bytes begin as a profile does, for `due_of` and `release_of`; raises ValueError.

    >>> check_profile(encode_profile(Profile(release=70_000)))
    >>> check_profile(b"?")
    Traceback (most recent call last):
    ...
    ValueError: 1 bytes do not begin as a profile does
    """
    if len(blob) < _SHORTEST or blob[0] >> 4 != _ARRAY or blob[1] != _UINT8 + 3:
        raise ValueError(f"{len(blob)} bytes do not begin as a profile does")


def due_of(blob: bytes) -> int:
    """Return an encoded profile's due instant (ms).

    >>> due_of(encode_profile(Profile(due=1_764_000_000_123)))
    1764000000123
    """
    return int.from_bytes(blob[2:10], "big")  # array header, uint64 marker, 8 bytes: due is always above 2**32


class _Head(msgspec.Struct, array_like=True, gc=False):
    due: int
    release: int
    clock: int
    newest: int
    seq: int


_decode_head = msgspec.msgpack.Decoder(_Head).decode


def seq_of(blob: bytes) -> int:
    """Return the number of an encoded profile's newest change.

    >>> seq_of(encode_profile(Profile(seq=300, seen=b"1234")))
    300
    """
    return _decode_head(blob).seq


def open_from(blob: bytes) -> int:
    """Return an encoded profile's `open_from` (ms); that of a new one for no bytes.

    >>> open_from(encode_profile(Profile(clock=7, newest=5))), open_from(b"")
    (8, 0)
    """
    if not blob:
        return 0
    head = _decode_head(blob)
    return head.clock if head.clock == head.newest else head.clock + 1


def release_of(blob: bytes) -> int:
    """Return the release of an encoded profile.

    >>> [release_of(encode_profile(Profile(release=release))) for release in (0, 127, 128, 300, 70_000)]
    [0, 127, 128, 300, 70000]
    """
    first = blob[10]
    return first if first < 128 else int.from_bytes(blob[11 : 11 + (1 << (first - _UINT8))], "big")


def passed(blob: bytes, clock: int, due: int) -> bytes:
    """Return an encoded profile with another clock, up to which time passed and no more, and with another due (ms).

    Neither is before 1970-02-20, when milliseconds began to need as many bytes as now.

    >>> profile = Profile(due=1_764_000_000_123, release=300, clock=1_764_000_000_100, seq=7)
    >>> decode_profile(passed(encode_profile(profile), 1_764_000_000_123, NEVER)) == Profile(
    ...     due=NEVER, release=300, clock=1_764_000_000_123, seq=7)
    True
    """
    place = _clock_in(blob)
    return blob[:2] + due.to_bytes(8, "big") + blob[10:place] + clock.to_bytes(8, "big") + blob[place + 8 :]


def due_and_clock_of(blob: bytes) -> tuple[int, int]:
    """Return an encoded profile's due instant and its clock (ms), where both are as `passed` has them.

    >>> due_and_clock_of(encode_profile(Profile(due=1_764_000_000_123, clock=1_764_000_000_100)))
    (1764000000123, 1764000000100)
    """
    place = _clock_in(blob)
    return due_of(blob), int.from_bytes(blob[place : place + 8], "big")


def _clock_in(blob: bytes) -> int:
    """Return where an encoded profile's clock is: behind the release and a marker."""
    first = blob[10]
    return 12 if first < 128 else 12 + (1 << (first - _UINT8))


def from_format_1(blob: bytes) -> bytes:
    """Return a profile of the first format, which knew no releases, as one of today.

    >>> decode_profile(from_format_1(msgspec.msgpack.encode([NEVER, 7, 5, 3, b"", {}, {}]))).clock
    7
    """
    old = _decode_format_1(blob)
    return _encode(Profile(old.due, 0, old.clock, old.newest, old.seq, old.seen, old.features, old.members))


def mover(old: Layout, new: Layout) -> Callable[[Profile], None]:
    """Return what moves a profile from one layout to another, in place; what they do not both name is left out.

    >>> profile = Profile(newest=1, features={0: "a", 1: "b"})
    >>> mover(Layout((7, 8)), Layout((8, 9)))(profile)
    >>> profile.features
    {0: 'b'}

    What no layout names means nothing:

    >>> mover(Layout(), Layout((8, 9)))(profile)
    >>> profile.features
    {}
    """
    features = _moves(old.features, new.features)
    segments = _moves(old.segments, new.segments)
    if old.features and _all_stay(features, old.features) and _all_stay(segments, old.segments):
        return _leave_as_it_is

    def move(profile: Profile) -> None:
        profile.features = {features[i]: state for i, state in profile.features.items() if i in features}
        profile.members = {segments[i]: member for i, member in profile.members.items() if i in segments}

    return move


def _all_stay(moves: dict[int, int], old: tuple[int, ...]) -> bool:
    return len(moves) == len(old) and all(before == now for before, now in moves.items())


def _leave_as_it_is(_: Profile) -> None:
    """Move nothing: definitions that compare with other bounds, or only add something, keep every id."""


def _moves(old: tuple[int, ...], new: tuple[int, ...]) -> dict[int, int]:
    places = {stable: place for place, stable in enumerate(new)}
    return {place: places[stable] for place, stable in enumerate(old) if stable in places}
