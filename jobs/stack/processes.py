"""The processes of one stack: each in a session of its own, recorded in a file, ended by id and by nothing else."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from jobs.stack.waiting import WaitTimeoutError, wait_until

MARK = "FLINK_SEGMENTS_STACK"  # environment variable that a stack's processes carry and hand to their children
SAME_START = 2.0  # seconds by which two readings of one start time may differ (the system clock is adjusted)
TERM_TIMEOUT = 15.0  # seconds given to end in order
KILL_TIMEOUT = 10.0  # seconds given to vanish after SIGKILL
TAIL_BYTES = 4_000


class StackError(RuntimeError):
    """The local stack could not do what was asked; the message says what, and where to look."""


@dataclass(frozen=True)
class StartedProcess:
    """One server: its process id, which is also its session's id, and its start in seconds since 1970."""

    name: str
    pid: int
    started: float
    mark: str
    log: str

    def is_running(self) -> bool:
        """Tell whether this very process still runs: same id, same start."""
        try:
            process = psutil.Process(self.pid)
            return self._is_same(process) and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def members(self) -> list[psutil.Process]:
        """Return what still runs of this server: itself and what it started, such as Python workers."""
        try:
            if not self._is_same(psutil.Process(self.pid)):
                return []  # the id went to a stranger, so nothing of ours is left in that session
        except psutil.NoSuchProcess:
            pass  # the server has ended; its children may be left
        return [process for process in psutil.process_iter() if self._owns(process)]

    def log_tail(self) -> str:
        """Return the end of the server's log for an error message; empty when there is none."""
        path = Path(self.log)
        return path.read_bytes()[-TAIL_BYTES:].decode(errors="replace") if path.is_file() else ""

    def _is_same(self, process: psutil.Process) -> bool:
        return abs(process.create_time() - self.started) < SAME_START

    def _owns(self, process: psutil.Process) -> bool:
        try:
            if os.getsid(process.pid) != self.pid or process.status() == psutil.STATUS_ZOMBIE:
                return False
            if process.pid == self.pid:  # may have overwritten its environment, as Redis does with its title
                return self._is_same(process)
            environment = process.environ()  # empty while the process is being replaced or is dying
            return not environment or environment.get(MARK) == self.mark
        except (OSError, psutil.Error):
            return False


class ProcessTable:
    """The servers of one stack, kept in a file so that another process can end them."""

    def __init__(self, path: Path) -> None:
        """Read the table at `path`; it is empty when there is no such file."""
        self._path = path
        self._lock = threading.Lock()
        self._closed = False
        self._children: dict[int, subprocess.Popen[bytes]] = {}
        self._commands: dict[int, tuple[list[str], dict[str, str]]] = {}
        entries = json.loads(path.read_text()) if path.is_file() else []
        self._started = [StartedProcess(**entry) for entry in entries]

    def __iter__(self) -> Iterator[StartedProcess]:
        """Go through the servers in the order they were started."""
        return iter(list(self._started))

    def spawn(self, name: str, command: Sequence[str], env: Mapping[str, str], log: Path) -> StartedProcess:
        """Start `command` in a session of its own, its output appended to `log`, and record it.

        Raises `StackError` when the table was closed meanwhile.
        """
        log.parent.mkdir(parents=True, exist_ok=True)
        mark = str(self._path.parent)
        with self._lock, log.open("ab") as output:
            if self._closed:
                raise StackError(f"{name} was not started: the stack is being stopped")
            child = subprocess.Popen(
                list(command),
                env={**os.environ, **env, MARK: mark},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            started = StartedProcess(name, child.pid, psutil.Process(child.pid).create_time(), mark, str(log))
            self._children[child.pid] = child
            self._commands[child.pid] = list(command), dict(env)
            self._started.append(started)
            self._save()
        return started

    def check_running(self, process: StartedProcess) -> None:
        """Raise `StackError` with the end of its log when `process` has ended or the table was closed."""
        if self._closed:
            raise StackError(f"{process.name} is being stopped")
        self._reap()
        if not process.is_running():
            raise StackError(f"{process.name} ended by itself; its log {process.log} ends with:\n{process.log_tail()}")

    def close(self) -> None:
        """Start nothing more, and let everyone who waits for a server of this table stop waiting."""
        with self._lock:
            self._closed = True

    def end_all(self) -> None:
        """End every server and its children: SIGTERM, then SIGKILL to what is left, each with a bound.

        Raises `StackError` when something cannot be ended.
        """
        self.close()
        self._end(list(reversed(self._started)))
        self._started.clear()
        self._path.unlink(missing_ok=True)

    def end(self, process: StartedProcess) -> None:
        """End one server and its children, and forget it."""
        self._end([process])
        with self._lock:
            self._started.remove(process)
            self._save()

    def kill(self, process: StartedProcess) -> None:
        """End one server and its children with SIGKILL, as a machine that fails does; `start_again` brings it back."""
        for member in process.members():
            _send(member, signal.SIGKILL)
        wait_until(lambda: not self._members([process]), KILL_TIMEOUT, f"{process.name} to vanish")
        self._collect([process])

    def start_again(self, process: StartedProcess, *more: str) -> StartedProcess:
        """Start a server that has ended once more, with the same command and `more` arguments.

        Raises `StackError` when it still runs, or when another process started it.
        """
        if process.pid not in self._commands:
            raise StackError(f"{process.name} was started by another process, which alone knows its command")
        if process.members():
            raise StackError(f"{process.name} has not ended")
        command, env = self._commands.pop(process.pid)
        with self._lock:
            self._started.remove(process)
        return self.spawn(process.name, [*command, *more], env, Path(process.log))

    def _end(self, servers: Sequence[StartedProcess]) -> None:
        for number, timeout in ((signal.SIGTERM, TERM_TIMEOUT), (signal.SIGKILL, KILL_TIMEOUT)):
            for member in self._members(servers):
                _send(member, number)
            try:
                wait_until(lambda: not self._members(servers), timeout, "the servers to end")
            except WaitTimeoutError:
                continue
            self._collect(servers)
            return
        left = ", ".join(f"{member.pid} ({member.name()})" for member in self._members(servers))
        raise StackError(f"these processes of the stack did not end after SIGKILL: {left}")

    def _members(self, servers: Sequence[StartedProcess]) -> list[psutil.Process]:
        self._reap()
        return [member for server in servers for member in server.members()]

    def _reap(self) -> None:
        for child in self._children.values():
            child.poll()

    def _collect(self, servers: Sequence[StartedProcess]) -> None:
        """Wait for what this process started itself: a dying process may be out of sight before it has ended."""
        for server in servers:
            child = self._children.pop(server.pid, None)
            if child is not None:
                child.wait(KILL_TIMEOUT)

    def _save(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(json.dumps([asdict(process) for process in self._started], indent=2))


def _send(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return
