"""How much fails in a worker: counted, said in the log, and a job in which nearly everything fails stops."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable

from segments.failures import Failure

BUGS = frozenset({"failed", "corrupt_profile"})  # reasons of dead letters that are our fault, not the event's
_WINDOW = 10_000  # events
_AT_LEAST = 1_000  # failures, before their share means anything
_SAY_EVERY_S = 60.0

_log = logging.getLogger(__name__)


class TooManyFailuresError(RuntimeError):
    """So much fails that the job must not go on: the events stay in Kafka, and state at its last checkpoint."""


class Failing:
    """Watches what fails; `max_share` of the events above which the job stops, 1.0: never."""

    def __init__(self, max_share: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_share = max_share
        self._clock = clock
        self._events = self._failed = 0
        self._said: dict[str, float] = {}
        self._unsaid: Counter[str] = Counter()

    def count(self, events: int, failed: int) -> None:
        """Count what became of events; raises TooManyFailuresError when of about 10,000 too many failed."""
        self._events += events
        self._failed += failed
        if self._failed >= _AT_LEAST and self._failed > self._max_share * self._events:
            raise TooManyFailuresError(
                f"{self._failed} of the last {self._events} events failed because of a bug in the definitions or in "
                f"the job, more than errors.max_failed_share ({self._max_share:g}) allows. Nothing is lost: the events "
                "are in Kafka. The log and the dead letters say what failed; mend it, start from the last checkpoint"
            )
        if self._events >= _WINDOW:
            self._events = self._failed = 0

    def say(self, reason: str, user_id: str, definition: str, detail: str) -> None:
        """Log a failure, unless one with this reason was logged in the last minute: then it is counted."""
        now = self._clock()
        if now - self._said.get(reason, -_SAY_EVERY_S) < _SAY_EVERY_S:
            self._unsaid[reason] += 1
            return
        self._said[reason] = now
        more = self._unsaid.pop(reason, 0)
        about = f"user {user_id or 'unknown'}" + (f", {definition}" if definition else "")
        _log.error("%s (%s; %d more since the last line like this): %s", reason, about, more, detail)

    def tell(self, failure: Failure) -> None:
        """Log a failure that is no event's."""
        self.say(failure.reason, failure.user_id, failure.definition, failure.detail)
