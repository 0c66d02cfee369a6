import msgspec
import pytest

from segments.control import Release, Thresholds, encode_control
from tests.udfs.fakes import KeyedMapState, Shards
from udfs.told import PLACE, Told

FIRST, SECOND = Release(1, 0, "segments: one"), Release(2, 5, "segments: two")
BOUNDS = Thresholds(1, 7, {"spend": 3.5}, {"spend": 200})


def told(*records: Release | Thresholds) -> Told:
    return Told(map(encode_control, records))


def state_of(shards: Shards, shard: int) -> KeyedMapState:
    return KeyedMapState(shards, lambda: shard)


def test_a_record_is_heard_once_whoever_said_it_first() -> None:
    worker = told(FIRST)
    assert worker.hear(encode_control(FIRST)) is None
    assert worker.hear(encode_control(SECOND)) == SECOND
    assert worker.hear(encode_control(Release(2, 9, "segments: another"))) is None
    assert worker.hear(encode_control(BOUNDS)) == BOUNDS
    assert worker.history.records == [FIRST, SECOND, BOUNDS]


@pytest.mark.parametrize("payload", [b"", b"{", b'{"kind": "release"}', b'{"kind": "unheard of"}'])
def test_what_is_no_control_record_is_an_error(payload: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        told(FIRST).hear(payload)


def test_a_shards_state_tells_what_a_later_worker_does_not_know() -> None:
    shards: Shards = {}
    first = told(FIRST)
    first.hear(encode_control(SECOND))
    assert first.save(3, state_of(shards, 3)) > 0
    assert shards[3].keys() == {PLACE}
    later = told(FIRST)
    assert later.load(3, state_of(shards, 3)) == [SECOND]
    assert later.load(4, state_of(shards, 4)) == []
    assert later.history.records == [FIRST, SECOND]


def test_a_shard_is_written_only_when_it_lacks_a_record() -> None:
    shards: Shards = {}
    worker = told(FIRST)
    assert worker.save(0, state_of(shards, 0)) > 0
    assert worker.save(0, state_of(shards, 0)) == 0
    worker.hear(encode_control(SECOND))
    assert worker.save(0, state_of(shards, 0)) > 0
    restored = told(FIRST)
    assert restored.load(0, state_of(shards, 0)) == [SECOND]
    assert restored.save(0, state_of(shards, 0)) == 0


def test_a_long_history_takes_little_more_than_one_release() -> None:
    text = "\n".join(f"- {{name: segment_{number}, when: {number * 7919}}}" for number in range(400))
    one, many = told(Release(1, 0, text)), told(*(Release(number, 0, text) for number in range(1, 101)))
    alone, together = one.save(0, state_of({}, 0)), many.save(0, state_of({}, 0))
    assert together < 2 * alone
