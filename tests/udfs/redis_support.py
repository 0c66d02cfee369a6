"""A Redis of its own to kill, and changes to write."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from jobs.stack.ports import LOOPBACK, free_ports
from jobs.stack.redis_server import find_binary, ping
from jobs.stack.waiting import wait_until
from segments.changes import Action, Cause, Change, Membership, Memberships
from udfs.redis_link import RedisOptions
from udfs.redis_writer import RedisWriter

T = 1_764_000_000_000
TTL = 60_000
START_TIMEOUT = 60.0
FLUSH_TIMEOUT = 120.0


class Server:
    """A Redis that can be killed, frozen and started again where it was; `keeps`: with what it has acknowledged."""

    def __init__(self, folder: Path, *, keeps: bool = True) -> None:
        (self._port,) = free_ports(1)
        self._command = [str(find_binary()), "--bind", LOOPBACK, "--port", str(self._port), "--dir", str(folder)]
        self._command += ["--appendonly", "yes" if keeps else "no", "--appendfsync", "always", "--save", ""]
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"redis://{LOOPBACK}:{self._port}/0"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        wait_until(lambda: ping(self.url), START_TIMEOUT, "Redis")

    def freeze(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)

    def kill(self) -> None:
        if self._process is not None:
            os.kill(self._process.pid, signal.SIGKILL)
            self._process.wait(timeout=60)
            self._process = None


class Proxy:
    """An address behind which another server may stand from one moment to the next, as after a failover."""

    def __init__(self, url: str) -> None:
        self._target = _place(url)
        self._listener = socket.create_server((LOOPBACK, 0))
        self._open: list[socket.socket] = []
        self.url = f"redis://{LOOPBACK}:{self._listener.getsockname()[1]}/0"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._cut()

    def lead_to(self, url: str) -> None:
        self._target = _place(url)
        self._cut()

    def _cut(self) -> None:
        for each in self._open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._open.clear()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                try:
                    far = socket.create_connection(self._target)
                except OSError:
                    near.close()
                    continue
                self._open += [near, far]
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=_pump, args=pair, daemon=True).start()


def _place(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or 0


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
    for each in (source, target):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


class Told:
    """The users of a worker as a reader of the segment topic sees them."""

    def __init__(self) -> None:
        self._users: dict[str, Memberships] = {}
        self.unreadable: set[str] = set()

    def hear(self, changes: Iterable[Change]) -> None:
        for each in changes:
            known = self._users.get(each.user_id)
            segments = dict(known.segments) if known else {}
            segments.pop(each.segment, None)
            if each.action != "exited":
                segments[each.segment] = Membership(each.segment_version, each.at, each.score, each.confidence)
            self._users[each.user_id] = Memberships(each.user_id, each.seq, each.at, segments)

    def forget(self, user_id: str) -> None:
        del self._users[user_id]

    def settle(self) -> int:
        return len(self._users)

    def seqs(self, first: int, last: int) -> list[tuple[str, int]]:
        return [(user, each.seq) for user, each in list(self._users.items())[first:last]]

    def memberships(self, user_id: str) -> Memberships | None:
        return None if user_id in self.unreadable else self._users.get(user_id)

    def is_readable(self, user_id: str) -> bool:
        return user_id not in self.unreadable


class Writer(RedisWriter):
    """A writer whose users are those of whom it is told."""

    def __init__(self, url: str, ttl: int = TTL, told: Told | None = None, *, lacking: bool = False) -> None:
        self.told = told or Told()
        super().__init__(RedisOptions(url, ttl, 1_000), self.told)
        self.own([0, 1], lacking=lacking)

    def write(self, changes: Iterable[Change]) -> None:
        listed = list(changes)
        self.told.hear(listed)
        super().write(listed)

    def flush(self) -> None:
        """Return when Redis has all; a test does not wait for ever."""

        def whole() -> bool:
            if not self.is_whole:
                self._link.wait_back(0.05)
                self.catch_up(1.0)
            return self.is_whole

        wait_until(whole, FLUSH_TIMEOUT, "Redis to have all")


def made(url: str) -> Writer:
    return Writer(url)


def put(writer: RedisWriter, changes: list[Change]) -> None:
    writer.write(changes)
    writer.flush()


def change(user: str, segment: str, action: Action, seq: int, score: float | None = None) -> Change:
    return Change(user, segment, 2, action, T + seq, seq, Cause("event"), [], score, None, 0.5, None)


def users_in(client: Any) -> dict[str, dict[str, str]]:
    """Return the hashes of all users, by user; `client` decodes."""
    return {key.removeprefix("seg:"): client.hgetall(key) for key in client.scan_iter("seg:*")}
