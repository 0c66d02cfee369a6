"""Plays events to a Kafka topic: as fast as it takes them, at a rate, or at a multiple of their own time."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import orjson
from confluent_kafka import KafkaError, KafkaException, Message, Producer
from pydantic import SecretStr

from jobs.kafka_properties import librdkafka_options
from segments.record_times import Stamped, stamped

HEARTBEAT_USER = "__heartbeat__"
_PROGRESS_EVERY_S = 0.25
_CONNECT_TIMEOUT_S = 15.0
_FLUSH_TIMEOUT_S = 120.0


class PlayError(RuntimeError):
    """Kafka cannot be reached, or the producer gave up; the text says what to check."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far playing has come; `event_time` is the newest record timestamp in ms."""

    sent: int
    failed: int
    seconds: float
    event_time: int | None
    first_error: str | None = None

    @property
    def events_per_s(self) -> float:
        """Return the mean rate since the start."""
        return self.sent / self.seconds if self.seconds else 0.0


def play(
    events: Iterable[bytes],
    bootstrap_servers: str,
    topic: str,
    *,
    rate: float | None = None,
    speed: float | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    properties: Mapping[str, str | SecretStr] | None = None,
) -> Progress:
    """Send the events in their order and return what was acknowledged, after all of them were.

    `rate` limits events per second, `speed` is event time per real time (1: as it happened); with both the slower one
    counts. `properties` are those of the settings by which a producer logs in. Records that Kafka refuses are counted
    in `failed`. Raises PlayError when Kafka cannot be reached or gives up, ValueError when `rate` or `speed` is not
    positive, SettingsError for security that cannot be done.
    """
    pacer = Pacer(rate, speed)
    sender = _Sender(bootstrap_servers, topic, properties)
    started = reported = time.monotonic()
    progress = Progress(0, 0, 0.0, None)
    try:
        for record in stamped(events):
            pacer.wait(record.timestamp, sender.poll)
            sender.send(record)
            now = time.monotonic()
            if now - reported >= _PROGRESS_EVERY_S:
                reported = now
                sender.poll(0.0)
                progress = sender.progress(now - started)
                if on_progress is not None:
                    on_progress(progress)
    finally:
        sender.finish()
    progress = sender.progress(time.monotonic() - started)
    if on_progress is not None:
        on_progress(progress)
    return progress


def heartbeat(
    bootstrap_servers: str, topic: str, timestamp_ms: int, properties: Mapping[str, str | SecretStr] | None = None
) -> int:
    """Send one small event of time `timestamp_ms` to every partition, so that watermarks pass on; returns how many.

    Raises PlayError when Kafka cannot be reached or refuses one.
    """
    sender = _Sender(bootstrap_servers, topic, properties)
    partitions = sender.partitions()
    for partition in partitions:
        event = {
            "type": "page",
            "messageId": f"heartbeat-{partition}-{timestamp_ms}",
            "userId": HEARTBEAT_USER,
            "timestamp": timestamp_ms,
        }
        sender.send(Stamped(orjson.dumps(event), HEARTBEAT_USER.encode(), timestamp_ms), partition)
    sender.finish()
    if sender.failed:
        raise PlayError(f"the heartbeat did not reach every partition of '{topic}': {sender.first_error}")
    return len(partitions)


class Pacer:
    """Waits until an event is due; the clock and the sleep can be replaced in tests."""

    def __init__(self, rate: float | None, speed: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        if (rate is not None and rate <= 0) or (speed is not None and speed <= 0):
            raise ValueError("rate and speed must be positive")
        self._rate = rate
        self._speed = speed
        self._clock = clock
        self._started: float | None = None
        self._first_time: int | None = None
        self._count = 0

    def wait(self, event_time: int | None, sleep: Callable[[float], object]) -> None:
        """Call `sleep` with seconds until the next event, of `event_time` in ms, is due."""
        if self._rate is None and self._speed is None:
            return
        if self._started is None:
            self._started = self._clock()
        due = self._started + self._due_after(event_time)
        self._count += 1
        while (left := due - self._clock()) > 0:
            sleep(min(left, 0.1))

    def _due_after(self, event_time: int | None) -> float:
        due = self._count / self._rate if self._rate is not None else 0.0
        if self._speed is not None and event_time is not None:
            if self._first_time is None:
                self._first_time = event_time
            due = max(due, (event_time - self._first_time) / 1_000 / self._speed)
        return due


class _Sender:
    """A producer that waits when its queue is full and counts what Kafka refuses."""

    def __init__(
        self, bootstrap_servers: str, topic: str, properties: Mapping[str, str | SecretStr] | None = None
    ) -> None:
        self.failed = 0
        self.first_error: str | None = None
        self._topic = topic
        self._offered = 0
        self._newest: int | None = None
        self._fatal: KafkaError | None = None
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap_servers,
                "enable.idempotence": True,
                "acks": "all",
                "linger.ms": 5,
                "batch.size": 512 * 1024,
                "queue.buffering.max.messages": 200_000,
                "queue.buffering.max.kbytes": 256 * 1024,
                "message.max.bytes": 16 * 1024 * 1024,
                "delivery.timeout.ms": int(_FLUSH_TIMEOUT_S * 1_000),
                "delivery.report.only.error": True,
                "on_delivery": self._refused,
                "error_cb": self._on_error,
                "log_level": 2,
                **librdkafka_options(properties or {}),
            }
        )
        try:
            self._producer.list_topics(timeout=_CONNECT_TIMEOUT_S)
        except KafkaException as error:
            hint = "is it running, and is the address right?"
            raise PlayError(f"cannot reach Kafka at {bootstrap_servers}: {_reason(error)}; {hint}") from None

    def send(self, record: Stamped, partition: int = -1) -> None:
        """Hand the record to the producer, waiting for room in its queue."""
        self._offered += 1
        self._newest = record.timestamp
        while not self._accepts(record, partition):
            self.poll(0.05)
        if self._offered % 1_000 == 0:
            self.poll(0.0)

    def poll(self, seconds: float) -> None:
        """Serve the producer for that long; raises PlayError when it has given up."""
        self._producer.poll(seconds)
        if self._fatal is not None:
            raise PlayError(f"the Kafka producer gave up: {self._fatal.str()}")

    def partitions(self) -> list[int]:
        """Return the topic's partitions; raises PlayError when there is no such topic."""
        metadata = self._producer.list_topics(self._topic, timeout=_CONNECT_TIMEOUT_S).topics[self._topic]
        if metadata.error is not None or not metadata.partitions:
            raise PlayError(f"there is no topic '{self._topic}': create it before events are played")
        return sorted(metadata.partitions)

    def finish(self) -> None:
        """Wait until everything was acknowledged or refused."""
        left = self._producer.flush(_FLUSH_TIMEOUT_S)
        for _ in range(left):
            self._count_failure("not acknowledged in time")

    def progress(self, seconds: float) -> Progress:
        """Return the counts so far; before `finish`, records still on their way count as sent."""
        return Progress(self._offered - self.failed, self.failed, seconds, self._newest, self.first_error)

    def _accepts(self, record: Stamped, partition: int) -> bool:
        try:
            self._producer.produce(
                self._topic, record.payload, record.key, partition=partition, timestamp=record.timestamp or 0
            )
        except BufferError:
            return False
        except KafkaException as error:
            self._count_failure(_reason(error))
        return True

    def _refused(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self._count_failure(error.str())

    def _on_error(self, error: KafkaError) -> None:
        if error.fatal():
            self._fatal = error

    def _count_failure(self, reason: str) -> None:
        self.failed += 1
        self.first_error = self.first_error or reason


def _reason(error: KafkaException) -> str:
    cause = error.args[0] if error.args else error
    return cause.str() if isinstance(cause, KafkaError) else str(cause)
