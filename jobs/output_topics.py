"""The topics that must be there before the job starts: Kafka's clients would wait ten minutes for a missing one."""

from __future__ import annotations

from kafka.admin import KafkaAdminClient

from jobs.control_topic import security
from jobs.settings import KafkaSettings
from jobs.topics import NoTopic, explained

_ADMIN_TIMEOUT_MS = 15_000


def check_topics(kafka: KafkaSettings) -> None:
    """Raise NoTopic when a topic that the job reads or writes and does not create is missing, and TopicError."""
    with explained(kafka.bootstrap_servers):
        admin = KafkaAdminClient(
            bootstrap_servers=kafka.bootstrap_servers.split(","),
            request_timeout_ms=_ADMIN_TIMEOUT_MS,
            **security(kafka.producer_properties),
        )
        try:
            there = set(admin.list_topics())
        finally:
            admin.close()
    outputs = (kafka.changes_topic, kafka.memberships_topic, kafka.dead_letters_topic, kafka.late_events_topic)
    missing = [topic for topic in (*kafka.events_topics, *outputs) if topic not in there]
    if missing:
        compacted = f" ({kafka.memberships_topic} with cleanup.policy=compact)" if outputs[1] in missing else ""
        raise NoTopic(
            f"missing at {kafka.bootstrap_servers}: {', '.join(missing)}. Create them first{compacted}, "
            "or mend their names in the settings"
        )
