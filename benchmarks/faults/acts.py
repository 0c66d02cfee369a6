"""Faults as functions on a live run. Each does its harm, takes back what would not end by itself, and returns.

`recovered` then waits until the run goes on; faults done before it overlap.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from random import Random

import psutil
import redis

from benchmarks.faults.live_run import LiveRun
from benchmarks.faults.outages import PAUSE_S, fail_over_redis, fill_redis, refuse_checkpoints, send_too_large
from jobs.stack.kafka_broker import broker_ids
from jobs.stack.redis_server import ping

Act = Callable[[LiveRun, Random], None]
_NEVER_LOSE = ("--appendonly", "yes", "--appendfsync", "always")


def kill_task_manager(run: LiveRun, random: Random) -> None:
    """Kill a TaskManager with -9; its keeper starts it again, as Kubernetes does."""
    kill_jvm(run, random.choice(sorted(run.stack.processes("taskmanager"))))


def kill_job_manager(run: LiveRun, random: Random) -> None:  # noqa: ARG001 - all acts share one signature
    """Kill the JobManager with -9; with high availability it takes the job up once its keeper has started it again."""
    kill_jvm(run, "jobmanager")


def kill_python_worker(run: LiveRun, random: Random) -> None:
    """Kill with -9 one of the processes that run the segment function."""
    _signal(random.choice(_awaited_workers(run)).pid, signal.SIGKILL)


def pause_python_worker(run: LiveRun, random: Random) -> None:
    """Stop a Python worker for some seconds, as a machine does that swaps or a virtual one that is moved."""
    with _stopped(random.choice(_awaited_workers(run)).pid):
        time.sleep((0.5 + random.random()) * PAUSE_S)


def restart_broker(run: LiveRun, random: Random) -> None:
    """Kill Kafka's only broker with -9 and start it again after a while: no partition has a leader meanwhile."""
    run.stack.kill("kafka")
    time.sleep(random.random() * PAUSE_S)
    run.stack.start_again("kafka")
    run.wait_for(lambda: bool(broker_ids(run.stack.bootstrap_servers)), "Kafka to be back")


def pause_redis(run: LiveRun, random: Random) -> None:
    """Stop Redis for some seconds, longer than the job waits for an answer: connections stay open, nobody answers."""
    with _stopped(run.stack.server("redis").pid):
        time.sleep((1 + random.random()) * PAUSE_S)


def restart_redis(run: LiveRun, random: Random) -> None:
    """Kill Redis with -9 and start it again after a while; it has kept what it had confirmed."""
    _keep_on_disk(run)
    run.stack.kill("redis")
    time.sleep(random.random() * PAUSE_S)
    run.stack.start_again("redis", *_NEVER_LOSE)
    run.wait_for(lambda: ping(run.stack.redis_url), "Redis to be back")


ACTS: Mapping[str, Act] = {
    "kill_task_manager": kill_task_manager,
    "kill_job_manager": kill_job_manager,
    "kill_python_worker": kill_python_worker,
    "pause_python_worker": pause_python_worker,
    "restart_broker": restart_broker,
    "pause_redis": pause_redis,
    "restart_redis": restart_redis,
    "fill_redis": fill_redis,
    "fail_over_redis": fail_over_redis,
    "refuse_checkpoints": refuse_checkpoints,
    "send_too_large": send_too_large,
}


def schedule(seed: int, faults: int, names: tuple[str, ...] = tuple(ACTS)) -> Iterator[str]:
    """Yield so many faults in random order, all kinds equally often, none right after itself.

    The same seed gives the same ones.

    >>> list(schedule(7, 3)) == list(schedule(7, 3)), sorted(schedule(1, len(ACTS))) == sorted(ACTS)
    (True, True)
    """
    random, last = Random(seed), ""  # noqa: S311 - a schedule wants a seed, not secrecy
    while faults > 0:
        some = random.sample(names, k=len(names))
        if some[0] == last:
            some.reverse()
        yield from some[:faults]
        faults, last = faults - len(some), some[-1]


def recovered(run: LiveRun) -> float:
    """Return the seconds until a checkpoint has completed that began after this call."""
    began = time.monotonic()
    run.await_checkpoint()
    return time.monotonic() - began


def kill_jvm(run: LiveRun, server: str) -> None:
    """Kill with -9 the JVM that a server of the stack is, once it runs."""

    def jvms() -> list[psutil.Process]:
        return [member for member in run.stack.server(server).members() if member.name().startswith("java")]

    run.wait_for(lambda: bool(jvms()), f"{server} to run")
    for jvm in jvms():
        _signal(jvm.pid, signal.SIGKILL)


def python_workers(run: LiveRun) -> list[psutil.Process]:
    """Return the processes that run the segment function, oldest first; those of earlier jobs may still be ending."""
    managers = [run.stack.server(name) for name in run.stack.processes("taskmanager")]
    found = [member for manager in managers for member in manager.members() if is_python_worker(member)]
    started = {member.pid: born for member in found if (born := _started(member)) is not None}
    newest = sorted((member for member in found if member.pid in started), key=lambda member: started[member.pid])
    return newest[-run.settings.flink.parallelism :]


def is_python_worker(process: psutil.Process) -> bool:
    """Say whether the process runs a Python function of a Flink job; no for one that has ended."""
    try:
        return any("beam_boot" in part or "sdk_worker" in part for part in process.cmdline()[:4])
    except psutil.Error:
        return False


def _started(process: psutil.Process) -> float | None:
    try:
        return process.create_time()
    except psutil.Error:
        return None


def _keep_on_disk(run: LiveRun) -> None:
    """Have the Redis server write down each change before it answers."""
    with redis.Redis.from_url(run.stack.redis_url) as client:
        client.config_set("appendfsync", "always")
        client.config_set("appendonly", "yes")

        def written() -> bool:
            told = client.info("persistence")
            return not told["aof_rewrite_in_progress"] and not told["aof_rewrite_scheduled"]

        run.wait_for(written, "Redis to have written all it holds")


def _awaited_workers(run: LiveRun) -> list[psutil.Process]:
    found: list[psutil.Process] = []

    def there() -> bool:
        found[:] = python_workers(run)
        return bool(found)

    run.wait_for(there, "a Python worker")
    return found


@contextmanager
def _stopped(pid: int) -> Iterator[None]:
    _signal(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        _signal(pid, signal.SIGCONT)


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return  # another fault was faster
