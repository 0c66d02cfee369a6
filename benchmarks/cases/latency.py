"""Latency at half the benched throughput: from just before an event is produced until its changes can be read."""

from __future__ import annotations

import time
from array import array
from collections.abc import Sequence
from math import inf
from statistics import median
from typing import NamedTuple

from benchmarks.cases import latency_load, latency_readers
from benchmarks.cases.case import BenchmarkError, Context, Numbers
from benchmarks.cases.fresh import fresh_process
from benchmarks.cases.latency_load import Load
from benchmarks.cases.latency_readers import Arrivals
from benchmarks.cases.servers import output_topic
from benchmarks.cases.worker import SETTINGS_PATH
from jobs.stack.waiting import wait_until

NAME = "latency"
PROBES_PER_S = 25
_SEED = 7
_SUBMIT_TIMEOUT_S = 60.0
_READERS_START_S = 3.0  # time for the readers to connect before the first event
_BEHIND_S = 20.0  # how far the job may be behind at the end before the measurement is given up
_LEAST_RATE = 0.95
_SETTLED_S = 1.0  # after the end of a checkpoint what waited for it is through


def measure(context: Context) -> Numbers:
    """Return the percentiles (ms) for the segment topic and for Redis, and the worse of the two."""
    rate = context.sizes.latency_rate or _half(context.job_rate())
    servers = context.servers
    servers.renew(long_lived=context.sizes.latency_long_lived)
    try:
        return _measured(context, rate)
    finally:
        servers.renew()


def _measured(context: Context, rate: float) -> Numbers:
    servers = context.servers
    servers.prepare(NAME)
    topic = f"{NAME}-events"
    servers.stack.create_topics([topic])
    seconds = context.sizes.latency_warmup_s + context.sizes.latency_s
    probe_every = max(1, round(rate / PROBES_PER_S))
    load = Load(
        servers.stack.bootstrap_servers, topic, context.sizes.users, int(rate * seconds), rate, probe_every, _SEED
    )
    job = servers.stack.submit(
        ["-py", "jobs/segmentation.py", "--settings", str(SETTINGS_PATH)], servers.environment(NAME, topic)
    )
    try:
        wait_until(lambda: servers.stack.rest.tasks_running(job), _SUBMIT_TIMEOUT_S, "the job's tasks to run")
        played = _play(context, load)
        if (state := servers.stack.job_state(job)) != "RUNNING":
            raise BenchmarkError(f"the job is {state}: {servers.stack.rest.root_exception(job)[-2_000:]}")
        checkpoints = servers.stack.rest.checkpoints(job)
        beside = apart_from(checkpoints, played.sent, played.since, played.kafka)
        return {"rate": load.rate, "users": load.users, **summary(*played), **beside}
    finally:
        servers.stack.cancel(job)


class Played(NamedTuple):
    """When (s since 1970) each event was sent, from when on they count, and when they arrived."""

    sent: Sequence[float]
    since: float
    kafka: Arrivals
    redis: Arrivals


def _half(job_rate: float | None) -> float:
    if job_rate is None:
        raise BenchmarkError("the job's throughput is not known: measure 'job' too, or pass --latency-rate")
    return job_rate / 2


def _play(context: Context, load: Load) -> Played:
    stack, warm_up = context.servers.stack, context.sizes.latency_warmup_s
    probes = -(-load.events // load.probe_every)
    with fresh_process() as sender, fresh_process() as reader, fresh_process() as poller:
        context.say(f"makes {load.events:,} events")
        sender.submit(latency_load.prepare, load).result()
        begin = time.time() + _READERS_START_S
        end = begin + load.events / load.rate
        changes = output_topic(NAME, "changes")
        in_kafka = reader.submit(latency_readers.read_changes, stack.bootstrap_servers, changes, end, end + _BEHIND_S)
        gap = load.probe_every / load.rate
        in_redis = poller.submit(latency_readers.poll_redis, stack.redis_url, probes, begin, gap, end + _BEHIND_S)
        context.say(f"sends {load.rate:,.0f} events/s for {end - begin:.0f} s, the first {warm_up} s of it as warm-up")
        sent = sender.submit(latency_load.send, begin).result()
        kafka, found = in_kafka.result(), in_redis.result()
    reached = (load.events - 1) / (sent[-1] - sent[0])
    if reached < _LEAST_RATE * load.rate:
        raise BenchmarkError(f"{reached:,.0f} events/s were sent instead of {load.rate:,.0f}: the producer is too slow")
    if len(found.numbers) < probes:
        raise BenchmarkError(
            f"the job is more than {_BEHIND_S:.0f} s behind at {load.rate:,.0f} events/s: "
            f"{probes - len(found.numbers)} of {probes} probes have not arrived in Redis"
        )
    redis = Arrivals(array("q", (number * load.probe_every for number in found.numbers)), found.times)
    return Played(sent, begin + warm_up, kafka, redis)


def summary(sent: Sequence[float], since: float, kafka: Arrivals, redis: Arrivals) -> Numbers:
    """Return percentiles over events sent from `since` (s since 1970) on; raises BenchmarkError without any."""
    topic, store = latencies(sent, since, kafka), latencies(sent, since, redis)
    if not topic or not store:
        raise BenchmarkError("nothing was read after the warm-up")
    numbers: Numbers = {"events": len(sent), "sent_per_s": (len(sent) - 1) / (sent[-1] - sent[0])}
    for name, sample in (("kafka", topic), ("redis", store)):
        numbers[f"{name}_samples"] = len(sample)
        for label, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0)):
            numbers[f"{name}_{label}_ms"] = percentile(sample, share)
    for label in ("p50", "p99"):
        numbers[f"{label}_ms"] = max(float(numbers[f"kafka_{label}_ms"]), float(numbers[f"redis_{label}_ms"]))
    return numbers


def apart_from(checkpoints: Sequence[tuple[int, int]], sent: Sequence[float], since: float, kafka: Arrivals) -> Numbers:
    """Return the p99 (ms) of the events sent while there was no checkpoint (began, ended; ms), and what those were.

    >>> apart_from([(10_000, 10_400)], [9.0, 10.1], 0.0, Arrivals(array("q", [0, 1]), array("d", [9.05, 11.0])))
    {'checkpoints': 1, 'kafka_apart_samples': 1, 'checkpoint_ms': 400, 'kafka_apart_p99_ms': 50.0}
    """
    times = [(began / 1_000, ended / 1_000 + _SETTLED_S) for began, ended in checkpoints if ended / 1_000 >= since]
    apart = [-inf if any(began <= at < settled for began, settled in times) else at for at in sent]  # never `since`
    sample = latencies(apart, since, kafka)
    numbers: Numbers = {"checkpoints": len(times), "kafka_apart_samples": len(sample)}
    if times:
        numbers["checkpoint_ms"] = round(1_000 * median(settled - began - _SETTLED_S for began, settled in times))
    if sample:
        numbers["kafka_apart_p99_ms"] = round(percentile(sample, 0.99), 1)
    return numbers


def latencies(sent: Sequence[float], since: float, arrivals: Arrivals) -> list[float]:
    """Return in ms, sorted, how long after being sent the events arrived."""
    pairs = zip(arrivals.numbers, arrivals.times, strict=True)
    return sorted((at - sent[number]) * 1_000 for number, at in pairs if sent[number] >= since)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest of the sorted values that at least `share` (0 to 1) of them do not exceed.

    >>> percentile([1.0, 2.0, 3.0, 4.0], 0.5), percentile([1.0, 2.0, 3.0, 4.0], 0.99)
    (2.0, 4.0)
    """
    return values[max(0, -(-int(len(values) * share * 1_000) // 1_000) - 1)]
