"""What earlier versions kept beside profiles is read, and what a newer one kept is refused with what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from segments.backfill_chunks import Handed
from tests.golden.kept import CHUNK, HERE, PLACES, RECORDS, present, processor_of
from tests.udfs.fakes import KeyedMapState
from udfs.handed_log import HandedLog
from udfs.kept_format import FORMAT
from udfs.told import Told

FORMATS = range(1, FORMAT + 1)


def state(folder: Path, number: int) -> KeyedMapState:
    kept = {place: (folder / f"{name}-{number}.bin").read_bytes() for name, place in PLACES.items()}
    return KeyedMapState({0: kept}, lambda: 0)


@pytest.mark.parametrize("number", FORMATS)
def test_what_was_told_is_read_and_written_in_the_present_format(number: int) -> None:
    shard = state(HERE, number)
    worker = Told([])
    assert (worker.load(0, shard), worker.done) == (RECORDS, {1})
    worker.save(0, shard)
    assert shard.get(PLACES["told"]) == present()[0][PLACES["told"]]


@pytest.mark.parametrize("number", FORMATS)
def test_what_was_handed_over_is_read_and_written_in_the_present_format(number: int) -> None:
    shard, handed = state(HERE, number), Handed()
    log = HandedLog(processor_of(handed))
    log.load(0, shard)
    assert handed.of_shard(0) == [CHUNK]
    handed.forget(CHUNK.release)
    log.save(0, shard)
    assert (shard.get(PLACES["handed"]) or b"")[:2] == bytes([0xC1, FORMAT])


def test_every_format_has_its_bytes() -> None:
    wanted = {f"{name}-{number}.bin" for name in PLACES for number in FORMATS}
    assert {path.name for path in HERE.iterdir()} == wanted, "a new format needs its bytes: make golden"


@pytest.mark.parametrize(
    ("name", "what"), [("told", "records of the control topic"), ("handed", "chunks of a backfill")]
)
def test_a_newer_format_is_refused_with_what_to_do(name: str, what: str) -> None:
    shard = state(HERE, FORMAT)
    kept = shard.get(PLACES[name]) or b""
    shard.put(PLACES[name], kept[:1] + bytes([FORMAT + 1]) + kept[2:])
    with pytest.raises(ValueError, match=f"the {what} in the state have format {FORMAT + 1}; .* go on with that one"):
        Told([]).load(0, shard) if name == "told" else HandedLog(processor_of(Handed())).load(0, shard)
