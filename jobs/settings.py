"""The job's settings: `conf/job.yaml`, with single values overridden by `SEGMENTS__SECTION__KEY` in the environment.

A key that does not exist is an error, and every error names its place, the value found and what is expected.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit, urlunsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from jobs.settings_secrets import check_protocol, redis_address, with_login
from jobs.settings_source import Source, read_source
from jobs.settings_types import Bytes, Milliseconds, Properties, Secret
from segments.events import Plausibility

DEFAULT_PATH = Path("conf/job.yaml")
LEAST_OUTAGE = 30_000  # ms that a transaction is to survive beyond two checkpoints' intervals
LONGEST_CHECKPOINT = 30 * 60_000  # ms
MAX_SHARDS = 32_768  # Flink's limit of the maximum parallelism


class SettingsError(ValueError):
    """The settings are wrong; the message lists every error, one a line."""


class Section(BaseModel):
    """One section of the settings file: unknown keys are errors, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _redis_url(url: SecretStr) -> SecretStr:
    if not url.get_secret_value().startswith(("redis://", "rediss://", "unix://")):
        raise ValueError("expected an address such as redis://host:6379/0, rediss://... or unix://...")
    return url


Text = Annotated[str, Field(min_length=1)]
Topic = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")]


class KafkaSettings(Section):
    """Where events come from and where changes go."""

    bootstrap_servers: Text = "localhost:9092"
    events_topics: Annotated[list[Topic], Field(min_length=1, max_length=255)] = ["events"]
    group_id: Text = "segments"
    start_from: Literal["earliest", "latest", "committed"] = "committed"
    changes_topic: Topic = "segment-changes"
    memberships_topic: Topic = "segment-memberships"
    dead_letters_topic: Topic = "segment-dead-letters"
    late_events_topic: Topic = "segment-late-events"
    control_topic: Topic = "segment-control"
    audit_topic: Topic = "segment-audit"
    shadow_changes_topic: Topic = "segment-shadow-changes"
    internal_topic: Topic = "segment-internal"
    delivery: Literal["at_least_once", "exactly_once"] = "at_least_once"
    transactional_id_prefix: Text = "segments"
    transaction_timeout: Milliseconds = 900_000
    user: Text | None = None
    password: Secret | None = None
    client_properties: Properties = {}
    consumer_properties: Properties = {}
    producer_properties: Properties = {}

    @property
    def output_topics(self) -> tuple[str, str, str, str, str, str]:
        """The topics that only the job writes, in the order of the frame's `target` (docs/wire-formats.md)."""
        events = self.changes_topic, self.memberships_topic, self.dead_letters_topic, self.late_events_topic
        return *events, self.audit_topic, self.shadow_changes_topic

    @model_validator(mode="after")
    def _all_clients_log_in_alike(self) -> Self:
        """Lay what all clients share under what each has, so that nothing can connect without it."""
        shared = with_login(self.client_properties, self.user, self.password)
        consumer, producer = {**shared, **self.consumer_properties}, {**shared, **self.producer_properties}
        if check_protocol(consumer, "consumer") != check_protocol(producer, "producer"):
            raise ValueError("consumer and producer have different security.protocol: put it into client_properties")
        self.__dict__.update(consumer_properties=consumer, producer_properties=producer)
        return self

    @model_validator(mode="after")
    def _topics_differ(self) -> Self:
        topics = [*self.events_topics, *self.output_topics, self.control_topic, self.internal_topic]
        twice = sorted({topic for topic in topics if topics.count(topic) > 1})
        if twice:
            raise ValueError(f"each topic serves one purpose; used twice: {', '.join(twice)}")
        return self


class RedisSettings(Section):
    """Where memberships are served from."""

    enabled: bool = True
    url: Annotated[Secret, AfterValidator(_redis_url)] = SecretStr("redis://localhost:6379/0")
    sentinels: list[Annotated[str, Field(pattern=r"^(\[[0-9a-fA-F:]+\]|[^\s:\[\]]+):[0-9]{1,5}$")]] = []
    sentinel_service: Text | None = None
    sentinel_password: Secret | None = None
    user: Text | None = None
    password: Secret | None = None
    tls_ca: Path | None = None
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    ttl: Milliseconds = 30 * 86_400_000
    timeout: Milliseconds = 2_000

    @property
    def display_url(self) -> str:
        """The address without user, password and options, for people to read."""
        if self.sentinels:
            return f"the primary of '{self.sentinel_service}' (Sentinels at {', '.join(self.sentinels)})"
        parts = urlsplit(self.url.get_secret_value())
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query=""))

    @model_validator(mode="after")
    def _sentinels_are_whole(self) -> Self:
        if bool(self.sentinels) != (self.sentinel_service is not None):
            raise ValueError("sentinels and sentinel_service (the name by which they know Redis) come together")
        if self.sentinel_password is not None and not self.sentinels:
            raise ValueError("sentinel_password needs sentinels")
        if self.sentinels and self.url.get_secret_value().startswith("unix:"):
            raise ValueError("sentinels give host and port: write redis:// or rediss:// in url")
        return self

    @model_validator(mode="after")
    def _whole_address(self) -> Self:
        """Put the login and TLS into the address, so that whoever connects by it obeys them."""
        files = {"ssl_ca_certs": self.tls_ca, "ssl_certfile": self.tls_certificate, "ssl_keyfile": self.tls_key}
        self.__dict__.update(url=redis_address(self.url, self.user, self.password, files))
        return self


class EventTimeSettings(Section):
    """How event time passes and which events are too late or too strange."""

    out_of_orderness: Milliseconds = 5_000
    allowed_lateness: Milliseconds = 3_600_000
    idle_after: Milliseconds = 5_000
    follow_wall_clock: bool = True
    max_ahead: Milliseconds = 86_400_000
    max_age: Milliseconds = 3_650 * 86_400_000


class BatchingSettings(Section):
    """When the events collected by the bridge leave for Python."""

    max_events: Annotated[int, Field(ge=1, le=1_000_000)] = 4_000
    max_bytes: Bytes = 1_048_576
    min_linger: Milliseconds = 2
    max_linger: Milliseconds = 10
    max_event_bytes: Bytes = 1_048_576

    @model_validator(mode="after")
    def _linger_in_order(self) -> Self:
        if self.min_linger > self.max_linger:
            raise ValueError("min_linger must not be longer than max_linger")
        return self


class ErrorsSettings(Section):
    """When the job stops because of bugs."""

    max_failed_share: Annotated[float, Field(gt=0, le=1)] = 0.5


class LimitsSettings(Section):
    """How much of the job one user may take."""

    user_steps: Annotated[int, Field(ge=1_000)] | None = 60_000


class FlinkSettings(Section):
    """How the job runs on Flink."""

    parallelism: Annotated[int, Field(ge=1, le=MAX_SHARDS)] = 2
    shards: Annotated[int, Field(ge=1, le=MAX_SHARDS)] = 128
    checkpoint_interval: Milliseconds = 10_000
    checkpoint_dir: Text | None = None
    state_backend: Literal["rocksdb", "hashmap"] = "rocksdb"
    restart_attempts: Annotated[int, Field(ge=0)] = 60
    restart_delay: Milliseconds = 2_000
    restart_max_delay: Milliseconds = 60_000
    restart_forgiven_after: Milliseconds = 120_000

    @model_validator(mode="after")
    def _a_shard_for_each(self) -> Self:
        if self.shards < self.parallelism:
            raise ValueError(f"shards ({self.shards}) must not be fewer than parallelism ({self.parallelism})")
        return self

    @model_validator(mode="after")
    def _restart_delays_in_order(self) -> Self:
        if self.restart_delay > self.restart_max_delay:
            raise ValueError("restart_delay must not be longer than restart_max_delay")
        return self


class DefinitionsSettings(Section):
    """Where the segments are defined."""

    path: Path = Path("segments.yaml")


class ScoringSettings(Section):
    """How models get to the workers."""

    cache_dir: Path | None = None


class Settings(Section):
    """All settings of the job."""

    kafka: KafkaSettings = KafkaSettings()
    redis: RedisSettings = RedisSettings()
    event_time: EventTimeSettings = EventTimeSettings()
    batching: BatchingSettings = BatchingSettings()
    errors: ErrorsSettings = ErrorsSettings()
    limits: LimitsSettings = LimitsSettings()
    flink: FlinkSettings = FlinkSettings()
    definitions: DefinitionsSettings = DefinitionsSettings()
    scoring: ScoringSettings = ScoringSettings()

    @property
    def plausibility(self) -> Plausibility:
        """Which events the job takes; a replay that is to say the same takes the same."""
        times = self.event_time
        return Plausibility(times.max_ahead, times.max_age, self.batching.max_event_bytes, self.limits.user_steps)

    @model_validator(mode="after")
    def _transactions_outlive_checkpoints(self) -> Self:
        if self.kafka.delivery != "exactly_once":
            return self
        timeout, interval = self.kafka.transaction_timeout, self.flink.checkpoint_interval
        if timeout < 2 * interval + LEAST_OUTAGE:
            least = (2 * interval + LEAST_OUTAGE) / 1_000
            raise ValueError(
                f"kafka.transaction_timeout ({timeout / 1_000:g}s) is too short: it needs at least {least:g}s. A"
                f" transaction is open from one flink.checkpoint_interval ({interval / 1_000:g}s) to the next,"
                " for the checkpoint's own time and for any outage, or Kafka aborts what Flink counts as written"
            )
        return self

    @property
    def checkpoint_timeout(self) -> int:
        """How long a checkpoint may take (ms): a Kafka that is away holds a barrier back.

        With transactions it ends before those that it is to commit time out: their records would be lost.
        """
        if self.kafka.delivery != "exactly_once":
            return LONGEST_CHECKPOINT
        left = self.kafka.transaction_timeout - self.flink.checkpoint_interval
        return min(LONGEST_CHECKPOINT, left // 2)


def load_settings(path: Path = DEFAULT_PATH, environment: Mapping[str, str] | None = None) -> Settings:
    """Return the settings in the file at `path` under the overrides in `environment` (default: the process's).

    A relative `definitions.path` is taken from the file's folder. Raises `SettingsError` with all errors at once.
    """
    try:
        source = read_source(path, os.environ if environment is None else environment)
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path}: {error}") from error
    try:
        settings = Settings.model_validate(source.values)
    except ValidationError as error:
        raise SettingsError("\n".join(_explain(source, error))) from None  # the cause would print secret values
    definitions = DefinitionsSettings(path=path.parent / settings.definitions.path)
    return settings.model_copy(update={"definitions": definitions})


def _explain(source: Source, error: ValidationError) -> list[str]:
    lines = []
    for problem in error.errors(include_url=False):
        keys = tuple(str(part) for part in problem["loc"])
        place, name = source.place_of(keys), ".".join(keys) or "settings"
        if problem["type"] == "extra_forbidden":
            lines.append(f"{place}: {name}: there is no such key{source.suggestion(keys, Settings)}")
            continue
        found = "" if isinstance(problem["input"], (dict, BaseModel)) else f", found {source.shown(keys)}"
        lines.append(f"{place}: {name}: {problem['msg'].removeprefix('Value error, ')}{found}")
    return lines
