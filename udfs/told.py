"""What a worker was told: the records known at submission, those in Flink's state, those of the control topic."""

from __future__ import annotations

import lzma
from collections.abc import Iterable
from typing import Protocol

import msgspec

from segments.control import ControlRecord, decode_control, encode_control
from segments.history import History
from udfs.kept_format import with_format, without_format

PLACE = -1  # in the map state of a shard; the profile log counts from 0
WHAT = "the records of the control topic"


class _Kept(msgspec.Struct, array_like=True, frozen=True):
    records: list[bytes]
    done: list[int]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Kept).decode


class ToldState(Protocol):
    """The keyed map state of the current shard."""

    def get(self, key: int) -> bytes | None:
        """Return one entry, None when there is none."""
        ...

    def put(self, key: int, value: bytes) -> None:
        """Write one entry."""
        ...


class Told:
    """All records a worker knows, each once; `done` are the releases that it said all its users follow.

    They are written whole to the state of each shard, since shards move.
    """

    def __init__(self, known: Iterable[bytes]) -> None:
        self.history = History(map(decode_control, known))
        self.done: set[int] = set()
        self._written: dict[int, tuple[int, int]] = {}  # by shard: how many records and done ones its state holds
        self._loaded: dict[int, bytes] = {}
        self._packed = ((0, 0), b"")

    def hear(self, payload: bytes) -> ControlRecord | None:
        """Return a record that is new, None for one that is known; raises msgspec.DecodeError."""
        record = decode_control(payload)
        return record if self.history.add(record) else None

    def load(self, shard: int, state: ToldState) -> list[ControlRecord]:
        """Return what a shard's state tells that is new; raises ValueError when a newer version wrote it."""
        found_there = state.get(PLACE)
        if found_there is None:
            return []
        packed = bytes(found_there)
        if packed in self._loaded.values():
            self._loaded[shard] = packed
            return []
        kept = _decode(lzma.decompress(without_format(packed, WHAT)))
        self.done = self.done & set(kept.done) if self._loaded else set(kept.done)  # done is what all shards call so
        self._loaded[shard] = packed
        return [record for record in map(decode_control, kept.records) if self.history.add(record)]

    def save(self, shard: int, state: ToldState) -> int:
        """Write all records to a shard's state if it lacks some; returns the bytes written."""
        if self._written.get(shard) == self._size():
            return 0
        packed = self._pack()
        self._written[shard] = self._size()
        if self._loaded.pop(shard, None) == packed:
            return 0
        state.put(PLACE, packed)
        return len(packed)

    def _pack(self) -> bytes:
        """Return all records as bytes: releases repeat each other, and so take little more than one."""
        size = self._size()
        if self._packed[0] != size:
            kept = _Kept([encode_control(record) for record in self.history.in_use()], sorted(self.done))
            self._packed = (size, with_format(lzma.compress(_encode(kept), preset=1)))
        return self._packed[1]

    def _size(self) -> tuple[int, int]:
        return self.history.heard, len(self.done)
