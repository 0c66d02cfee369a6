"""One connection to Redis that does not make its owner wait: a thread of its own comes back after an outage."""

from __future__ import annotations

import hashlib
import random
import threading
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import redis

from udfs.redis_entries import COMPARE, MARK, TELL, WRITE
from udfs.redis_place import Sentinels, primary

FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 5.0
_PROBE_KEY = "segments:probe"
_PROBE_TTL_MS = 60_000


@dataclass(frozen=True, slots=True)
class RedisOptions:
    """Where Redis is and how long (ms) an entry stays and an attempt may take."""

    url: str
    ttl_ms: int
    timeout_ms: int
    sentinels: Sentinels | None = None  # who know the host and port, which those of `url` then are not


SCRIPTS = (WRITE, COMPARE, MARK, TELL)


def _sha(script: str) -> str:
    return hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()


WRITE_SHA, COMPARE_SHA, MARK_SHA, TELL_SHA = (_sha(script) for script in SCRIPTS)
_jitter = random.Random()  # noqa: S311 - workers are not to come at once; its own, as a thread uses it


class RedisLink:
    """Sends requests and looks for their answers; while it is not `up`, a thread tries to connect anew.

    The address is resolved anew each time, and Sentinels are asked anew; a server counts as back once it takes a write.
    So a failover is followed, and a replica, a server that loads and one that is full are all away.
    """

    def __init__(self, options: RedisOptions) -> None:
        """Connect; waits no longer than one attempt may take."""
        self._timeout = options.timeout_ms / 1_000
        self._url, self._sentinels = options.url, options.sentinels
        self._pool = redis.ConnectionPool.from_url(
            options.url,
            socket_timeout=self._timeout,
            socket_connect_timeout=self._timeout,
            socket_keepalive=True,
        )
        self.up = False
        self.server = ""  # the id that the server gave itself when it started
        self.reason = "no answer yet"
        self._connection: Any = None
        self._found: tuple[Any, str] | None = None
        self._pause = 0.0
        self._has_found = threading.Event()
        self._closing = threading.Event()
        self._due = 0
        self._answers: list[Any] = []
        self._heard = 0.0
        self._seek()
        self._has_found.wait(self._timeout)

    @property
    def address(self) -> str:
        """Where Redis is, without user and password."""
        if self._sentinels is not None:
            return str(self._sentinels)
        known = self._pool.connection_kwargs
        return str(known.get("path") or f"{known.get('host', 'localhost')}:{known.get('port', 6379)}")

    def send(self, commands: Sequence[tuple[object, ...]]) -> None:
        """Send requests whose answers `answers` returns; raises redis.RedisError."""
        self._connection.send_packed_command(self._connection.pack_commands(commands))
        self._due, self._answers, self._heard = len(commands), [], time.monotonic()

    def answers(self, patience: float) -> list[Any] | None:
        """Return the answers, errors of Redis among them; None when they have not come within `patience` (s).

        Raises redis.RedisError when the connection is lost, or Redis was silent for longer than an attempt may take.
        """
        until = time.monotonic() + patience
        while self._due:
            if not self._connection.can_read(max(0.0, until - time.monotonic())):
                if time.monotonic() - self._heard > self._timeout:
                    raise redis.TimeoutError(f"no answer within {self._timeout:g} s")
                return None
            try:
                answer = self._connection.read_response()
            except redis.ResponseError as error:
                answer = error
            self._answers.append(answer)
            self._due -= 1
            self._heard = time.monotonic()
        return self._answers

    def took_a_write(self) -> None:
        """Note that all is well: the next outage begins with short pauses."""
        self._pause = 0.0

    def lose(self, error: Exception) -> None:
        """Leave the connection, and have the thread look for another, after a pause that grows up to 5 s."""
        self.up = False
        self.reason = _text(error)
        self._due = 0
        self._connection.disconnect()
        self._pause = min(max(2 * self._pause, FIRST_PAUSE_S), LONGEST_PAUSE_S)
        self._seek()

    def back(self) -> bool:
        """Take over the connection that the thread found, if it did."""
        if self._found is None:
            return False
        self._connection, self.server = self._found
        self._found = None
        self.up = True
        return True

    def wait_back(self, seconds: float) -> None:
        """Return when the thread has found Redis, or after some seconds."""
        self._has_found.wait(seconds)

    def close(self) -> None:
        """Leave Redis and end the thread."""
        self._closing.set()
        for connection in (self._connection, self._found and self._found[0]):
            if connection:
                connection.disconnect()

    def _seek(self) -> None:
        self._has_found.clear()
        threading.Thread(target=self._find, name="redis-link", daemon=True).start()

    def _find(self) -> None:
        pause = self._pause
        while not self._closing.wait(pause * _jitter.uniform(0.5, 1.0)):
            try:
                self._found = self._connected()
                self._has_found.set()
                return
            except (redis.RedisError, OSError) as error:
                self.reason = _text(error)
                pause = self._pause = min(max(2 * pause, FIRST_PAUSE_S), LONGEST_PAUSE_S)

    def _connected(self) -> tuple[Any, str]:
        connection: Any = self._pool.make_connection()
        try:
            if self._sentinels is not None:
                connection.host, connection.port = primary(self._url, self._sentinels, self._timeout)
            connection.connect()
            scripts = [("SCRIPT LOAD", script) for script in SCRIPTS]
            for command in (*scripts, ("SET", _PROBE_KEY, "1", "PX", _PROBE_TTL_MS)):
                connection.send_command(*command)
                connection.read_response()
            return connection, _server_id(connection)
        except BaseException:
            connection.disconnect()
            raise


def _server_id(connection: Any) -> str:
    """Return what a server calls itself since its start; one that does not say is another each time."""
    with suppress(redis.ResponseError):
        connection.send_command("INFO", "server")
        for line in bytes(connection.read_response()).decode(errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name == "run_id":
                return value.strip()
    return uuid.uuid4().hex


def _text(error: Exception) -> str:
    return str(error)[-200:] or type(error).__name__
