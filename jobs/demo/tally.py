"""What the demo has seen so far: counts, sizes of segments, the newest changes in words."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from datetime import UTC, datetime

from jobs.demo.latency import Latency
from jobs.player import HEARTBEAT_USER, Progress
from segments.changes import Change, Reason

_RECENT = 8
_UNTOLD = 500
_VARIETY = 5  # a segment is not told about again among so many


class Tally:
    """Filled by the demo's loop and read by its screen."""

    def __init__(self, segments: Iterable[str], latency: Latency) -> None:
        self.segments = tuple(segments)
        self.latency = latency
        self.progress = Progress(0, 0, 0.0, None)
        self.processed: int | None = None
        self.changes = 0
        self.dead_letters = 0
        self.late = 0
        self.entered: Counter[str] = Counter()
        self.exited: Counter[str] = Counter()
        self.recent: deque[str] = deque(maxlen=_RECENT)
        self._told: deque[str] = deque(maxlen=_VARIETY)
        self._untold: deque[Change] = deque(maxlen=_UNTOLD)

    def size(self, segment: str) -> int:
        """Return how many users are in a segment."""
        return self.entered[segment] - self.exited[segment]

    def add(self, change: Change) -> None:
        """Count a change; the heartbeat's own are left out."""
        if change.user_id == HEARTBEAT_USER:
            return
        self.changes += 1
        self._untold.append(change)
        if change.action != "updated":
            (self.entered if change.action == "entered" else self.exited)[change.segment] += 1
        if change.cause.message_id is not None:
            self.latency.seen(change.cause.message_id)

    def tell(self) -> None:
        """Put the newest change of a segment not told about lately into `recent`."""
        for change in reversed(self._untold):
            if change.segment not in self._told:
                self._told.append(change.segment)
                self.recent.append(in_words(change))
                break
        self._untold.clear()

    def event_time(self) -> str:
        """Return how far event time has come, in UTC."""
        if self.progress.event_time is None:
            return "-"
        return datetime.fromtimestamp(self.progress.event_time // 1_000, UTC).strftime("%a %Y-%m-%d %H:%M")


def in_words(change: Change) -> str:
    """Return a change as a sentence: who, what, and the condition that decided.

    >>> from segments.changes import TIMER
    >>> reason = Reason("count of any in 1h", ">= 3", 3, True)
    >>> in_words(Change("u1", "active", 1, "entered", 0, 1, TIMER, [reason], None, None, 1.0, None))
    'u1 entered active: count of any in 1h is 3 (>= 3), by time alone'
    """
    verb = "left" if change.action == "exited" else change.action
    entered = change.action == "entered"
    deciding = [reason for reason in change.because if reason.holds is entered] or change.because
    why = _reason(deciding[0]) if deciding else "no condition"
    cause = ", by time alone" if change.cause.kind == "timer" else ""
    return f"{change.user_id} {verb} {change.segment}: {why}{cause}"


def _reason(reason: Reason) -> str:
    value = reason.value
    shown = "not known" if value is None else ("yes" if value else "no") if isinstance(value, bool) else value
    return f"{reason.condition} is {shown} ({reason.expected})"
