"""What a worker keeps beside profiles, as bytes of each format that was ever written: what it was told, and handed."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from segments.backfill_chunks import Chunk, Handed
from segments.control import ControlRecord, Release, Thresholds, encode_control
from tests.udfs.fakes import KeyedMapState, Shards
from udfs import handed_log, told

HERE = Path(__file__).resolve().parent / "kept"
RECORDS: list[ControlRecord] = [
    Release(1, 0, "segments: one"),
    Release(2, 5, "segments: two"),
    Thresholds(1, 7, {"spend": 3.5}, {"spend": 9}),
]
CHUNK = Chunk(2, 7, 0, 0, (1, 2), {"u1": b"a profile"})
PLACES = {"told": told.PLACE, "handed": handed_log.PLACE}


def present() -> Shards:
    """Return the state of one shard as the present version writes it."""
    shards: Shards = {}
    state = KeyedMapState(shards, lambda: 0)
    worker = told.Told(map(encode_control, RECORDS))
    worker.done = {1}
    worker.save(0, state)
    handed = Handed()
    handed.take(CHUNK)
    handed_log.HandedLog(processor_of(handed)).save(0, state)
    return shards


def processor_of(handed: Handed) -> Any:
    """Return as much of a processor as what is handed over needs."""
    return SimpleNamespace(
        timeline=SimpleNamespace(backfills=SimpleNamespace(handed=handed)),
        hand=handed.take,
        handed_before=handed.finish,
    )


def make(number: int) -> None:
    """Keep the bytes of the present format, if there are none yet."""
    HERE.mkdir(exist_ok=True)
    for name, place in PLACES.items():
        kept = HERE / f"{name}-{number}.bin"
        if not kept.exists():
            kept.write_bytes(present()[0][place])
