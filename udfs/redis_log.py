"""What operators hear of Redis: a line when it goes, one a minute while it is away, one when it is back and whole."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable

_log = logging.getLogger(__name__)
_EVERY_S = 60.0
_SHOWN = 3


class RedisLog:
    """Notes how a worker stands with Redis; the numbers are for metrics."""

    def __init__(self, address: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._address = address
        self._clock = clock
        self._since: float | None = None
        self._said = 0.0
        self._refused_said = -_EVERY_S
        self._refused_unsaid = 0
        self._is_whole = True
        self.outages = 0
        self.refusals = 0

    @property
    def away_s(self) -> int:
        """For how long (s) Redis has taken no write; 0 when it does."""
        return 0 if self._since is None else int(self._clock() - self._since) + 1

    def away(self, reason: str, behind: int) -> None:
        """Say that Redis takes no writes, once a minute."""
        now = self._clock()
        if self._since is None:
            self._since = self._said = now
            self.outages += 1
            self._is_whole = False
            _log.warning(
                "Redis at %s takes no writes: %s. The job goes on; who changes meanwhile is written when it is back.",
                self._address,
                reason,
            )
        elif now - self._said >= _EVERY_S:
            self._said = now
            _log.warning(
                "Redis at %s has taken no writes for %d s: %s. %d users wait to be written.",
                self._address,
                now - self._since,
                reason,
                behind,
            )

    def back(self, behind: int) -> None:
        """Say that Redis takes writes again, if it did not."""
        if self._since is not None:
            away = self._clock() - self._since
            self._since = None
            _log.warning(
                "Redis at %s takes writes again after %.0f s; %d users are still to be written or compared.",
                self._address,
                away,
                behind,
            )

    def unknown(self, server: str, users: int, *, was_emptied: bool) -> None:
        """Say that a server is not known to hold all users."""
        if users:
            self._is_whole = False
            _log.warning(
                "Redis at %s (run_id %s) %s: all %d users of this worker are compared, and written if it lacks them. "
                "Until then look-ups may miss users; `segments redis rebuild` fills it too.",
                self._address,
                server,
                "was emptied or is new" if was_emptied else "was started anew or is another server",
                users,
            )

    def whole(self) -> None:
        """Say that Redis holds all users, if it did not."""
        if not self._is_whole:
            self._is_whole = True
            _log.warning("Redis at %s holds all users of this worker again.", self._address)

    def refused(self, what: Iterable[str], why: str) -> None:
        """Say that Redis refuses single keys, or the users of one script; once a minute."""
        names = sorted(set(what))
        if not names:
            return
        self.refusals += len(names)
        self._refused_unsaid += len(names)
        now = self._clock()
        if now - self._refused_said >= _EVERY_S:
            _log.error(
                "Redis at %s refuses %d keys or users (%s): %s. The others go on. Delete what stands there: "
                "the next change of such a user writes him whole.",
                self._address,
                self._refused_unsaid,
                why[-200:],
                ", ".join(names[:_SHOWN]),
            )
            self._refused_said, self._refused_unsaid = now, 0
