"""The producer of the latency measurement: events made beforehand, sent at a steady rate with the time that it is."""

from __future__ import annotations

import re
import time
from array import array
from dataclasses import dataclass

from confluent_kafka import Producer

from benchmarks.simulator import uniform_load
from benchmarks.simulator.wire import Clock

_TIME = len(b'{"timestamp":"2026-11-22T10:00:00.000Z"')
_USER = re.compile(rb'"userId":"([^"]*)"')
_PAUSE_S = 0.002
_FLUSH_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Load:
    """What to send: every `probe_every`-th event is the first of a user of its own."""

    bootstrap_servers: str
    topic: str
    users: int
    events: int
    rate: float  # events/s
    probe_every: int
    seed: int


def probe_user(number: int) -> str:
    """Return the user whose first event is the probe of that number, from 0."""
    return f"probe{number:06d}"


class Sender:
    """Holds the events, without their timestamps, until they are sent."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._tails: list[bytes] = []
        self._keys: list[bytes] = []
        for number, payload in enumerate(uniform_load(load.users, load.events, load.seed, _now_ms(), 0)):
            tail = payload[_TIME:]
            if number % load.probe_every == 0:
                user = probe_user(number // load.probe_every).encode()
                tail = _USER.sub(b'"userId":"%b"' % user, tail, count=1)
            match = _USER.search(tail)
            self._tails.append(tail)
            self._keys.append(match[1] if match else b"")

    def send(self, begin: float) -> array[float]:
        """Send all events from `begin` (s since 1970) on; returns when each was handed to the producer.

        Raises RuntimeError when Kafka did not take all of them.
        """
        load, tails, keys, sent = self._load, self._tails, self._keys, array("d")
        producer = Producer({"bootstrap.servers": load.bootstrap_servers, "acks": "all"})
        produce, topic, stamp = producer.produce, load.topic, Clock().iso
        while len(sent) < load.events:
            due = min(load.events, int((time.time() - begin) * load.rate))
            for number in range(len(sent), due):
                now = time.time()
                sent.append(now)
                produce(topic, b'{"timestamp":"%b"%b' % (stamp(int(now * 1_000)), tails[number]), keys[number])
            producer.poll(0)
            time.sleep(_PAUSE_S)
        if left := producer.flush(_FLUSH_TIMEOUT_S):
            raise RuntimeError(f"Kafka did not take {left} of {load.events} events")
        return sent


_sender: list[Sender] = []


def prepare(load: Load) -> None:
    """Make the events; to be called in a process of its own, before `send` there."""
    _sender.append(Sender(load))


def send(begin: float) -> array[float]:
    """Send what was prepared in this process."""
    return _sender.pop().send(begin)


def _now_ms() -> int:
    return int(time.time() * 1_000)
