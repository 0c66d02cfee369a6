"""What a job is told when it starts, with the topic made of a list; the real topic is in tests/stack."""

from __future__ import annotations

import socket

import pytest

from jobs import control_topic
from jobs.control_topic import ModelMissingError, TakenError, append, submitted
from jobs.settings import KafkaSettings
from segments.control import ControlRecord, Release, Thresholds
from segments.definitions import parse_definitions
from segments.history import History
from segments.models.released import ModelVersion
from segments.models.releasing import asked_by, with_challenger

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
    assert told[-1] == Release(2, at, LOYAL, LOYAL, "submit", NOW, "ada", refills=True)
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


def test_one_broker_of_several_is_enough_to_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as there:
        address = f"127.0.0.1:{there.getsockname()[1]}"
        assert control_topic.answers(KafkaSettings(bootstrap_servers=f"127.0.0.1:1, {address}"))


def test_a_rebuild_is_told_the_bounds_of_all_times(topic: Topic) -> None:
    bounds = [Thresholds(number, NOW + (number - 4) * DAY, {"a": 1.0}, {"a": 1}) for number in (1, 2, 3)]
    topic.records += [Release(1, 0, BUYER), *bounds]
    assert bounds[0] not in submitted(KAFKA, BUYER, NOW, "ada")
    assert submitted(KAFKA, BUYER, NOW, "ada", whole=True) == topic.records


LEAVING = BUYER + "  - {name: leaving, when: {model: {name: churn, gte: 0.7}}}\n"
CHURN = {number: ModelVersion("churn", number, "classify", {}, "", str(number)) for number in (1, 2)}


def test_a_first_start_may_ask_for_models_that_come_later(topic: Topic) -> None:
    assert submitted(KAFKA, LEAVING, NOW, "ada") == topic.records
    assert [each.models for each in topic.records if isinstance(each, Release)] == [()]


def test_a_later_start_may_not(topic: Topic) -> None:
    topic.records = [Release(1, 0, BUYER)]
    with pytest.raises(ModelMissingError, match="leaving asks model churn, of which no version is in force"):
        submitted(KAFKA, LEAVING, NOW, "ada")
    assert len(topic.records) == 1


def test_other_definitions_at_a_start_keep_the_models_and_the_challenger(topic: Topic) -> None:
    both = with_challenger([CHURN[1]], CHURN[2])
    topic.records = [Release(1, 0, BUYER), Release(2, 1, LEAVING, "the shadow", models=both)]
    *_, release = submitted(KAFKA, LEAVING.replace("0.7", "0.9"), NOW, "ada")
    assert isinstance(release, Release)
    assert release.models == both
    assert release.shadow is not None
    assert [each.version for each in asked_by(parse_definitions(release.shadow))] == [2]
    assert "0.9" in release.shadow
