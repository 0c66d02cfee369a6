"""Asking the running job about its users, through the internal topic."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Iterator

from kafka import KafkaProducer

from jobs.kafka_properties import security
from jobs.settings import Settings
from jobs.topics import TopicError, TopicReader, explained
from segments.inspection import Choice, Inspect, Inspected, Renumber, answer_to, encode_inspection

_SILENCE_S = 60.0
_VALID_MS = 15 * 60_000
Ask = Callable[..., Iterable[Inspected]]


def ask(
    settings: Settings,
    choice: Choice,
    *,
    users: list[str] | None = None,
    rate: int = 2_000,
    told: list[int] | None = None,
    renumber: list[Renumber] | None = None,
) -> Iterator[Inspected]:
    """Yield the answers of all workers, as they come; raises TopicError, also when a worker says nothing for a minute.

    `users` are asked for by name, else all of the choice; each worker looks at `rate` users a second. With `told` they
    are written to the memberships topic anew, whose newest change is not below the number there; with `renumber` those
    who get another number.
    """
    kafka = settings.kafka
    now = int(time.time() * 1_000)
    question = Inspect(uuid.uuid4().hex, now + _VALID_MS, choice, users, rate, told, renumber)
    patience = _SILENCE_S + 3 * settings.flink.checkpoint_interval / 1_000
    left = set(range(settings.flink.shards))
    with TopicReader(
        kafka.bootstrap_servers, [kafka.internal_topic], committed_only=True, properties=kafka.consumer_properties
    ) as reader:
        reader.go_to(now - 1_000)
        _write(settings, encode_inspection(question))
        heard = time.monotonic()
        while left:
            for record in reader.poll(1.0):
                answer = answer_to(question.id, record.value)
                if answer is None:
                    continue
                heard = time.monotonic()
                yield answer
                left -= set(answer.shards) if answer.done else set()
            if time.monotonic() - heard > patience:
                raise TopicError(
                    f"the job did not answer for {patience:g} s (shards {_shown(left)}): does it run, with these"
                    " settings (flink.shards, kafka.internal_topic), and has it caught up? Ask again when it does"
                )


def showing(answers: Iterable[Inspected], progress: Callable[[int, int], None]) -> Iterator[Inspected]:
    """Pass the answers of all workers on; `progress` is told how many users were looked at by then, and of how many.

    >>> shown = []
    >>> answers = [Inspected("q", [0], {}, looked=2, of=5), Inspected("q", [1], {}, looked=1, of=4)]
    >>> [each.looked for each in showing(answers, lambda looked, of: shown.append((looked, of)))], shown
    ([2, 1], [(2, 5), (3, 9)])
    """
    workers: dict[int, tuple[int, int]] = {}
    for answer in answers:
        yield answer
        workers[min(answer.shards, default=0)] = (answer.looked, answer.of)
        progress(sum(looked for looked, _ in workers.values()), sum(of for _, of in workers.values()))


def _write(settings: Settings, payload: bytes) -> None:
    kafka = settings.kafka
    with explained(kafka.bootstrap_servers):
        producer = KafkaProducer(
            bootstrap_servers=kafka.bootstrap_servers.split(","), acks="all", **security(kafka.producer_properties)
        )
        try:
            producer.send(kafka.internal_topic, payload, key=b"inspection").get(timeout=30)
        finally:
            producer.close()


def _shown(shards: set[int]) -> str:
    return ", ".join(map(str, sorted(shards)[:8])) + (", ..." if len(shards) > 8 else "")
