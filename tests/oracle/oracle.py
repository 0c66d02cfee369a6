"""Changes of one user, recomputed from all of its events at every instant that could matter."""

import heapq
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from tests.oracle.conditions import Asked, holds
from tests.oracle.history import History
from tests.oracle.instants import candidates, confidence_below, walk
from tests.oracle.thresholds import Bounds
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
    releases: Iterable[tuple[int, Definitions]] = (),
    bounds: Bounds = (),
) -> list[Change]:
    """Transitions of one user whose events (ms, Segment Spec event) come in order of arrival.

    `releases` are definitions with the instants (ms) from which they hold instead, `bounds` those of all thresholds.
    """
    return list(User(definitions, allowed_lateness, list(releases), list(bounds)).run(events, until))


class User:
    """One user: all events as they came, those applied, the clock, and since when it is in which segment."""

    def __init__(
        self,
        definitions: Definitions,
        allowed_lateness: int,
        releases: list[tuple[int, Definitions]],
        bounds: Bounds = (),
    ) -> None:
        self.bounds = bounds
        self.first, self.releases = definitions, releases
        self.to_come = list(releases)
        self.define(definitions)
        self.history = History(duration_ms(definitions.get("session", {}).get("gap", "30m")), allowed_lateness)
        self.arrived: list[tuple[int, dict[str, Any]]] = []
        self.since: dict[str, int] = {}
        self.clock = -(2**62)

    def run(self, events: Iterable[tuple[int, dict[str, Any]]], until: int | None) -> Iterator[Change]:
        """Take events as they arrive, then let time pass up to and including `until`."""
        for t, raw in events:
            if not self.history.accepts(t, raw):
                continue
            self.arrived.append((t, raw))
            if t > self.clock or t == self.clock == self.history.newest():
                yield from self.apply(t, raw)
            else:
                yield from self.correct()
        if until is not None:
            yield from self.pass_time(until)

    def define(self, definitions: Definitions) -> None:
        """Have these definitions hold from now on."""
        self.definitions = definitions
        self.segments = in_dependency_order(definitions["segments"])

    def adopt(self, at: int, definitions: Definitions) -> Iterator[Change]:
        """Leave what is no longer defined, then judge everything as it is now defined."""
        self.clock = at
        old, names = self.segments, {segment["name"] for segment in definitions["segments"]}
        left = [segment["name"] for segment in old if segment["name"] not in names]
        made = [Change(at, name, "exited") for name in left if self.since.pop(name, None) is not None]
        self.define(definitions)
        made += self.judge()
        if not any("parent" in segment for segment in [*old, *self.segments]):
            yield from made
            return
        yield from (change for change in made if change.action == "entered")
        leaving = {change.segment: change for change in made if change.action == "exited"}
        exits = [leaving[segment["name"]] for segment in old if segment["name"] in leaving]
        yield from children_leave_first(exits, old)

    def apply(self, t: int, raw: dict[str, Any]) -> Iterator[Change]:
        """Apply an event that is the newest; a release of the same instant holds for it."""
        yield from self.pass_time(t - 1)
        if self.to_come and self.to_come[0][0] == t:
            yield from self.pass_time(t)
        self.history.apply(t, raw)
        self.clock = max(self.clock, t)
        yield from self.judge()

    def correct(self) -> Iterator[Change]:
        """Begin anew with all events in order of time, and tell what differs from what was told."""
        told, clock = self.since, self.clock
        self.history, self.since, self.clock = self.history.emptied(), {}, -(2**62)
        self.to_come = list(self.releases)
        self.define(self.first)
        made: list[Change] = []
        for t, raw in sorted(self.arrived, key=lambda event: event[0]):
            made += self.apply(t, raw)
        made += self.pass_time(clock)
        exits = {change.segment: change.at for change in made if change.action == "exited"}
        differing: list[Change] = []
        for name in (segment["name"] for segment in self.segments):
            since = self.since.get(name)
            if since is not None and told.get(name) != since:
                differing.append(Change(since, name, "updated" if name in told else "entered"))
            elif since is None and name in told:
                left = exits[name] if exits.get(name, told[name]) > told[name] else clock
                differing.append(Change(left, name, "exited"))
        yield from children_leave_first(differing, self.segments)

    def pass_time(self, until: int) -> Iterator[Change]:
        """Let time pass up to and including `until`, release after release."""
        while self.to_come and self.to_come[0][0] <= until:
            at, definitions = self.to_come.pop(0)
            if self.history.events:
                yield from self.let_change(at - 1)
                yield from self.adopt(at, definitions)
            else:
                self.define(definitions)
        yield from self.let_change(until)

    def let_change(self, until: int) -> Iterator[Change]:
        """Ask at every instant up to and including `until` at which something could change by itself."""
        if not self.history.events or until <= self.clock:
            return
        moved = {starts for starts, _ in self.bounds if self.clock < starts <= until}
        due = sorted(candidates(self.definitions, self.history, self.clock, until) | self.dwell_ends(until) | moved)
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
        """Ask every segment once at the clock's instant; nobody is seen to leave a parent before its children."""
        yield from children_leave_first(list(self.asked_once()), self.segments)

    def asked_once(self) -> Iterator[Change]:
        """Ask every segment once, each after those it depends on."""
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
        settings = {name: self.definitions[name] for name in ("timezone", "week_starts") if name in self.definitions}
        return Asked(self.history, self.clock, set(self.since), **settings, bounds=self.bounds)

    def faded(self, segment: dict[str, Any]) -> bool:
        """Whether the segment's confidence is below its limit."""
        return "confidence" in segment and confidence_below(segment["confidence"], self.history, self.clock)

    def leaves(self, segment: dict[str, Any]) -> bool:
        """Whether a member leaves now: with the parent, whatever else is said."""
        if "parent" in segment and segment["parent"] not in self.since:
            return True
        if "min_dwell" in segment and self.clock < self.since[segment["name"]] + duration_ms(segment["min_dwell"]):
            return False
        if "exit_when" in segment:
            return holds(segment["exit_when"], self.asked()) or self.faded(segment)
        return not holds(segment["when"], self.asked()) or self.faded(segment)

    def enters(self, segment: dict[str, Any]) -> bool:
        """Whether somebody outside enters now."""
        barred = "exit_when" in segment and holds(segment["exit_when"], self.asked())
        belongs = "parent" not in segment or segment["parent"] in self.since
        return belongs and holds(segment["when"], self.asked()) and not barred and not self.faded(segment)


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
    """Names of a segment's parent and of the segments that its conditions refer to."""
    parts = {name: segment.get(name) for name in ("when", "exit_when")}
    parents = {segment["parent"]} if "parent" in segment else set()
    return parents | {node["segment"] for node in walk(parts) if isinstance(node.get("segment"), str)}


def children_leave_first(changes: list[Change], segments: list[dict[str, Any]]) -> list[Change]:
    """Changes of one instant, each child's exit moved before its parent's as long as there is one behind it."""
    parents = {segment["name"]: segment.get("parent", "") for segment in segments}
    ordered = list(changes)
    exits = {change.segment: change for change in changes if change.action == "exited"}
    for name in (segment["name"] for segment in segments if segment["name"] in exits):
        parent = exits.get(parents[name])
        if parent is not None and ordered.index(parent) < ordered.index(exits[name]):
            ordered.remove(exits[name])
            ordered.insert(ordered.index(parent), exits[name])
    return ordered
