"""The whole local stack: start it, find a running one, submit jobs to it, end it."""

from __future__ import annotations

import atexit
import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from jobs.stack import flink_cluster
from jobs.stack.flink_cluster import FlinkCluster
from jobs.stack.flink_config import ClusterSize, high_availability
from jobs.stack.flink_rest import FlinkRest
from jobs.stack.java import find_java_home
from jobs.stack.kafka_broker import KafkaBroker, create_topics
from jobs.stack.layout import DEFAULT_RUN, Layout
from jobs.stack.processes import ProcessTable, StackError, StartedProcess
from jobs.stack.redis_server import RedisServer
from jobs.stack.zookeeper import ZooKeeper

PARTITIONS = 4


@dataclass(frozen=True)
class Parts:
    """Which servers to start, and how large a Flink cluster (None: one TaskManager a core with one slot each).

    `high_availability` adds a ZooKeeper: a JobManager that has died then takes up its jobs when it is back.
    """

    kafka: bool = True
    redis: bool = True
    flink: bool = True
    size: ClusterSize | None = None
    high_availability: bool = False

    def cluster_size(self) -> ClusterSize:
        """Return the size asked for, else one slot a core."""
        return self.size or ClusterSize(task_managers=max(1, os.cpu_count() or 1))


@dataclass(frozen=True)
class Addresses:
    """Where the servers answer; empty text for one that was left out."""

    bootstrap_servers: str = ""
    redis_url: str = ""
    rest_url: str = ""
    flink_home: str = ""


class Stack:
    """A running Kafka broker, Redis server and Flink cluster, whose files lie in `.local/<run>/`.

    `start` makes one and `attach` finds the one that another process started. Used as a context manager it ends
    everything on the way out; without, `stop` does.
    """

    def __init__(self, layout: Layout, table: ProcessTable, addresses: Addresses, java_home: Path) -> None:
        """Hold a stack that runs already; use `start` or `attach`."""
        self._layout = layout
        self._table = table
        self._java_home = java_home
        self.run = layout.run
        self.bootstrap_servers = addresses.bootstrap_servers
        self.redis_url = addresses.redis_url
        self.rest_url = addresses.rest_url
        self.flink_home = Path(addresses.flink_home)
        self.rest = FlinkRest(addresses.rest_url)

    @classmethod
    def start(
        cls,
        root: Path,
        run: str = DEFAULT_RUN,
        parts: Parts | None = None,
        *,
        keep: bool = False,
        flink_options: Mapping[str, str] | None = None,
    ) -> Stack:
        """Start the servers side by side and return once all of them answer.

        They end with this process unless `keep` is true. Raises `StackError` when the run is up already or a server
        does not come up, `WaitTimeoutError` when one takes too long, `JavaNotFoundError` without a JDK; in each case,
        and on Ctrl-C, nothing is left running.
        """
        layout = Layout(root.resolve(), run)
        _clear(layout)
        table = ProcessTable(layout.pids)
        starter = _Starter(layout, table, find_java_home(), flink_options or {})
        try:
            addresses = starter.start(parts or Parts())
            layout.state.write_text(json.dumps(asdict(addresses), indent=2))
        except BaseException:
            table.end_all()
            raise
        stack = cls(layout, table, addresses, starter.java_home)
        if not keep:
            atexit.register(stack.stop)
        return stack

    @classmethod
    def attach(cls, root: Path, run: str = DEFAULT_RUN) -> Stack:
        """Return the stack that another process started; raises `StackError` when none runs."""
        layout = Layout(root.resolve(), run)
        table = ProcessTable(layout.pids)
        if not layout.state.is_file() or not any(process.is_running() for process in table):
            raise StackError(f"no stack runs in {layout.home}: start one with 'make up'")
        return cls(layout, table, Addresses(**json.loads(layout.state.read_text())), find_java_home())

    def __enter__(self) -> Self:
        """Return the stack."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End the stack."""
        self.stop()

    def stop(self) -> None:
        """End every server of the stack; harmless when it has ended."""
        atexit.unregister(self.stop)
        self._layout.state.unlink(missing_ok=True)
        self._table.end_all()

    def create_topics(
        self, names: Iterable[str], *, compacted: Iterable[str] = (), partitions: int = PARTITIONS
    ) -> None:
        """Create the topics that do not exist yet; those in `compacted` keep the newest value of each key."""
        create_topics(self.bootstrap_servers, names, compacted=compacted, partitions=partitions)

    def submit(self, args: Sequence[str], env: Mapping[str, str] | None = None) -> str:
        """Run `flink run --detached ARGS` against this cluster and return the job's id."""
        return flink_cluster.submit(self.flink_home, self._java_home, args, env or {})

    def job_state(self, job: str) -> str:
        """Return the job's state: `RUNNING`, `RESTARTING`, `FINISHED`, `FAILED`, ..."""
        return self.rest.job_state(job)

    def stop_with_savepoint(self, job: str, *, drain: bool = False) -> str:
        """Stop the job behind a savepoint and return the savepoint's address."""
        return self.rest.stop_with_savepoint(job, drain=drain)

    def cancel(self, job: str) -> None:
        """Cancel the job and wait until it has ended."""
        self.rest.cancel(job)

    def processes(self, name: str = "") -> dict[str, int]:
        """Return the process ids of the servers whose names start with `name` (`taskmanager`, `kafka`, ...)."""
        return {process.name: process.pid for process in self._table if process.name.startswith(name)}

    def server(self, name: str) -> StartedProcess:
        """Return the server of that name; raises `StackError` when the stack has none."""
        for process in self._table:
            if process.name == name:
                return process
        raise StackError(f"the stack {self.run} has no {name}, only {', '.join(self.processes())}")

    def kill(self, name: str) -> None:
        """Kill a server and all it started with SIGKILL."""
        self._table.kill(self.server(name))

    def start_again(self, name: str, *more: str) -> None:
        """Start a killed server once more, at its old address; it has come up some time after this returns."""
        self._table.start_again(self.server(name), *more)

    def logs_tail(self) -> str:
        """Return the end of each server's log, for an error message."""
        return "\n".join(f"--- {process.log}\n{process.log_tail()}" for process in self._table)


class _Starter:
    """Start the parts of one stack side by side."""

    def __init__(self, layout: Layout, table: ProcessTable, java_home: Path, flink_options: Mapping[str, str]) -> None:
        self.java_home = java_home
        self._layout = layout
        self._table = table
        self._flink_options = flink_options

    def start(self, parts: Parts) -> Addresses:
        wanted: dict[str, Callable[[], dict[str, str]]] = {}
        if parts.kafka:
            wanted["kafka"] = lambda: self._kafka(long_lived=parts.cluster_size().long_lived)
        if parts.redis:
            wanted["redis"] = self._redis
        if parts.flink:
            wanted["flink"] = lambda: self._flink(parts.cluster_size(), with_zookeeper=parts.high_availability)
        with ThreadPoolExecutor(max_workers=max(1, len(wanted))) as pool:
            futures = [pool.submit(part) for part in wanted.values()]
            try:
                found = [future.result() for future in futures]
            except BaseException:
                self._table.close()  # the other parts stop waiting at once
                raise
        return Addresses(**{key: value for part in found for key, value in part.items()})

    def _kafka(self, *, long_lived: bool) -> dict[str, str]:
        jars = self._layout.kafka_jars()
        data = self._layout.home / "kafka"
        logs = self._layout.logs
        broker = KafkaBroker.start(jars, data, self.java_home, self._table, logs, long_lived=long_lived)
        broker.wait_ready(self._table)
        return {"bootstrap_servers": broker.bootstrap_servers}

    def _redis(self) -> dict[str, str]:
        server = RedisServer.start(self._layout.home / "redis", self._table, self._layout.logs)
        server.wait_ready(self._table)
        return {"redis_url": server.url}

    def _flink(self, size: ClusterSize, *, with_zookeeper: bool) -> dict[str, str]:
        home = self._layout.home / "flink"
        jars, options = self._layout.bridge_jars(), dict(self._flink_options)
        if with_zookeeper:
            data = self._layout.home / "zookeeper"
            zookeeper = ZooKeeper.start(data, self.java_home, self._table, self._layout.logs)
            zookeeper.wait_ready(self._table)
            options = high_availability(zookeeper.address, self._layout.home / "ha") | options
        cluster = FlinkCluster.start(home, size, self.java_home, self._table, jars=jars, options=options)
        cluster.wait_ready(self._table)
        return {"rest_url": cluster.rest.url, "flink_home": str(home)}


def end(root: Path, run: str = DEFAULT_RUN) -> int:
    """End whatever is left of the run, also of one that crashed; return how many servers it had."""
    layout = Layout(root.resolve(), run)
    table = ProcessTable(layout.pids)
    servers = len(list(table))
    layout.state.unlink(missing_ok=True)
    table.end_all()
    return servers


def _clear(layout: Layout) -> None:
    """Remove what a former stack of this run left; raises `StackError` when it still runs."""
    table = ProcessTable(layout.pids)
    running = [process.name for process in table if process.is_running()]
    if running:
        raise StackError(f"a stack runs in {layout.home} already ({', '.join(running)}): end it with 'make down'")
    table.end_all()
    if layout.home.exists():
        shutil.rmtree(layout.home)
    layout.home.mkdir(parents=True)
