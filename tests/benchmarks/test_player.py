"""The player: record times, keys and pace; against librdkafka's mock broker, which speaks Kafka's protocol."""

from collections.abc import Iterator
from itertools import pairwise

import orjson
import pytest
from confluent_kafka import Consumer, Message, Producer

from benchmarks.simulator import simulate
from jobs.player import HEARTBEAT_USER, Pacer, PlayError, Progress, heartbeat, play
from segments.record_times import stamped

START = 1_767_225_600_000
HOUR = 3_600_000
YEAR = 365 * 24 * HOUR


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    holder = Producer({"test.mock.num.brokers": 1, "log_level": 2})
    addresses = [f"{node.host}:{node.port}" for node in holder.list_topics(timeout=10).brokers.values()]
    yield ",".join(addresses)
    del holder


def consume(broker: str, topic: str, count: int) -> list[Message]:
    consumer = Consumer(
        {"bootstrap.servers": broker, "group.id": topic, "auto.offset.reset": "earliest", "log_level": 2}
    )
    consumer.subscribe([topic])
    messages: list[Message] = []
    while len(messages) < count:
        batch = consumer.consume(count - len(messages), timeout=20)
        assert batch, f"only {len(messages)} of {count} records arrived"
        messages.extend(batch)
    consumer.close()
    return messages


def event(time: int, user: str = "u1") -> bytes:
    return orjson.dumps({"type": "page", "userId": user, "timestamp": time})


def stamps(*times: int) -> list[int | None]:
    return [record.timestamp for record in stamped(event(time) for time in times)]


def test_a_record_time_is_the_running_maximum() -> None:
    assert stamps(START, START + 5, START + 3, START + 9) == [START, START + 5, START + 5, START + 9]


def test_a_broken_clock_does_not_move_the_record_times() -> None:
    times = [START + second * 1_000 for second in range(40)]
    times[0] = START + 3 * YEAR
    times[20] = START + YEAR
    times[21] = START - YEAR
    found = stamps(*times)
    assert max(time for time in found if time is not None) == times[-1]
    assert found[20] == found[21] == times[19]


def test_a_pause_of_weeks_is_no_broken_clock() -> None:
    before = [START + second * 1_000 for second in range(30)]
    after = [time + 40 * 24 * HOUR for time in before]
    assert stamps(*before, *after)[30:] == after


def test_a_last_event_after_a_pause_counts_unless_it_is_years_away() -> None:
    before = [START + second for second in range(20)]
    assert stamps(*before, START + 30 * 24 * HOUR)[-1] == START + 30 * 24 * HOUR
    assert stamps(*before, START + 2 * YEAR)[-1] == before[-1]


def test_unreadable_events_have_no_key_and_the_time_of_those_before() -> None:
    records = list(stamped([event(START, "ann"), b"{", event(START + 1, "bob")]))
    assert [record.key for record in records] == [b"ann", None, b"bob"]
    assert [record.timestamp for record in records] == [START, START, START + 1]


class FakeTime:
    def __init__(self) -> None:
        self.now = 100.0

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_pace_by_rate_and_by_speed() -> None:
    time = FakeTime()
    pacer = Pacer(rate=4, speed=None, clock=time.clock)
    due = []
    for _ in range(4):
        pacer.wait(None, time.sleep)
        due.append(time.now)
    assert due == pytest.approx([100.0, 100.25, 100.5, 100.75])
    pacer = Pacer(rate=None, speed=60, clock=time.clock)
    began = time.now
    for at in (START, START + 60_000, START + 120_000):
        pacer.wait(at, time.sleep)
    assert time.now - began == pytest.approx(2.0)


@pytest.mark.parametrize(("rate", "speed"), [(0.0, None), (None, -1.0)])
def test_a_pace_must_be_positive(rate: float | None, speed: float | None) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        play([], "localhost:1", "t", rate=rate, speed=speed)


def test_everything_arrives_with_key_and_time(broker: str) -> None:
    records = list(simulate(50, 3_000, 1, START, late_rate=0.05, broken_rate=0.02, very_late_rate=0.01))
    reports: list[Progress] = []
    done = play(records, broker, "played", on_progress=reports.append)
    assert (done.sent, done.failed) == (3_000, 0)
    assert reports[-1] == done
    assert done.events_per_s > 0
    messages = consume(broker, "played", 3_000)
    assert sorted(message.value() for message in messages) == sorted(records)
    expected = {record.payload: record.key for record in stamped(records)}
    assert all(message.key() == expected[message.value()] for message in messages)
    by_partition: dict[int, list[int]] = {}
    for message in messages:
        by_partition.setdefault(message.partition(), []).append(message.timestamp()[1])
    assert all(before <= after for times in by_partition.values() for before, after in pairwise(times))


def test_a_record_that_is_too_large_is_counted_and_the_rest_arrives(broker: str) -> None:
    done = play([event(START), b"x" * (17 * 1024 * 1024), event(START + 1)], broker, "large")
    assert (done.sent, done.failed) == (2, 1)
    assert done.first_error is not None
    assert len(consume(broker, "large", 2)) == 2


def test_a_heartbeat_reaches_every_partition(broker: str) -> None:
    play([event(START)], broker, "beats")
    count = heartbeat(broker, "beats", START + 60_000)
    beats = [message for message in consume(broker, "beats", count + 1) if message.key() == HEARTBEAT_USER.encode()]
    assert sorted(message.partition() for message in beats) == list(range(count))
    assert {orjson.loads(message.value())["timestamp"] for message in beats} == {START + 60_000}
    assert {message.timestamp()[1] for message in beats} == {START + 60_000}


def test_no_kafka_is_said_clearly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.player._CONNECT_TIMEOUT_S", 0.5)
    with pytest.raises(PlayError, match=r"cannot reach Kafka at localhost:1: .*is it running"):
        play([event(START)], "localhost:1", "t")
