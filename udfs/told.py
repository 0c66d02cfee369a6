"""What a worker was told: the records known at submission, those in Flink's state, those of the control topic."""

from __future__ import annotations

import lzma
from collections.abc import Iterable
from typing import Protocol

import msgspec

from segments.control import ControlRecord, decode_control, encode_control
from segments.history import History

PLACE = -1  # in the map state of a shard; the profile log counts from 0

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[bytes]).decode


class ToldState(Protocol):
    """The keyed map state of the current shard."""

    def get(self, key: int) -> bytes | None:
        """Return one entry, None when there is none."""
        ...

    def put(self, key: int, value: bytes) -> None:
        """Write one entry."""
        ...


class Told:
    """All records a worker knows, each once, and where they are written: whole, to each shard, since shards move."""

    def __init__(self, known: Iterable[bytes]) -> None:
        self.history = History(map(decode_control, known))
        self._written: dict[int, int] = {}  # by shard: how many records its state holds
        self._loaded: dict[int, bytes] = {}
        self._packed = (0, b"")

    def hear(self, payload: bytes) -> ControlRecord | None:
        """Return a record that is new, None for one that is known; raises msgspec.DecodeError."""
        record = decode_control(payload)
        return record if self.history.add(record) else None

    def load(self, shard: int, state: ToldState) -> list[ControlRecord]:
        """Return what a shard's state tells that is new."""
        found_there = state.get(PLACE)
        if found_there is None:
            return []
        packed = bytes(found_there)
        entries = _decode(lzma.decompress(packed)) if packed not in self._loaded.values() else []
        self._loaded[shard] = packed
        return [record for record in map(decode_control, entries) if self.history.add(record)]

    def save(self, shard: int, state: ToldState) -> int:
        """Write all records to a shard's state if it lacks some; returns the bytes written."""
        if self._written.get(shard) == len(self.history.records):
            return 0
        packed = self._pack()
        self._written[shard] = len(self.history.records)
        if self._loaded.pop(shard, None) == packed:
            return 0
        state.put(PLACE, packed)
        return len(packed)

    def _pack(self) -> bytes:
        """Return all records as bytes: releases repeat each other, and so take little more than one."""
        known = len(self.history.records)
        if self._packed[0] != known:
            content = _encode([encode_control(record) for record in self.history.records])
            self._packed = (known, lzma.compress(content, preset=1))
        return self._packed[1]
