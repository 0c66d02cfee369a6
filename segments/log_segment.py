"""A segment of a shard's log as bytes: profiles of one release, their recent events, and what their ids mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from segments.profile import UNJUDGED, Layout, decode_profile, encode_profile, from_format_1, mover
from segments.version import VERSION

FORMAT = 3  # the newest; written where users were forgotten, else 2. Formats that are not known are refused
OLDEST_FORMAT = 1


class LogSegment(NamedTuple):
    """Profiles by user, all of one release, what their ids stand for, and the recent events of those that have some.

    `gone` are users who were forgotten, `forgotten_until` says how far event time (ms) had come then, 0: nobody was.
    """

    release: int
    layout: Layout
    profiles: Mapping[str, bytes]
    recent: Mapping[str, bytes]
    gone: Sequence[str] = ()
    forgotten_until: int = 0


class _Head(msgspec.Struct, array_like=True, frozen=True, gc=False):
    format: int


class _StoredOfFormat2(msgspec.Struct, array_like=True, frozen=True, gc=False):
    format: int
    features: tuple[int, ...]
    segments: tuple[int, ...]
    profiles: dict[str, bytes]
    release: int = 0
    recent: dict[str, bytes] = msgspec.field(default_factory=dict)


class _Stored(_StoredOfFormat2, array_like=True, frozen=True, gc=False):
    gone: list[str] = msgspec.field(default_factory=list)
    forgotten_until: int = 0


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Stored).decode
_decode_head = msgspec.msgpack.Decoder(_Head).decode


def encode_segment(segment: LogSegment) -> bytes:
    """Return the segment as bytes.

    >>> decode_segment(encode_segment(LogSegment(3, Layout(), {"u": b"..."}, {}))).release
    3
    """
    release, layout, profiles, recent, gone, until = segment
    if not gone and not until:
        return _encode(_StoredOfFormat2(2, *layout, dict(profiles), release, dict(recent)))
    return _encode(_Stored(FORMAT, *layout, dict(profiles), release, dict(recent), list(gone), until))


def decode_segment(stored: bytes) -> LogSegment:
    """Return the segment of bytes; raises ValueError when they have a format that this version does not know."""
    _check_format(_decode_head(stored).format)  # first: a newer one may have another shape
    read = _decode(stored)
    profiles = read.profiles
    if read.format == 1:
        profiles = {user_id: from_format_1(blob) for user_id, blob in profiles.items()}
    layout = Layout(read.features, read.segments)
    return LogSegment(read.release, layout, profiles, read.recent, read.gone, read.forgotten_until)


def _check_format(found: int) -> None:
    if not OLDEST_FORMAT <= found <= FORMAT:
        raise ValueError(
            f"profiles in the state have format {found}; this version ({VERSION}) reads {OLDEST_FORMAT} to {FORMAT}."
            " They were written by a newer version: go on with that one, or from a savepoint of before it"
            " (docs/upgrading.md)"
        )


def translator(old: Layout, new: Layout, release: int) -> Callable[[bytes], bytes]:
    """Return what turns a profile of definitions that are no longer known into one of a release, to be judged anew."""
    move = mover(old, new)

    def translate(blob: bytes) -> bytes:
        profile = decode_profile(blob)
        move(profile)
        profile.release = release | UNJUDGED
        return encode_profile(profile)

    return translate
