"""Waiting for a condition, with a bound and a reason when it does not come."""

from __future__ import annotations

import time
from collections.abc import Callable

FIRST_PAUSE = 0.02  # seconds between two looks at the condition; doubles up to the longest
LONGEST_PAUSE = 0.25


class WaitTimeoutError(TimeoutError):
    """The condition did not come true in time; the message names it."""


def wait_until(condition: Callable[[], bool], timeout: float, what: str) -> None:
    """Return once `condition()` is true; raise `WaitTimeoutError` naming `what` after `timeout` seconds.

    An `OSError` from the condition (a server that refuses connections) counts as "not yet".
    """
    deadline = time.monotonic() + timeout
    pause = FIRST_PAUSE
    last = ""
    while True:
        try:
            if condition():
                return
        except OSError as error:
            last = f" (last: {error})"
        if time.monotonic() >= deadline:
            raise WaitTimeoutError(f"waited {timeout:g} s in vain for {what}{last}")
        time.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)
