"""Changes of one user, recomputed from all of its events at every instant that could matter."""

import heapq
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from tests.oracle.conditions import Asked, holds
from tests.oracle.history import History
from tests.oracle.instants import candidates, confidence_below, walk
from tests.oracle.values import duration_ms

HOUR = 3_600_000
Definitions = dict[str, Any]


class Change(NamedTuple):
    """One transition; `at` in ms."""

    at: int
    segment: str
    action: str


def changes(
    definitions: Definitions,
    events: Iterable[tuple[int, dict[str, Any]]],
    until: int | None = None,
    allowed_lateness: int = HOUR,
) -> list[Change]:
    """Transitions of one user whose events (ms, Segment Spec event) come in order of arrival."""
    return list(User(definitions, allowed_lateness).run(events, until))


class User:
    """One user: all events, the clock, and since when it is in which segment."""

    def __init__(self, definitions: Definitions, allowed_lateness: int = HOUR) -> None:
        self.definitions = definitions
        self.segments = in_dependency_order(definitions["segments"])
        self.history = History(duration_ms(definitions.get("session", {}).get("gap", "30m")), allowed_lateness)
        self.since: dict[str, int] = {}
        self.clock = -(2**62)

    def run(self, events: Iterable[tuple[int, dict[str, Any]]], until: int | None) -> Iterator[Change]:
        """Apply all events, then let time pass up to and including `until`."""
        for t, raw in events:
            if self.history.accepts(t, raw):
                yield from self.pass_time(t - 1)
                self.history.apply(t, raw)
                self.clock = max(self.clock, t)
                yield from self.judge()
        if until is not None:
            yield from self.pass_time(until)

    def pass_time(self, until: int) -> Iterator[Change]:
        """Ask at every instant up to and including `until` at which something could change by itself."""
        if not self.history.events or until <= self.clock:
            return
        due = sorted(candidates(self.definitions, self.history, self.clock, until) | self.dwell_ends(until))
        while due:
            instant = heapq.heappop(due)
            if instant > self.clock:
                self.clock = instant
                made = list(self.judge())
                yield from made
                for end in self.dwell_ends(until) if made else ():
                    heapq.heappush(due, end)

    def dwell_ends(self, until: int) -> set[int]:
        """Ends of the minimum dwell of current memberships after the clock and up to `until`."""
        ends = {
            self.since[segment["name"]] + duration_ms(segment["min_dwell"])
            for segment in self.segments
            if segment["name"] in self.since and "min_dwell" in segment
        }
        return {end for end in ends if self.clock < end <= until}

    def judge(self) -> Iterator[Change]:
        """Ask every segment once at the clock's instant."""
        for segment in self.segments:
            name = segment["name"]
            if name in self.since and self.leaves(segment):
                del self.since[name]
                yield Change(self.clock, name, "exited")
            elif name not in self.since and self.enters(segment):
                self.since[name] = self.clock
                yield Change(self.clock, name, "entered")

    def asked(self) -> Asked:
        """The question at the clock's instant."""
        return Asked(self.history, self.clock, set(self.since), self.definitions.get("timezone", "UTC"))

    def faded(self, segment: dict[str, Any]) -> bool:
        """Whether the segment's confidence is below its limit."""
        return "confidence" in segment and confidence_below(segment["confidence"], self.history, self.clock)

    def leaves(self, segment: dict[str, Any]) -> bool:
        """Whether a member leaves now."""
        if "min_dwell" in segment and self.clock < self.since[segment["name"]] + duration_ms(segment["min_dwell"]):
            return False
        if "exit_when" in segment:
            return holds(segment["exit_when"], self.asked()) or self.faded(segment)
        return not holds(segment["when"], self.asked()) or self.faded(segment)

    def enters(self, segment: dict[str, Any]) -> bool:
        """Whether somebody outside enters now."""
        barred = "exit_when" in segment and holds(segment["exit_when"], self.asked())
        return holds(segment["when"], self.asked()) and not barred and not self.faded(segment)


def in_dependency_order(segments: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The segments of the file, each with those it refers to (in file order) right before it unless placed already."""
    placed: list[dict[str, Any]] = []

    def place(segment: dict[str, Any]) -> None:
        for other in segments:
            if other["name"] in references(segment):
                place(other)
        if segment not in placed:
            placed.append(segment)

    for segment in segments:
        place(segment)
    return placed


def references(segment: dict[str, Any]) -> set[str]:
    """Names of the segments that a segment's conditions refer to."""
    parts = {name: segment.get(name) for name in ("when", "exit_when")}
    return {node["segment"] for node in walk(parts) if isinstance(node.get("segment"), str)}
