"""What is said to a running job: releases of definitions and thresholds of the population, each from an instant on.

The records of the control topic, oldest first, are the whole history; each release holds all definitions then in force.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from segments.models.released import ModelVersion

ReleaseAction = Literal["submit", "release", "shadow", "promote", "withdraw", "rollback", "backfill"]


class Filled(msgspec.Struct, frozen=True):
    """What `run` of a side job handed over for release `of`: aggregates of all recorded events before `cut` (ms).

    The oldest of them is of `since` (ms). `chunks` says by shard in how many pieces they came, `users` of how many.
    """

    of: int
    run: int
    cut: int
    since: int
    chunks: tuple[int, ...]
    users: int


class Release(msgspec.Struct, frozen=True, tag_field="kind", tag="release", omit_defaults=True):
    """All definitions that hold from `effective_at` (ms, event time) on; `number` counts releases from 1.

    `definitions` is the text of a whole `segments.yaml`. `shadow` is one whose new and changed segments are evaluated
    without anybody seeing them; None: none. `released_at` is the wall clock's time in ms. `filled` completes what the
    release before lacked: its definitions are the same, and now all its segments are judged. `models` are the versions
    that score from then on. With `refills` what an earlier release began with `from_now` is filled in too, where
    `backfill: replay` asks for it.
    """

    number: int
    effective_at: int
    definitions: str
    shadow: str | None = None
    action: ReleaseAction = "release"
    released_at: int = 0
    by: str = ""
    note: str = ""
    filled: Filled | None = None
    models: tuple[ModelVersion, ...] = ()
    refills: bool = False


class Thresholds(msgspec.Struct, frozen=True, tag_field="kind", tag="thresholds", omit_defaults=True):
    """Bounds that follow from the population, from `effective_at` (ms, event time) on; `version` counts from 1.

    `bounds` holds a bound by the key of its threshold, None where too few users are known; `population` the number of
    users that each was taken from.
    """

    version: int
    effective_at: int
    bounds: dict[str, float | None]
    population: dict[str, int]


ControlRecord = Release | Thresholds

_encode = msgspec.json.Encoder(order="deterministic").encode
_decoder: msgspec.json.Decoder[ControlRecord] = msgspec.json.Decoder(ControlRecord)


def encode_control(record: ControlRecord) -> bytes:
    """Return the record as the JSON of the control topic."""
    return _encode(record)


def decode_control(payload: bytes) -> ControlRecord:
    """Return the record in a message of the control topic; raises msgspec.DecodeError.

    >>> decode_control(encode_control(Release(1, 0, "segments: []"))).number
    1
    """
    try:
        return _decoder.decode(payload)
    except RecursionError:  # in a field that nobody reads; it must not end the worker
        raise msgspec.DecodeError("nested too deeply") from None
