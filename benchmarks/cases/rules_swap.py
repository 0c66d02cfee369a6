"""A release in a running job with all users in state: how long events wait meanwhile, and when all users follow."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import orjson
from confluent_kafka import Consumer, Producer, TopicPartition

from benchmarks.cases.case import BenchmarkError, Context, Numbers
from benchmarks.cases.rules_preview import stricter
from benchmarks.cases.servers import output_topic
from benchmarks.cases.worker import ROOT, SETTINGS_PATH, START_MS, STEP_MS
from jobs.control_topic import read_history
from jobs.release import Intent, await_release, planned, write_release
from jobs.settings import load_settings
from jobs.stack.stack import PARTITIONS
from jobs.stack.waiting import wait_until

NAME = "swap"
PROBES_PER_S = 50
QUIET_S = 10.0  # of watching before the release
_EVENTS_A_USER = 2
_SUBMIT_TIMEOUT_S = 60.0
_CATCH_UP_TIMEOUT_S = 900.0
_SWEEP_TIMEOUT_S = 300.0


def measure(context: Context) -> Numbers:
    """Return the longest time (s) that an event waited during the swap, and until all users were judged anew."""
    servers, users = context.servers, context.sizes.swap_users
    servers.prepare(NAME)
    topic = servers.filled(users, _EVENTS_A_USER * users, context.say)
    environment = servers.environment(NAME, topic)
    job = servers.stack.submit(["-py", "jobs/segmentation.py", "--settings", str(SETTINGS_PATH)], environment)
    try:
        wait_until(lambda: servers.stack.rest.tasks_running(job), _SUBMIT_TIMEOUT_S, "the job's tasks to run")
        first_time = START_MS + _EVENTS_A_USER * users * STEP_MS
        with probing(servers.stack.bootstrap_servers, topic, output_topic(NAME, "changes"), first_time) as probes:
            context.say(f"the job takes {users:,} users into its state")
            wait_until(lambda: bool(probes.arrived), _CATCH_UP_TIMEOUT_S, "the job to catch up")
            time.sleep(QUIET_S)  # measured without a release, for comparison
            numbers = _release(context, environment, probes)
        if (state := servers.stack.job_state(job)) != "RUNNING":
            raise BenchmarkError(f"the job is {state}: {servers.stack.rest.root_exception(job)[-2_000:]}")
        return {"users": servers.redis_users(), **numbers}
    finally:
        servers.stack.cancel(job)


def _release(context: Context, environment: dict[str, str], probes: Probes) -> Numbers:
    settings = load_settings(SETTINGS_PATH, environment)
    history = read_history(settings.kafka)
    definitions = stricter((ROOT / "conf" / "segments.yaml").read_text(encoding="utf-8"))
    effective = probes.newest_time() + 1_000 * STEP_MS // PROBES_PER_S
    release = planned(history, Intent("release", definitions, at=effective), int(time.time() * 1_000), None)
    before = probes.longest_wait(time.time() - QUIET_S, time.time())
    context.say("releases")
    started = time.time()
    write_release(settings.kafka, release)
    done = await_release(
        settings.kafka,
        release,
        settings.flink.shards,
        _SWEEP_TIMEOUT_S,
        lambda progress: context.say(f"{progress.users:,} users judged, {progress.shards} shards done"),
    )
    ended = time.time()
    if done is None:
        raise BenchmarkError(f"not all shards had followed the release after {_SWEEP_TIMEOUT_S:.0f} s")
    time.sleep(2.0)  # for the probes sent last
    return {
        "judged": done.users,
        "changes": done.changes,
        "all_users_s": ended - started,
        "pause_s": probes.longest_wait(started, ended),
        "longest_wait_before_s": before,
    }


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
