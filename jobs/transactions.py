"""Whether transactions can hold what they are to hold: their timeout against checkpoints and against the broker."""

from __future__ import annotations

import logging
from typing import Any

from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import ClusterAuthorizationFailedError

from jobs.kafka_clients import admin_client
from jobs.settings import KafkaSettings, SettingsError

_MAXIMUM = "transaction.max.timeout.ms"
_log = logging.getLogger(__name__)


def check_broker(kafka: KafkaSettings) -> None:
    """Ask the broker whether it takes `kafka.transaction_timeout`; does nothing for at_least_once.

    Raises SettingsError with what to change, TopicError when Kafka does not answer. A broker that does not let its
    settings be read is trusted: the job's producers then say what it refuses.
    """
    if kafka.delivery != "exactly_once":
        return
    maximum = _broker_maximum(kafka)
    if maximum is not None and kafka.transaction_timeout > maximum:
        raise SettingsError(
            f"kafka.transaction_timeout is {kafka.transaction_timeout / 1_000:g}s, and the broker at"
            f" {kafka.bootstrap_servers} takes at most {maximum / 1_000:g}s: lower it to that, or raise the broker's"
            f" {_MAXIMUM}"
        )


def _broker_maximum(kafka: KafkaSettings) -> int | None:
    with admin_client(kafka) as admin:
        try:
            return min(_maxima(admin), default=None)
        except ClusterAuthorizationFailedError:
            _log.warning("the broker does not say its %s: DescribeConfigs on the cluster is not allowed", _MAXIMUM)
            return None


def _maxima(admin: Any) -> list[int]:
    brokers = [str(each["broker_id"]) for each in admin.describe_cluster()["brokers"]]
    asked = [ConfigResource(ConfigResourceType.BROKER, name, configs={_MAXIMUM: None}) for name in brokers]
    said = admin.describe_configs(asked, config_filter="all")["broker"]
    return [int(each[_MAXIMUM]["value"]) for each in said.values() if _MAXIMUM in each]
