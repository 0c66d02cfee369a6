"""A Redis of its own to kill, and changes to write."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from jobs.stack.ports import LOOPBACK, free_ports
from jobs.stack.redis_server import find_binary, ping
from jobs.stack.waiting import wait_until
from segments.changes import Action, Cause, Change
from udfs.redis_writer import RedisOptions, RedisWriter

T = 1_764_000_000_000
TTL = 60_000
START_TIMEOUT = 20.0


class Server:
    """A Redis that keeps what it has acknowledged; it can be killed and started again where it was."""

    def __init__(self, folder: Path) -> None:
        (self._port,) = free_ports(1)
        self._command = [str(find_binary()), "--bind", LOOPBACK, "--port", str(self._port), "--dir", str(folder)]
        self._command += ["--appendonly", "yes", "--appendfsync", "always", "--save", ""]
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"redis://{LOOPBACK}:{self._port}/0"

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        wait_until(lambda: ping(self.url), START_TIMEOUT, "Redis")

    def kill(self) -> None:
        if self._process is not None:
            os.kill(self._process.pid, signal.SIGKILL)
            self._process.wait(timeout=10)
            self._process = None


def made(url: str, sleep: Callable[[float], None] = time.sleep, ttl: int = TTL) -> RedisWriter:
    return RedisWriter(RedisOptions(url, ttl, 1_000), sleep)


def put(writer: RedisWriter, changes: list[Change]) -> None:
    writer.write(changes)
    writer.flush()


def change(user: str, segment: str, action: Action, seq: int, score: float | None = None) -> Change:
    return Change(user, segment, 2, action, T + seq, seq, Cause("event"), [], score, None, 0.5, None)
