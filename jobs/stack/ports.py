"""Free TCP ports for the servers of the stack; no port is fixed."""

from __future__ import annotations

import contextlib
import random
import socket

LOOPBACK = "127.0.0.1"
LOWEST, HIGHEST = (
    15_000,
    32_000,
)  # below the ephemeral range, so that no client socket takes one before its server binds
TRIES = 1_000


def free_ports(count: int) -> list[int]:
    """Return `count` different ports of the loopback address that were free just now.

    Raises `OSError` when none is found in a thousand tries.
    """
    with contextlib.ExitStack() as held:
        return [_hold_free_port(held) for _ in range(count)]


def _hold_free_port(held: contextlib.ExitStack) -> int:
    for _ in range(TRIES):
        port = random.randrange(LOWEST, HIGHEST)  # noqa: S311 - spreads parallel stacks, guards nothing
        server = held.enter_context(socket.socket())
        with contextlib.suppress(OSError):
            server.bind((LOOPBACK, port))
            return port
    raise OSError(f"no free port on {LOOPBACK} between {LOWEST} and {HIGHEST}")
