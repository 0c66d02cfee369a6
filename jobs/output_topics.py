"""The topics as the job needs them before it starts: there, and keeping what they must keep."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kafka.admin import ConfigResource, ConfigResourceType

from jobs.kafka_clients import admin_client
from jobs.settings import KafkaSettings
from jobs.topics import NoTopic, TopicError

_POLICY, _FOR_EVER = "cleanup.policy", ("retention.ms", "retention.bytes")


def check_topics(kafka: KafkaSettings) -> None:
    """Raise NoTopic when a topic that the job reads or writes and does not create is missing.

    Raises TopicError where Kafka does not answer, and where a topic would forget what is still needed: Kafka's clients
    would wait ten minutes for a missing one, and the other is seen only when it is too late.
    """
    outputs = (kafka.changes_topic, kafka.memberships_topic, kafka.dead_letters_topic, kafka.late_events_topic)
    with admin_client(kafka) as admin:
        there = set(admin.list_topics())
        missing = [topic for topic in (*kafka.events_topics, *outputs) if topic not in there]
        if missing:
            compacted = f" ({kafka.memberships_topic} with cleanup.policy=compact)" if outputs[1] in missing else ""
            raise NoTopic(
                f"missing at {kafka.bootstrap_servers}: {', '.join(missing)}. Create them first{compacted}, "
                "or mend their names in the settings"
            )
        kept = (kafka.memberships_topic, kafka.changes_topic, kafka.control_topic)
        _require_kept(kafka, admin, [topic for topic in kept if topic in there])


def check_memberships(kafka: KafkaSettings) -> None:
    """Raise TopicError when the memberships topic forgets users, or Kafka does not answer."""
    with admin_client(kafka) as admin:
        _require_kept(kafka, admin, [kafka.memberships_topic])


def forgetful(kafka: KafkaSettings, topic: str, said: Mapping[str, str]) -> str | None:
    """Return what a topic's configuration must be changed to, None where it keeps what is needed or says nothing.

    >>> forgetful(KafkaSettings(), "segment-memberships", {"cleanup.policy": "delete"})
    'cleanup.policy=compact'
    """
    policy = set(said.get(_POLICY, "").split(",")) - {""}
    if topic == kafka.memberships_topic:
        return f"{_POLICY}=compact" if policy and policy != {"compact"} else None
    wanted = [f"{_POLICY}=delete"] if "compact" in policy else []
    if topic == kafka.control_topic:
        wanted += [f"{name}=-1" for name in _FOR_EVER if said.get(name, "-1") != "-1"]
    return ",".join(wanted) or None


def _require_kept(kafka: KafkaSettings, admin: Any, topics: Iterable[str]) -> None:
    """Raise TopicError with the commands; a broker that does not let a topic's configuration be read is trusted."""
    asked = [
        ConfigResource(ConfigResourceType.TOPIC, topic, configs=dict.fromkeys((_POLICY, *_FOR_EVER)))
        for topic in topics
    ]
    said = admin.describe_configs(asked, config_filter="all").get("topic", {})
    values = {topic: {name: str(each["value"]) for name, each in found.items()} for topic, found in said.items()}
    wrong = {topic: change for topic in said if (change := forgetful(kafka, topic, values[topic])) is not None}
    if wrong:
        commands = "\n".join(
            f"kafka-configs.sh --bootstrap-server {kafka.bootstrap_servers} --alter --entity-type topics"
            f" --entity-name {topic} --add-config {change}"
            for topic, change in wrong.items()
        )
        raise TopicError(f"Kafka would remove from {', '.join(wrong)} what is still needed. Change that:\n{commands}")
