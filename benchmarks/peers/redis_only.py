"""Redis for contestants that keep no profiles: they wait for it, as the job did not need to."""

from __future__ import annotations

import os

from segments.changes import Memberships
from udfs.redis_link import RedisOptions
from udfs.redis_writer import RedisWriter

_MONTH_MS = 30 * 86_400_000
_PATIENCE_S = 60.0


class _NoUsers:
    """Nobody: a user who would have to be written whole ends the run."""

    def settle(self) -> int:
        """Count nobody."""
        return 0

    def seqs(self, *_: int) -> list[tuple[str, int]]:
        """Name nobody."""
        return []

    def memberships(self, user_id: str) -> Memberships | None:
        """Raise RuntimeError."""
        raise RuntimeError(f"Redis lost what it was told of {user_id}: start the measurement anew")

    def is_readable(self, *_: str) -> bool:
        """Say that nobody stands in the way."""
        return True


def redis_writer(url: str) -> RedisWriter:
    """Return a writer to a Redis that is there for the whole run."""
    writer = RedisWriter(RedisOptions(url, _MONTH_MS, int(_PATIENCE_S * 1_000)), _NoUsers(), _PATIENCE_S)
    writer.own([os.getpid()], lacking=False)  # each process marks for itself what it wrote
    return writer
