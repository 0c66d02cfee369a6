"""Let a signal end a program in order, so that what it started is ended too."""

from __future__ import annotations

import signal
import sys
from types import FrameType


def exit_on_signals() -> None:
    """Turn SIGTERM and SIGHUP into `SystemExit`, as Ctrl-C is a `KeyboardInterrupt`: `finally` and `atexit` run."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _exit)


def _exit(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature that `signal` asks for
    sys.exit(128 + number)
