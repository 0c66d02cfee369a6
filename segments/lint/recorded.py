"""What recorded events say about segments: who was in which together and for how long, and what the events hold."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations
from typing import Any

import msgspec

from segments.changes import Change
from segments.definitions.model import Definitions
from segments.events import Event, RejectedEvent
from segments.lint.kept import Keeper, keepers
from segments.replay import Replay

_DEPTH = 6  # of objects inside objects that are looked into


class _Parts(msgspec.Struct):
    """The parts of an event that hold values by name, as they came."""

    properties: Any = None
    context: Any = None
    traits: Any = None


class Recorded:
    """One replay, watched. Times are the users' own event time, in ms."""

    def __init__(self, definitions: Definitions) -> None:
        self.names: Counter[str] = Counter()
        self.paths: dict[str, set[str]] = defaultdict(set)  # of the properties, by event name
        self.known: set[str] = set()  # `context ...` and `trait ...`
        self.members: dict[str, set[str]] = defaultdict(set)
        self.together: Counter[frozenset[str]] = Counter()  # ms that users spent in exactly these segments
        self.example: dict[frozenset[str], str] = {}
        self.first: dict[str, int] = {}
        self.end = 0
        self.keepers: list[Keeper] = keepers(definitions)
        self._standing: dict[str, tuple[frozenset[str], int]] = {}
        self._decode = msgspec.json.Decoder(_Parts).decode
        self._replay = Replay(definitions)
        self._parse = self._replay.processor.engine.plan.decoder.decode

    def watch(self, events: Iterable[bytes]) -> Recorded:
        """Replay events that are sorted by time; returns itself."""
        for change in self._replay.run(self._watched(events)):
            self._move(change)
        for user, (segments, since) in self._standing.items():
            self._spend(user, segments, self.end - since)
        return self

    @property
    def users(self) -> int:
        """How many users there are."""
        return len(self.first)

    @property
    def events(self) -> int:
        """How many readable events there are."""
        return sum(self.names.values())

    def user_time(self) -> int:
        """Return how long (ms) all users were there, from the first event of each to the newest of all."""
        return sum(self.end - first for first in self.first.values())

    def time_in(self) -> Counter[str]:
        """Return how long (ms) users were in each segment."""
        found: Counter[str] = Counter()
        for segments, spent in self.together.items():
            for name in segments:
                found[name] += spent
        return found

    def time_in_both(self) -> Counter[tuple[str, str]]:
        """Return how long (ms) users were in two segments at once, for each pair in alphabetical order."""
        found: Counter[tuple[str, str]] = Counter()
        for segments, spent in self.together.items():
            for pair in combinations(sorted(segments), 2):
                found[pair] += spent
        return found

    def someone_in(self, one: str, other: str) -> str:
        """Return a user who was in both at once."""
        return min(user for segments, user in self.example.items() if one in segments and other in segments)

    def _watched(self, events: Iterable[bytes]) -> Iterator[bytes]:
        for payload in events:
            try:
                event = self._parse(payload)
            except RejectedEvent:
                yield payload
                continue
            self._see(event, self._decode(payload))
            yield payload

    def _see(self, event: Event, parts: _Parts) -> None:
        self.names[event.name] += 1
        self.first.setdefault(event.user_id, event.time)
        self.end = max(self.end, event.time)
        self.paths[event.name].update(_paths(parts.properties))
        self.known.update(f"context {path}" for path in _paths(parts.context))
        for traits in (parts.traits, parts.context.get("traits") if isinstance(parts.context, dict) else None):
            self.known.update(f"trait {path}" for path in _paths(traits))
        for keeper in self.keepers:
            keeper.see(event)

    def _move(self, change: Change) -> None:
        segments, since = self._standing.get(change.user_id, (frozenset(), change.at))
        if change.at > since:
            self._spend(change.user_id, segments, change.at - since)
        if change.action == "entered":
            self.members[change.segment].add(change.user_id)
            segments |= {change.segment}
        else:
            segments -= {change.segment}
        self._standing[change.user_id] = (segments, change.at)

    def _spend(self, user: str, segments: frozenset[str], spent: int) -> None:
        if segments and spent > 0:
            self.together[segments] += spent
            self.example.setdefault(segments, user)


def _paths(value: Any, prefix: str = "", depth: int = 0) -> Iterator[str]:
    """Return the paths at which something stands in an object."""
    if isinstance(value, Mapping) and depth < _DEPTH:
        for name, inner in value.items():
            if inner is not None:
                yield prefix + name
                yield from _paths(inner, f"{prefix}{name}.", depth + 1)
