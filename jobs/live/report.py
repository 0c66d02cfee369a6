"""What a comparison found: differences of users, how many were compared, what was mended."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field

KEPT = 1_000  # differences whose text is kept
SHOWN = 5  # users who could not be compared


@dataclass(slots=True)
class Found:
    """Counts by what was compared, the first differences as text by user, and users who could not be compared."""

    counts: Counter[str] = field(default_factory=Counter)
    texts: dict[str, str] = field(default_factory=dict)
    moving: list[str] = field(default_factory=list)

    def differs(self, user: str, text: str) -> None:
        """Note what differs of a user."""
        self.counts["differences"] += 1
        if len(self.texts) < KEPT:
            self.texts[user] = text

    def not_compared(self, user: str) -> None:
        """Note a user of whom nothing could be said."""
        self.counts["not compared"] += 1
        if len(self.moving) < SHOWN:
            self.moving.append(user)


class Pace:
    """Lets no more than `rate` users a second through; a key or member that is only listed is a tenth of one."""

    def __init__(self, rate: int) -> None:
        self._rate, self._began, self._users = rate, time.monotonic(), 0.0

    def wait(self, users: float) -> None:
        """Return when so many users more may be looked at."""
        self._users += users
        time.sleep(max(0.0, self._began + self._users / self._rate - time.monotonic()))
