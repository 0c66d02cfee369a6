"""The control topic: its whole history, one record more, and the topics that belong to it."""

from __future__ import annotations

import socket

import msgspec
from kafka import KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError, TopicAlreadyExistsError

from jobs.audit_topic import refused_releases
from jobs.kafka_clients import admin_client, consumer_client
from jobs.kafka_properties import security
from jobs.settings import KafkaSettings
from jobs.topics import NoTopic, Record, TopicError, TopicReader, explained
from segments.control import ControlRecord, Release, decode_control, encode_control
from segments.definitions import parse_definitions
from segments.history import History, same_meaning
from segments.models.releasing import challengers, pinned, unmet
from segments.record_times import event_time

FOR_EVER = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}  # the topic is the history
FOR_AN_HOUR = {"cleanup.policy": "delete", "retention.ms": "3600000"}  # the topic is a way, nothing is kept there
_TIMEOUT_S = 30
_NEWEST_READ = 500  # records of each partition that are looked at for the newest event
_SILENT_POLLS = 20
_RECORDED_MS = 86_400_000  # the newest event is older: nobody plays a live stream


class TakenError(RuntimeError):
    """Somebody else wrote a record of the same number first; the text says what to do."""


class ModelMissingError(ValueError):
    """Definitions ask for models that no release names; the text says which and what to do."""


def create_control_topics(kafka: KafkaSettings) -> None:
    """Create the control topic and those for audit, shadow and workers where they are missing; raises TopicError."""
    wanted = {
        kafka.control_topic: {"num_partitions": 1, "configs": FOR_EVER},
        kafka.audit_topic: {"num_partitions": 1, "configs": FOR_EVER},
        kafka.shadow_changes_topic: {},
        kafka.internal_topic: {"num_partitions": 1, "configs": FOR_AN_HOUR},
    }
    with admin_client(kafka) as admin:
        there = set(admin.list_topics())
        for name, how in wanted.items():
            if name not in there:
                _create(admin, name, how)


def _create(admin: KafkaAdminClient, name: str, how: dict[str, object]) -> None:
    try:
        admin.create_topics({name: how}, wait_for_metadata=True)
    except TopicAlreadyExistsError:
        return
    except KafkaError as error:
        raise TopicError(f"topic '{name}' is missing and cannot be created ({error}): create it yourself") from None


def read_history(kafka: KafkaSettings) -> History:
    """Return all that was ever said to the job, and what it refused; raises TopicError.

    What cannot be read is left out, as the job does.
    """
    history = History()
    for _, record in control_records(kafka):
        history.add(record)
    refused = refused_releases(kafka)
    history.refused = {each.number for each in history.releases if (each.number, each.effective_at) in refused}
    return history


def answers(kafka: KafkaSettings) -> bool:
    """Say whether anything listens at one of the addresses: a Kafka client would try for half a minute."""
    return any(map(_listens, kafka.bootstrap_servers.split(",")))


def _listens(address: str) -> bool:
    host, _, port = address.strip().rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=1.0).close()
    except (OSError, ValueError):
        return False
    return True


def records_told(kafka: KafkaSettings) -> list[ControlRecord]:
    """Return what the job was told and did not refuse, bounds too; nothing where there is no control topic.

    Raises TopicError.
    """
    try:
        return read_history(kafka).followed
    except NoTopic:
        return []


def releases_told(kafka: KafkaSettings) -> list[Release]:
    """Return the releases that the job did not refuse, none where there is no control topic; raises TopicError."""
    try:
        return [record for record in read_history(kafka).followed if isinstance(record, Release)]
    except NoTopic:
        return []


def control_records(kafka: KafkaSettings) -> list[tuple[int, ControlRecord]]:
    """Return the readable records of the control topic with their offsets, oldest first; raises TopicError."""
    found = []
    with TopicReader(
        kafka.bootstrap_servers, [kafka.control_topic], committed_only=True, properties=kafka.consumer_properties
    ) as reader:
        for each in reader.to_the_end():
            try:
                found.append((each.offset, decode_control(each.value or b"")))
            except msgspec.DecodeError:
                continue
    return found


def append(kafka: KafkaSettings, record: ControlRecord) -> None:
    """Write a record once the records before it are known; raises TopicError, TakenError when its number is taken."""
    with explained(kafka.bootstrap_servers, kafka.producer_properties):
        producer = KafkaProducer(
            bootstrap_servers=kafka.bootstrap_servers.split(","),
            acks="all",
            max_request_size=16 * 1024 * 1024,
            **security(kafka.producer_properties),
        )
        try:
            written = producer.send(kafka.control_topic, encode_control(record)).get(timeout=_TIMEOUT_S)
        finally:
            producer.close()
    history = History()
    for offset, known in control_records(kafka):
        is_first = history.add(known)
        if offset == written.offset and not is_first:
            raise TakenError("somebody else released at the same moment and was first: look at it and release again")


def submitted(kafka: KafkaSettings, definitions: str, now: int, by: str, *, whole: bool = False) -> list[ControlRecord]:
    """Return all that a job is told that starts at `now` (ms) with these definitions; raises TopicError, TakenError.

    They are released first if they differ from the newest release: the first one holds from the beginning of time on.
    Later ones may ask only for models that are in force; raises ModelMissingError.
    A job that reads all events again is told the `whole` history, not only what may still be asked for.
    """
    create_control_topics(kafka)
    history = read_history(kafka)
    known = history.records if whole else history.in_use()
    current = history.current
    if current is not None and same_meaning(current.definitions, definitions):
        return known
    at, shadow = 0, None
    if current is not None:
        missing = unmet(parse_definitions(definitions), current.models)
        if missing:
            raise ModelMissingError(
                "\n".join([*missing, "the definitions differ from those in force; no job was started"])
            )
        at, tried = effective_instant(now, newest_event(kafka), 0), challengers(current.models)
        shadow = pinned(definitions, tried) if tried else current.shadow
    release = history.following(
        "submit",
        definitions,
        effective_at=at,
        shadow=shadow,
        released_at=now,
        by=by,
        refills=current is not None,
    )
    append(kafka, release)
    return [*known, release]


def effective_instant(now: int, newest: int | None, ahead: int) -> int:
    """Return when a release should take effect (ms): `ahead` of the clock, or right after the end of a recorded stream.

    >>> effective_instant(1795341600000, 1795341599000, 2_000), effective_instant(1795341600000, 1564617600000, 2_000)
    (1795341602000, 1564617600001)
    """
    recorded = newest is not None and newest < now - _RECORDED_MS
    return newest + 1 if recorded and newest is not None else now + ahead


def newest_event(kafka: KafkaSettings) -> int | None:
    """Return the newest time (ms) among the last events of each partition, None without events; raises TopicError."""
    times = [event_time(record.value or b"") for record in _last_records(kafka)]
    return max((time for time in times if time is not None), default=None)


def _last_records(kafka: KafkaSettings) -> list[Record]:
    with consumer_client(kafka) as consumer:
        partitions = [
            TopicPartition(topic, number)
            for topic in kafka.events_topics
            for number in consumer.partitions_for_topic(topic) or ()
        ]
        consumer.assign(partitions)
        ends = consumer.end_offsets(partitions)
        begins = consumer.beginning_offsets(partitions)
        for each in partitions:
            consumer.seek(each, max(begins[each], ends[each] - _NEWEST_READ))
        found: list[Record] = []
        silent = 0
        while silent < _SILENT_POLLS and any(consumer.position(each) < ends[each] for each in partitions):
            polled = consumer.poll(timeout_ms=500)
            silent = 0 if polled else silent + 1
            for part, records in polled.items():
                found += (
                    Record(part.topic, part.partition, each.offset, each.key, each.value, each.timestamp)
                    for each in records
                )
        return found
