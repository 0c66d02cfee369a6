"""What a topic's configuration must be for nothing to be forgotten; a real broker is asked in tests/stack."""

from __future__ import annotations

import pytest

from jobs.output_topics import forgetful
from jobs.settings import KafkaSettings

KAFKA = KafkaSettings()
FOR_EVER = {"retention.ms": "-1", "retention.bytes": "-1"}
WEEK = {"retention.ms": "604800000", "retention.bytes": "-1"}


@pytest.mark.parametrize(
    ("topic", "said", "change"),
    [
        (KAFKA.memberships_topic, {"cleanup.policy": "compact", **WEEK}, None),
        (KAFKA.memberships_topic, {"cleanup.policy": "delete", **WEEK}, "cleanup.policy=compact"),
        (KAFKA.memberships_topic, {"cleanup.policy": "compact,delete", **WEEK}, "cleanup.policy=compact"),
        (KAFKA.memberships_topic, {}, None),
        (KAFKA.changes_topic, {"cleanup.policy": "delete", **WEEK}, None),
        (KAFKA.changes_topic, {"cleanup.policy": "compact", **WEEK}, "cleanup.policy=delete"),
        (KAFKA.control_topic, {"cleanup.policy": "delete", **FOR_EVER}, None),
        (KAFKA.control_topic, {"cleanup.policy": "delete", **WEEK}, "retention.ms=-1"),
        (
            KAFKA.control_topic,
            {"cleanup.policy": "compact", **WEEK, "retention.bytes": "9"},
            "cleanup.policy=delete,retention.ms=-1,retention.bytes=-1",
        ),
        (KAFKA.control_topic, {}, None),
    ],
)
def test_what_would_be_forgotten_is_seen(topic: str, said: dict[str, str], change: str | None) -> None:
    assert forgetful(KAFKA, topic, said) == change
