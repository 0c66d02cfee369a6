"""What of the events topics a backfill reads: written to a file, in which users can then be put together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Protocol

from jobs.topics import Record
from segments.events import EventDecoder, Plausibility, RejectedEvent


class Output(Protocol):
    """Where lines go."""

    def write(self, line: bytes, /) -> object:
        """Write a line."""
        ...


class EventFilter:
    """Passes on the events before `cut` that lie within its `reach` and that the job did not find too late; in ms."""

    def __init__(self, cut: int, reach: int | None, allowed_lateness: int, plausibility: Plausibility) -> None:
        self.counts: Counter[str] = Counter()
        self.earliest: int | None = None
        self._cut = cut
        self._first = 0 if reach is None else cut - reach
        self._lateness = allowed_lateness
        self._decode = EventDecoder(plausibility=plausibility).decode
        self._newest: dict[str, int] = {}

    def write(self, records: Iterable[Record], out: Output) -> None:
        """Write one event a line, in the order of the records."""
        for record in records:
            why = self._refusal(record)
            self.counts[why] += 1
            if why == "read":
                out.write((record.value or b"").replace(b"\n", b" ") + b"\n")  # in JSON a bare line break is a blank

    def _refusal(self, record: Record) -> str:
        try:
            event = self._decode(record.value or b"", record.timestamp)
        except RejectedEvent:
            return "rejected"
        time, newest = event.time, self._newest.get(event.user_id, 0)
        if time < newest - self._lateness:
            return "late"
        if time > newest:
            self._newest[event.user_id] = time
        if self.earliest is None or time < self.earliest:
            self.earliest = time
        if time >= self._cut:
            return "after the cut"
        return "read" if time >= self._first else "too old to matter"
