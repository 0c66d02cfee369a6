"""The audit topic: what the job said about what it was told."""

from __future__ import annotations

import msgspec

from jobs.settings import KafkaSettings
from jobs.topics import NoTopic, Record, TopicReader
from segments.audit import Audit, ReleaseRefused, decode_audit, refusals


def audit_reader(kafka: KafkaSettings) -> TopicReader:
    """Return a reader of the audit topic from its beginning; raises TopicError, NoTopic where there is none."""
    return TopicReader(
        kafka.bootstrap_servers, [kafka.audit_topic], committed_only=True, properties=kafka.consumer_properties
    )


def audit_of(record: Record) -> Audit | None:
    """Return what a record says, None when that is for other readers."""
    try:
        return decode_audit(record.value or b"")
    except msgspec.DecodeError:
        return None


def all_audits(kafka: KafkaSettings) -> list[Audit]:
    """Return all that the job has said so far, nothing where there is no topic; raises TopicError."""
    try:
        with audit_reader(kafka) as reader:
            said = [audit_of(record) for record in reader.to_the_end()]
    except NoTopic:
        return []
    return [each for each in said if each is not None]


def refused_releases(kafka: KafkaSettings) -> dict[tuple[int, int], ReleaseRefused]:
    """Return the releases that the job refused, by number and instant (ms); raises TopicError."""
    return refusals(all_audits(kafka))
