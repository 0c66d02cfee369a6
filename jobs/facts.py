"""What an installation says of itself, and what a running job does: the latter stands in Flink's REST interface."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import yaml
from pydantic import BaseModel, SecretStr

from jobs.settings import Settings
from jobs.settings_source import MAY_HOLD_SECRETS, PREFIX, SEPARATOR
from jobs.settings_types import is_secret, text_of
from segments.log_segment import FORMAT, OLDEST_FORMAT
from segments.version import VERSION

#: Operators with state by uid, and what would be lost with it. A savepoint finds its state by these names only.
STATEFUL = {
    "kafka-events": "how far the events topics were read",
    "kafka-control": "how far the control topic was read",
    "batch-events": "how far event time has come",
    "segments": "the profiles of all users, and what the job was told",
    "kafka-records": "the Kafka transactions that were begun",
    "Sink Committer: kafka-records": "the Kafka transactions that are not committed yet",  # Flink makes it of the sink
}
STATELESS = ("unbatch-records",)
FLINK = "2.3.0"
NAMESPACE = "segments."
_SETTING = "settings."
#: How Kafka and Redis are reached and logged into: it may hold secrets, so a job says nothing of it.
LOGINS = (
    "kafka.user", "kafka.password", "kafka.client_properties", "kafka.consumer_properties", "kafka.producer_properties",
    "redis.url", "redis.user", "redis.password", "redis.sentinels", "redis.sentinel_service", "redis.sentinel_password",
    "redis.tls_ca", "redis.tls_certificate", "redis.tls_key",
)  # fmt: skip
_LEFT_OUT = frozenset({"definitions.path", *LOGINS})


class Installed(msgspec.Struct, frozen=True, kw_only=True):
    """An installation: its version, Flink's, the formats of profiles it reads and the one it writes, its uids."""

    version: str
    flink: str
    reads_profiles: tuple[int, ...]
    writes_profiles: int
    stateful: tuple[str, ...]
    stateless: tuple[str, ...]


class JobFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A job as it was submitted; `settings` by dotted key, as texts that a `SEGMENTS__` variable takes, no secrets."""

    version: str
    profile_format: int
    stateful: tuple[str, ...]
    settings: dict[str, str]


def installed() -> Installed:
    """Return what this installation says of itself.

    >>> installed().writes_profiles in installed().reads_profiles
    True
    """
    return Installed(
        version=VERSION,
        flink=FLINK,
        reads_profiles=tuple(range(OLDEST_FORMAT, FORMAT + 1)),
        writes_profiles=FORMAT,
        stateful=tuple(STATEFUL),
        stateless=STATELESS,
    )


def facts_of(settings: Settings) -> JobFacts:
    """Return what a job of this installation with these settings says of itself.

    >>> facts_of(Settings()).settings["event_time.idle_after"]
    '5000ms'
    """
    return JobFacts(
        version=VERSION, profile_format=FORMAT, stateful=tuple(STATEFUL), settings=dict(_texts(settings, ""))
    )


def to_parameters(facts: JobFacts) -> dict[str, str]:
    """Return a job's facts as Flink's global job parameters, which its REST interface and web page show."""
    return {
        f"{NAMESPACE}version": facts.version,
        f"{NAMESPACE}profile_format": str(facts.profile_format),
        f"{NAMESPACE}stateful": ",".join(facts.stateful),
        **{f"{NAMESPACE}{_SETTING}{key}": text for key, text in facts.settings.items()},
    }


def from_parameters(parameters: Mapping[str, str]) -> JobFacts | None:
    """Return the facts of a job with these global job parameters; None when it is not of ours, or older than 0.1.

    >>> from_parameters(to_parameters(facts_of(Settings()))) == facts_of(Settings())
    True
    >>> from_parameters({"other": "job"}) is None
    True
    """
    own = {key.removeprefix(NAMESPACE): text for key, text in parameters.items() if key.startswith(NAMESPACE)}
    if "version" not in own or not own.get("profile_format", "").isdigit():
        return None
    return JobFacts(
        version=own["version"],
        profile_format=int(own["profile_format"]),
        stateful=tuple(filter(None, own.get("stateful", "").split(","))),
        settings={key.removeprefix(_SETTING): text for key, text in own.items() if key.startswith(_SETTING)},
    )


def variables(settings: Mapping[str, str]) -> dict[str, str]:
    """Return settings by dotted key as variables of the environment.

    >>> variables({"flink.parallelism": "4"})
    {'SEGMENTS__FLINK__PARALLELISM': '4'}
    """
    return {PREFIX + key.replace(".", SEPARATOR).upper(): text for key, text in settings.items()}


def _texts(section: BaseModel, prefix: str) -> Iterator[tuple[str, str]]:
    for name, field in type(section).model_fields.items():
        key, value = prefix + name, getattr(section, name)
        if isinstance(value, BaseModel):
            yield from _texts(value, f"{key}.")
        elif key not in _LEFT_OUT and not _is_hidden(name, value):
            yield key, text_of(value, field.metadata) or _plain(value)


def _is_hidden(name: str, value: Any) -> bool:
    return isinstance(value, (SecretStr, dict)) or is_secret(name) or name in MAY_HOLD_SECRETS


def _plain(value: Any) -> str:
    value = str(value) if isinstance(value, Path) else value
    return yaml.safe_dump([value], default_flow_style=True, width=float("inf")).strip()[1:-1]
