"""The readers of the latency measurement: when a change was there for anybody who reads, in Kafka and in Redis."""

from __future__ import annotations

import time
from array import array
from dataclasses import dataclass

import redis
from confluent_kafka import OFFSET_END, Consumer, TopicPartition

from benchmarks.cases.latency_load import probe_user

_CAUSE = b'"message_id":"'
_NUMBER = slice(-12, None)  # of a message id: the number of its event, as 12 hexadecimal digits
_MESSAGE_ID_LENGTH = 21
_IDLE_S = 2.0
_POLL_S = 0.005
_PROBES_ASKED = 64


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Numbers of events, and when (s since 1970) the first of what they caused was read."""

    numbers: array[int]
    times: array[float]


def read_changes(bootstrap_servers: str, topic: str, end: float, deadline: float) -> Arrivals:
    """Read partition 0 of the segment topic from now on until it is quiet after `end`, or until `deadline`.

    A partition holds a random part of the users, so it is a fair sample at a fraction of the reader's cost.
    """
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": "bench-latency",
            "enable.auto.commit": False,
            "fetch.wait.max.ms": 100,  # only when there is nothing: a record is sent on as soon as there is one
        }
    )
    consumer.assign([TopicPartition(topic, 0, OFFSET_END)])
    found: dict[int, float] = {}
    quiet_since = time.time()
    while (now := time.time()) < deadline and (now < end or now < quiet_since + _IDLE_S):
        messages = consumer.consume(1_000, _POLL_S)
        now = time.time()
        for message in messages:
            quiet_since = now
            number = event_number(message.value() or b"")
            if number is not None:
                found.setdefault(number, now)
    consumer.close()
    return Arrivals(array("q", found.keys()), array("d", found.values()))


def event_number(change: bytes) -> int | None:
    """Return the number of the event that caused a change, None when time alone did.

    >>> event_number(b'{"cause":{"kind":"event","message_id":"L0000001-00000000000f"}}')
    15
    """
    place = change.find(_CAUSE)
    if place < 0:
        return None
    start = place + len(_CAUSE)
    return int(change[start : start + _MESSAGE_ID_LENGTH][_NUMBER], 16)


def poll_redis(url: str, probes: int, begin: float, gap: float, deadline: float) -> Arrivals:
    """Ask Redis every 5 ms for the probes that were due to be sent and are not seen yet, at most 64 at a time.

    The first is due at `begin` (s since 1970), each other `gap` (s) later. Ends with the last one, or at `deadline`.
    """
    missing: list[int] = []
    upcoming = 0
    numbers, times = array("q"), array("d")
    with redis.Redis.from_url(url) as client:
        while (missing or upcoming < probes) and (now := time.time()) < deadline:
            due = range(upcoming, min(probes, int((now - begin) / gap) + 1, upcoming + _PROBES_ASKED - len(missing)))
            missing += due
            upcoming += len(due)
            pipeline = client.pipeline(transaction=False)
            for number in missing:
                pipeline.hget(f"seg:{probe_user(number)}", "_seq")
            answers = pipeline.execute()
            now = time.time()
            for number, seq in zip(missing, answers, strict=True):
                if seq is not None:
                    numbers.append(number)
                    times.append(now)
            missing = [number for number, seq in zip(missing, answers, strict=True) if seq is None]
            time.sleep(_POLL_S)
    return Arrivals(numbers, times)
