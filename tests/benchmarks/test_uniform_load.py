"""The benchmarks' load: repeatable, in the promised mix, of the promised users."""

from collections import Counter

import orjson
import pytest

from benchmarks.simulator import MIX, Distribution, uniform_load
from segments.events import EventDecoder

START = 1_767_225_600_000
DECODER = EventDecoder(properties={"price": "number", "total": "number"}, property_paths=["price", "total"])


@pytest.mark.parametrize("distribution", ["uniform", "zipf"])
def test_same_seed_same_bytes(distribution: Distribution) -> None:
    first = list(uniform_load(1_000, 20_000, 3, START, distribution=distribution))
    assert first == list(uniform_load(1_000, 20_000, 3, START, distribution=distribution))
    assert first != list(uniform_load(1_000, 20_000, 4, START, distribution=distribution))


def test_mix_time_and_size() -> None:
    records = list(uniform_load(5_000, 40_000, 3, START, step_ms=7))
    events = [DECODER.decode(record) for record in records]
    names = Counter(event.name for event in events)
    assert {name: names[name] / len(events) for name in MIX} == pytest.approx(MIX, abs=0.01)
    assert [event.time for event in events] == [START + 7 * number for number in range(len(events))]
    assert len({event.message_id for event in events}) == len(events)
    assert 450 < sum(map(len, records)) / len(records) < 650


def test_a_longer_load_begins_with_the_shorter_one_up_to_whole_batches() -> None:
    short = list(uniform_load(100, 16_384, 1, START))
    assert list(uniform_load(100, 20_000, 1, START))[:16_384] == short


def test_users_are_uniform_or_zipf() -> None:
    def shares(distribution: Distribution) -> list[float]:
        records = uniform_load(1_000, 30_000, 1, START, distribution=distribution)
        counts = Counter(orjson.loads(record)["userId"] for record in records)
        assert len(counts) > 900
        return [count / 30_000 for _, count in counts.most_common(10)]

    assert sum(shares("uniform")) < 0.02
    assert sum(shares("zipf")) > 0.3


def test_a_user_keeps_the_device_and_place() -> None:
    contexts: dict[str, set[str]] = {}
    for record in uniform_load(50, 5_000, 1, START):
        event = orjson.loads(record)
        context = event["context"]
        contexts.setdefault(event["userId"], set()).add(context["userAgent"] + context["timezone"])
    assert all(len(found) == 1 for found in contexts.values())


def test_arguments_that_make_no_sense() -> None:
    with pytest.raises(ValueError, match="must be positive"):
        uniform_load(0, 10, 1, START)
