"""What a job is told when it starts, with the topic made of a list; the real topic is in tests/stack."""

from __future__ import annotations

import pytest

from jobs import control_topic
from jobs.control_topic import TakenError, append, submitted
from jobs.settings import KafkaSettings
from segments.control import ControlRecord, Release, Thresholds
from segments.history import History

KAFKA = KafkaSettings()
NOW = 1_795_341_600_000
DAY = 86_400_000
BUYER = "segments:\n  - {name: buyer, when: {lifetime: {of: count, event: Order Completed, gte: 1}}}\n"
LOYAL = BUYER.replace("gte: 1", "gte: 5")


class Topic:
    """The control topic, and the newest event of the events topics (ms)."""

    def __init__(self, records: list[ControlRecord], newest: int | None) -> None:
        self.records = records
        self.newest = newest


@pytest.fixture
def topic(monkeypatch: pytest.MonkeyPatch) -> Topic:
    made = Topic([], None)
    monkeypatch.setattr(control_topic, "create_control_topics", lambda _: None)
    monkeypatch.setattr(control_topic, "read_history", lambda _: History(made.records))
    monkeypatch.setattr(control_topic, "newest_event", lambda _: made.newest)
    monkeypatch.setattr(control_topic, "append", lambda _, record: made.records.append(record))
    return made


def test_the_first_definitions_hold_from_the_beginning(topic: Topic) -> None:
    told = submitted(KAFKA, BUYER, NOW, "ada")
    assert told == topic.records == [Release(1, 0, BUYER, action="submit", released_at=NOW, by="ada")]


def test_the_same_definitions_are_not_released_again(topic: Topic) -> None:
    topic.records = [Release(1, 0, BUYER), Thresholds(1, 5, {}, {})]
    assert submitted(KAFKA, f"# said again\n{BUYER}", NOW, "ada") == topic.records
    assert len(topic.records) == 2


@pytest.mark.parametrize(("newest", "at"), [(None, NOW), (NOW - 5_000, NOW), (NOW - 9 * DAY, NOW - 9 * DAY + 1)])
def test_edited_definitions_hold_from_now_and_the_shadow_stays(topic: Topic, newest: int | None, at: int) -> None:
    topic.records, topic.newest = [Release(1, 0, BUYER, shadow=LOYAL)], newest
    told = submitted(KAFKA, LOYAL, NOW, "ada")
    assert told[-1] == Release(2, at, LOYAL, LOYAL, "submit", NOW, "ada")
    assert told == topic.records


def test_of_two_who_release_at_once_the_second_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    mine, theirs = Release(2, 5, LOYAL, by="ada"), Release(2, 5, BUYER, by="ben")

    class Producer:
        def __init__(self, **_: object) -> None:
            self.offset = 2

        def send(self, *_: object) -> Producer:
            return self

        def get(self, timeout: float) -> Producer:
            assert timeout > 0
            return self

        def close(self) -> None:
            """Nothing is open."""

    monkeypatch.setattr(control_topic, "KafkaProducer", Producer)
    monkeypatch.setattr(control_topic, "control_records", lambda _: [(0, Release(1, 0, BUYER)), (1, theirs), (2, mine)])
    with pytest.raises(TakenError, match="somebody else released"):
        append(KAFKA, mine)
    monkeypatch.setattr(control_topic, "control_records", lambda _: [(0, Release(1, 0, BUYER)), (2, mine), (3, theirs)])
    append(KAFKA, mine)


def test_where_nothing_listens_nobody_waits() -> None:
    assert not control_topic.answers(KafkaSettings(bootstrap_servers="127.0.0.1:1"))
    assert not control_topic.answers(KafkaSettings(bootstrap_servers="nonsense"))


def test_a_rebuild_is_told_the_bounds_of_all_times(topic: Topic) -> None:
    bounds = [Thresholds(number, NOW + (number - 4) * DAY, {"a": 1.0}, {"a": 1}) for number in (1, 2, 3)]
    topic.records += [Release(1, 0, BUYER), *bounds]
    assert bounds[0] not in submitted(KAFKA, BUYER, NOW, "ada")
    assert submitted(KAFKA, BUYER, NOW, "ada", whole=True) == topic.records
