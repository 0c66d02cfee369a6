"""Frames between the bridge and Python, as docs/wire-formats.md describes them."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import IntEnum
from types import MappingProxyType
from typing import Literal, TypeVar

from msgspec import structs

from segments.changes import Change, Memberships, encode_change, encode_memberships
from segments.events import RejectedEvent
from segments.failures import Failure
from segments.shadow_names import plain_name

_HEAD = struct.Struct("<B3xI")
_TIME = struct.Struct("<q")
_CONTROL = struct.Struct("<qq")
_NO_WATERMARK = -(2**63)
END_OF_INPUT = 2**63 - 1  # in place of a checkpoint's number
_RECORD = struct.Struct("<BBqii")
_ABSENT = -1


class Kind(IntEnum):
    """What a frame from the bridge is."""

    EVENTS = 1
    TICK = 2
    MARKER = 3
    START = 4
    CONTROL = 5


class Target(IntEnum):
    """Where a record to Kafka goes."""

    CHANGES = 0
    MEMBERSHIPS = 1
    DEAD_LETTERS = 2
    LATE_EVENTS = 3
    AUDIT = 4
    SHADOW_CHANGES = 5
    CONTROL = 6
    INTERNAL = 7


_NOTHING: Mapping[str, str] = MappingProxyType({})
T = TypeVar("T")
_CHANGES = int(Target.CHANGES)
_MEMBERSHIPS = int(Target.MEMBERSHIPS)

# What the bridge found wrong. Its fault 5, a strange time, is left to the decoder, as in a replay.
FAULTS = {
    1: ("not_json", "the record cannot be read as an event"),
    2: ("no_user", "neither userId nor anonymousId is given"),
    3: ("too_large", "the record is larger than batching.max_event_bytes"),
    4: ("no_bytes", "the record has no value"),
}


class EventFrame:
    """An EVENTS frame: payloads, where each came from, and the watermark (ms) that comes after them or None."""

    __slots__ = ("_offsets", "_partitions", "_topics", "faults", "payloads", "watermark", "written_at")

    def __init__(self, frame: bytes) -> None:
        _, count = _HEAD.unpack_from(frame)
        self.watermark = watermark_of(frame)
        view, place = memoryview(frame), _HEAD.size + _TIME.size

        def numbers(code: Literal["q", "i", "H", "B"], size: int) -> memoryview[int]:
            nonlocal place
            start, place = place, place + size * count
            return view[start:place].cast(code)

        self.written_at: Sequence[int] = numbers("q", 8).tolist()
        self._offsets = numbers("q", 8)
        lengths = numbers("i", 4).tolist()
        self._partitions = numbers("i", 4)
        numbers("H", 2)  # the shard: Python computes it where it needs it
        self._topics = numbers("B", 1)
        self.faults = numbers("B", 1).tobytes()
        payloads = []
        for length in lengths:
            end = place + length
            payloads.append(frame[place:end])
            place = end
        self.payloads: list[bytes] = payloads

    def suspects(self) -> dict[int, RejectedEvent]:
        """Return the records, by place, in which the bridge found no user: their shard says nothing."""
        return {place: RejectedEvent(*FAULTS[fault]) for place, fault in enumerate(self.faults) if fault in FAULTS}

    def origin(self, place: int, topics: Sequence[str]) -> tuple[str, int, int, int]:
        """Return topic, partition, offset and record time (ms) of a payload."""
        topic = topics[self._topics[place]]
        return topic, self._partitions[place], self._offsets[place], self.written_at[place]


class ControlFrame:
    """A CONTROL frame: one record of the control topic, with its offset and time (ms) there."""

    __slots__ = ("offset", "payload", "written_at")

    def __init__(self, frame: bytes) -> None:
        _, length = _HEAD.unpack_from(frame)
        self.offset, self.written_at = _CONTROL.unpack_from(frame, _HEAD.size)
        start = _HEAD.size + _CONTROL.size
        self.payload = frame[start : start + length]


def kind_of(frame: bytes) -> int:
    """Return the kind of a frame, one of `Kind`."""
    return frame[0]


def watermark_of(frame: bytes) -> int | None:
    """Return the watermark (ms) of a TICK or EVENTS frame, None when time stands still."""
    watermark = int(_TIME.unpack_from(frame, _HEAD.size)[0])
    return None if watermark == _NO_WATERMARK else watermark


def checkpoint_of(frame: bytes) -> int:
    """Return the checkpoint that a MARKER frame is about, or `END_OF_INPUT`."""
    return int(_TIME.unpack_from(frame, _HEAD.size)[0])


def shards_of(frame: bytes) -> list[int]:
    """Return the shards that a MARKER or START frame is about."""
    _, count = _HEAD.unpack_from(frame)
    start = _HEAD.size + (_TIME.size if kind_of(frame) == Kind.MARKER else 0)
    return list(struct.unpack_from(f"<{count}H", frame, start))


class OutputFrame:
    """Records to Kafka, collected for one row."""

    __slots__ = ("_parts",)

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def __bool__(self) -> bool:
        return bool(self._parts)

    def add(
        self,
        target: Target,
        key: bytes | None,
        value: bytes | None,
        time: int,
        headers: Iterable[tuple[str, bytes]] = (),
    ) -> None:
        """Append one record; no value is a tombstone; `time` in ms."""
        listed = list(headers)
        key_length = _ABSENT if key is None else len(key)
        value_length = _ABSENT if value is None else len(value)
        self._parts.append(_RECORD.pack(target, len(listed), time, key_length, value_length))
        self._parts.append(key or b"")
        self._parts.append(value or b"")
        for name, content in listed:
            encoded = name.encode()
            self._parts.append(struct.pack("<H", len(encoded)) + encoded + struct.pack("<i", len(content)) + content)

    def add_failure(self, failure: Failure, time: int) -> None:
        """Append what could not be done for a user and is no event: headers that say why, and what it is about."""
        about = {"user": failure.user_id, "definition": failure.definition}
        headers = [("reason", failure.reason), ("detail", failure.detail), *about.items()]
        encoded = [(name, text.encode("utf-8", "replace")) for name, text in headers]
        self.add(Target.DEAD_LETTERS, None, failure.content, time, encoded)

    def add_each(self, add: Callable[[Iterable[T]], None], items: Sequence[T]) -> list[tuple[T, Exception]]:
        """Append items by `add`; returns those that cannot be encoded, each with its error."""
        place = len(self._parts)
        try:
            add(items)
        except Exception:  # noqa: BLE001 - a bug concerns one user: which, is found out one by one
            del self._parts[place:]
        else:
            return []
        failed = []
        for item in items:
            place = len(self._parts)
            try:
                add([item])
            except Exception as error:  # noqa: BLE001 - as above
                del self._parts[place:]
                failed.append((item, error))
        return failed

    def add_changes(self, changes: Iterable[Change]) -> None:
        """Append changes for the segment topic, keyed by user."""
        parts, pack = self._parts, _RECORD.pack
        user_id, key, key_length = "", b"", 0
        for change in changes:
            if change.user_id is not user_id:  # a user's changes mostly follow each other
                user_id = change.user_id
                key = user_id.encode()
                key_length = len(key)
            value = encode_change(change)
            parts += pack(_CHANGES, 0, change.at, key_length, len(value)), key, value

    def add_shadow_changes(self, changes: Iterable[Change]) -> None:
        """Append changes of segments in the shadow under the names that people know, keyed by user."""
        for change in changes:
            named = structs.replace(change, segment=plain_name(change.segment))
            self.add(Target.SHADOW_CHANGES, change.user_id.encode(), encode_change(named), change.at)

    def add_memberships(self, memberships: Iterable[Memberships]) -> None:
        """Append current memberships for the compacted topic, keyed by user; a user in no segment is a tombstone."""
        parts, pack = self._parts, _RECORD.pack
        for each in memberships:
            key = each.user_id.encode()
            if each.segments:
                value = encode_memberships(each)
                parts += pack(_MEMBERSHIPS, 0, each.at, len(key), len(value)), key, value
            else:
                parts += pack(_MEMBERSHIPS, 0, each.at, len(key), _ABSENT), key

    def add_unprocessed(
        self,
        target: Target,
        payload: bytes,
        origin: tuple[str, int, int, int],
        reason: str,
        detail: str,
        about: Mapping[str, str] = _NOTHING,
    ) -> None:
        """Append an event that was not applied: its own bytes, and headers that say why and where it came from."""
        topic, partition, offset, written_at = origin
        headers = (
            ("reason", reason.encode()),
            ("detail", detail.encode("utf-8", "replace")),
            ("topic", topic.encode()),
            ("partition", str(partition).encode()),
            ("offset", str(offset).encode()),
            *((name, text.encode("utf-8", "replace")) for name, text in about.items()),
        )
        self.add(target, None, payload, written_at, headers)

    def to_bytes(self) -> bytes:
        """Return the frame."""
        return b"".join(self._parts)
