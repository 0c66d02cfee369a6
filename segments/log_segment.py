"""A segment of a shard's log as bytes: profiles of one release, their recent events, and what their ids mean."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec
import zstandard

from segments.profile import UNJUDGED, Layout, decode_profile, encode_profile, from_format_1, mover
from segments.version import VERSION

FORMAT = 4  # the newest: one of format 3, packed. Formats that are not known are refused
OLDEST_FORMAT = 1
_INNER_FORMAT = 3
# Level 1, but it looks further back: recent events of a user begin with nearly the same profile, some 200 KB earlier.
# 3.3 times fewer bytes of who changed, at 400 MB/s; without that 2.7 times.
_LEVEL, _PLACES, _WINDOW = 1, 16, 20  # the last two as powers of two: remembered places, bytes


class LogSegment(NamedTuple):
    """Profiles by user, all of one release, what their ids stand for, and the recent events of those that have some.

    `gone` are users who were forgotten, `forgotten_until` says how far event time (ms) had come then, 0: nobody was.
    """

    release: int
    layout: Layout
    profiles: dict[str, bytes]
    recent: dict[str, bytes]
    gone: Sequence[str] = ()
    forgotten_until: int = 0


class _Head(msgspec.Struct, array_like=True, frozen=True, gc=False):
    format: int


class _Packed(msgspec.Struct, array_like=True, frozen=True, gc=False):
    format: int
    content: bytes


class _Stored(msgspec.Struct, array_like=True, frozen=True, gc=False):
    format: int
    features: tuple[int, ...]
    segments: tuple[int, ...]
    profiles: dict[str, bytes]
    release: int = 0
    recent: dict[str, bytes] = msgspec.field(default_factory=dict)
    gone: list[str] = msgspec.field(default_factory=list)
    forgotten_until: int = 0


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Stored).decode
_decode_packed = msgspec.msgpack.Decoder(_Packed).decode
_decode_head = msgspec.msgpack.Decoder(_Head).decode


def encode_segment(segment: LogSegment) -> bytes:
    """Return the segment as bytes, packed, with a checksum.

    >>> decode_segment(encode_segment(LogSegment(3, Layout(), {"u": b"..."}, {}))).release
    3
    """
    release, layout, profiles, recent, gone, until = segment
    content = _encode(_Stored(_INNER_FORMAT, *layout, profiles, release, recent, list(gone), until))
    wanted = zstandard.ZstdCompressionParameters.from_level(
        _LEVEL, source_size=len(content), hash_log=_PLACES, window_log=_WINDOW, write_checksum=True
    )
    packer = zstandard.ZstdCompressor(compression_params=wanted)  # one for all would not be safe with threads
    return _encode(_Packed(FORMAT, packer.compress(content)))


def decode_segment(stored: bytes) -> LogSegment:
    """Return the segment of bytes; raises ValueError when they are damaged or of an unknown format."""
    _check_format(found := _decode_head(stored).format)  # first: a newer one may have another shape
    read = _decode(_unpacked(stored) if found == FORMAT else stored)
    profiles = read.profiles
    if read.format == 1:
        profiles = {user_id: from_format_1(blob) for user_id, blob in profiles.items()}
    layout = Layout(read.features, read.segments)
    return LogSegment(read.release, layout, profiles, read.recent, read.gone, read.forgotten_until)


def _unpacked(stored: bytes) -> bytes:
    try:
        return zstandard.ZstdDecompressor().decompress(_decode_packed(stored).content)
    except (zstandard.ZstdError, MemoryError) as error:  # the size that a damaged one tells may be anything
        raise ValueError(f"it is damaged: {str(error) or 'its size cannot be right'}") from error


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
