"""Events of users nobody has seen before, at a steady pace, and when each led to a change that could be read."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import orjson
from confluent_kafka import Consumer, Producer, TopicPartition

from jobs.stack.stack import PARTITIONS

PROBES_PER_S = 50


class Probes:
    """Events of new users at a steady pace, and when their first change could be read."""

    def __init__(self, bootstrap_servers: str, events: str, changes: str, first_time: int, name: str = "probe") -> None:
        self._servers, self._events, self._changes = bootstrap_servers, events, changes
        self._prefix = f"{name}-"
        self._first_time = first_time
        self._sent: list[float] = []
        self.arrived: dict[int, float] = {}
        self._over = threading.Event()
        self._threads = [threading.Thread(target=each, daemon=True) for each in (self._send, self._read)]

    def start(self) -> None:
        """Begin to send and to read."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End both."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    def newest_time(self) -> int:
        """Return the event time (ms) of the newest probe."""
        return self._time(len(self._sent))

    def sent_at(self, number: int) -> float:
        """Return when (s since 1970) the probe of that number was sent."""
        return self._sent[number]

    def longest_wait(self, since: float, until: float) -> float:
        """Return how long (s) the slowest of the probes sent in between took to lead to a change that can be read."""
        now = time.time()
        waits = [self.arrived.get(n, now) - at for n, at in enumerate(list(self._sent)) if since <= at <= until]
        return max(waits)

    def _time(self, number: int) -> int:
        return self._first_time + number * 1_000 // PROBES_PER_S

    def _send(self) -> None:
        producer = Producer({"bootstrap.servers": self._servers, "linger.ms": 0})
        began = time.time()
        while not self._over.is_set():
            number = len(self._sent)
            if self._over.wait(max(0.0, began + number / PROBES_PER_S - time.time())):
                break
            event = {"type": "page", "userId": f"{self._prefix}{number}", "timestamp": self._time(number)}
            self._sent.append(time.time())
            producer.produce(
                self._events, orjson.dumps(event), partition=number % PARTITIONS, timestamp=self._time(number)
            )
            producer.poll(0)
        producer.flush(10)

    def _read(self) -> None:
        consumer = Consumer({"bootstrap.servers": self._servers, "group.id": "probes", "auto.offset.reset": "latest"})
        try:
            consumer.assign([TopicPartition(self._changes, partition) for partition in range(PARTITIONS)])
            while not self._over.is_set():
                for message in consumer.consume(1_000, timeout=0.05):
                    key = (message.key() or b"").decode()
                    if key.startswith(self._prefix):
                        self.arrived.setdefault(int(key.removeprefix(self._prefix)), time.time())
        finally:
            consumer.close()


@contextmanager
def probing(
    bootstrap_servers: str, events: str, changes: str, first_time: int, name: str = "probe"
) -> Iterator[Probes]:
    """Send probes for as long as the block runs; their users' names begin with `name`."""
    probes = Probes(bootstrap_servers, events, changes, first_time, name)
    probes.start()
    try:
        yield probes
    finally:
        probes.stop()
