"""How long it takes from handing an event to the producer until the change it caused has been read."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator

_EVERY = 5  # one event in so many is timed
_KEPT = 50_000
_MESSAGE_ID = re.compile(rb'"messageId":\s?"([^"\\]+)"')


class Latency:
    """Times a sample of the events; an event is timed from before it waits in the producer, so no wait is left out.

    >>> now = iter([10.0, 10.25]).__next__
    >>> latency = Latency(every=1, clock=now)
    >>> events = list(latency.watched([b'{"messageId": "m1"}']))
    >>> latency.seen("m1"), latency.percentile(0.5)
    (True, 250.0)
    """

    def __init__(self, every: int = _EVERY, clock: Callable[[], float] = time.monotonic) -> None:
        self._every = every
        self._clock = clock
        self._sent: dict[str, float] = {}
        self._milliseconds: deque[float] = deque(maxlen=_KEPT)
        self._waiting_since: float | None = None

    def watched(self, events: Iterable[bytes]) -> Iterator[bytes]:
        """Pass events on, noting when some of them left."""
        for count, event in enumerate(events):
            if count % self._every == 0 and len(self._sent) < _KEPT:
                found = _MESSAGE_ID.search(event)
                if found is not None:
                    now = self._clock()
                    self._waiting_since = self._waiting_since or now
                    self._sent.setdefault(found[1].decode(errors="replace"), now)
            yield event

    def seen(self, message_id: str) -> bool:
        """Note that a change caused by this event has been read; returns False when the event is not in the sample."""
        sent = self._sent.pop(message_id, None)
        if sent is None:
            return False
        now = self._clock()
        self._waiting_since = now
        self._milliseconds.append((now - sent) * 1_000)
        return True

    def newest(self) -> float:
        """Return the newest latency (ms), or how long no change has come when that is longer."""
        silence = 0.0 if self._waiting_since is None else (self._clock() - self._waiting_since) * 1_000
        return max(silence, self._milliseconds[-1] if self._milliseconds else 0.0)

    def percentile(self, share: float) -> float | None:
        """Return the latency (ms) that `share` of the sample did not exceed; None before the first."""
        if not self._milliseconds:
            return None
        ordered = sorted(self._milliseconds)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]

    def text(self) -> str:
        """Return p50 and p99 for people."""
        middle, worst = self.percentile(0.5), self.percentile(0.99)
        return "-" if middle is None or worst is None else f"p50 {middle:,.0f} ms, p99 {worst:,.0f} ms"
