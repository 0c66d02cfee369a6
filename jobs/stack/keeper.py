"""Keeps a server running: starts its command, and starts it again when it has died, as systemd or Kubernetes does.

`python keeper.py COMMAND...` is what the stack starts and ends. It needs the standard library only, so that it is up at
once.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import FrameType

FIRST_PAUSE = 0.2  # seconds before a start; doubles while the server dies young
LONGEST_PAUSE = 10.0
YOUNG = 20.0  # seconds: who dies sooner has not come up


class Keeper:
    """Runs one command for as long as it is not told to stop."""

    def __init__(self, command: list[str]) -> None:
        self._command = command
        self._child: subprocess.Popen[bytes] | None = None
        self._ending = threading.Event()

    def run(self) -> int:
        """Return the command's exit code once it has ended in order, or has died before it ever came up."""
        signal.signal(signal.SIGTERM, self._stop)
        pause, came_up = FIRST_PAUSE, False
        while True:
            started = time.monotonic()
            self._child = subprocess.Popen(self._command)
            if self._ending.is_set():  # the signal came before there was a child to pass it to
                self._child.terminate()
            code = self._child.wait()
            young = time.monotonic() - started < YOUNG
            came_up = came_up or not young
            if self._ending.is_set() or code in (0, -signal.SIGTERM, 128 + signal.SIGTERM) or not (came_up or code < 0):
                return code
            kill_session()
            pause = min(pause * 2, LONGEST_PAUSE) if young else FIRST_PAUSE
            sys.stderr.write(f"keeper: ended with {code}, started again in {pause:g} s\n")
            sys.stderr.flush()
            time.sleep(pause)
            if self._ending.is_set():
                return 0

    def _stop(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the signature that `signal` asks for
        self._ending.set()
        if self._child is not None:
            self._child.terminate()


def kill_session() -> None:
    """Kill what the dead server has left in this session, as a container's end does: its Python workers, say."""
    own = os.getpid()
    for folder in Path("/proc").glob("[0-9]*"):
        pid = int(folder.name)
        try:
            if pid != own and os.getsid(pid) == os.getsid(own):
                os.kill(pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            continue


if __name__ == "__main__":
    sys.exit(Keeper(sys.argv[1:]).run() & 0xFF)
