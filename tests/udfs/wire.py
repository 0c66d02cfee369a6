"""Frames written and read by hand as docs/wire-formats.md describes them: the bridge's end of `udfs.frames`."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Raw:
    """One event as the bridge hands it over; `written_at` in ms."""

    payload: bytes
    written_at: int = 0
    topic: int = 0
    partition: int = 0
    offset: int = 0
    shard: int = 0
    fault: int = 0


@dataclass(frozen=True)
class Output:
    """One record to Kafka; `time` in ms."""

    target: int
    key: bytes | None
    value: bytes | None
    time: int
    headers: dict[str, bytes] = field(default_factory=dict)


def events_frame(events: Sequence[Raw], watermark: int = -(2**63)) -> bytes:
    """Return an EVENTS frame; the `watermark` (ms) counts after its events, the default is none."""
    n = len(events)
    return b"".join(
        (
            struct.pack("<B3xIq", 1, n, watermark),
            struct.pack(f"<{n}q", *(event.written_at for event in events)),
            struct.pack(f"<{n}q", *(event.offset for event in events)),
            struct.pack(f"<{n}i", *(len(event.payload) for event in events)),
            struct.pack(f"<{n}i", *(event.partition for event in events)),
            struct.pack(f"<{n}H", *(event.shard for event in events)),
            struct.pack(f"<{n}B", *(event.topic for event in events)),
            struct.pack(f"<{n}B", *(event.fault for event in events)),
            *(event.payload for event in events),
        )
    )


def tick_frame(watermark: int = -(2**63)) -> bytes:
    """Return a TICK frame; `watermark` in ms, the default is that time stands still."""
    return struct.pack("<B3xIq", 2, 0, watermark)


def marker_frame(checkpoint: int, shards: Sequence[int]) -> bytes:
    """Return a MARKER frame."""
    return struct.pack(f"<B3xIq{len(shards)}H", 3, len(shards), checkpoint, *shards)


def start_frame(shards: Sequence[int]) -> bytes:
    """Return a START frame."""
    return struct.pack(f"<B3xI{len(shards)}H", 4, len(shards), *shards)


def control_frame(payload: bytes, offset: int = 0, written_at: int = 0) -> bytes:
    """Return a CONTROL frame: one record of the control topic; `written_at` in ms."""
    return struct.pack("<B3xIqq", 5, len(payload), offset, written_at) + payload


def read_output(frame: bytes) -> list[Output]:
    """Return the records of a frame to the bridge; raises struct.error when it is cut off."""
    return list(_records(frame))


def _records(frame: bytes) -> Iterator[Output]:
    place = 0

    def take(length: int) -> bytes | None:
        nonlocal place
        if length < 0:
            return None
        place += length
        if place > len(frame):
            raise struct.error("the frame is cut off")
        return frame[place - length : place]

    while place < len(frame):
        target, headers, time, key_length, value_length = struct.unpack_from("<BBqii", frame, place)
        place += 18
        key, value, read = take(key_length), take(value_length), {}
        for _ in range(headers):
            (length,) = struct.unpack("<H", take(2) or b"")
            name = (take(length) or b"").decode()
            (length,) = struct.unpack("<i", take(4) or b"")
            read[name] = take(length) or b""
        yield Output(target, key, value, time, read)
