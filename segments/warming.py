"""Segments that stand still until a side job has filled in what they read, as those hear who look at memberships."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from segments.shadow_names import in_shadow
from segments.timeline import Timeline


class Warming(msgspec.Struct, frozen=True):
    """A segment that stands still since a release, from `since` on (ms); its members are those of `version`."""

    release: int
    since: int
    version: int


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Warming).decode


def encode_warming(warming: Warming) -> str:
    """Return what stands in Redis of a segment.

    >>> encode_warming(Warming(7, 1795344330250, 1))
    '{"release":7,"since":1795344330250,"version":1}'
    """
    return _encode(warming).decode()


def decode_warming(value: bytes | str) -> Warming:
    """Return what `encode_warming` made a text of; raises msgspec.DecodeError."""
    return _decode(value)


def warming_in(timeline: Timeline, release: int) -> Mapping[str, Warming]:
    """Return the segments, without those in the shadow, that stand still while a release holds."""
    lacking = timeline.backfills.lacking(release).warming
    return {
        name: Warming(release, timeline.period(release)[0], version)
        for name, version in lacking.items()
        if not in_shadow(name)
    }


def warming_for_some(timeline: Timeline, reached: int, *, all_follow: bool) -> Mapping[str, Warming]:
    """Return what stands still for some users at least: who does not follow `reached` yet follows the one before."""
    now = warming_in(timeline, reached)
    numbers = [number for _, number in timeline.starts()]
    before = numbers[: numbers.index(reached)]
    return now if all_follow or not before else {**warming_in(timeline, before[-1]), **now}
