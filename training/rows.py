"""Point-in-time rows from recorded events: what was known of a user at an instant, and what came after it."""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b

from segments.definitions.model import Definitions
from segments.engine import Engine
from segments.events import Event, Plausibility, RejectedEvent
from segments.models.features import Vector, feature_hash, without_segments
from segments.models.model import Label, Rows
from segments.models.spec import FeatureSet, FeatureSpec
from segments.plan import Plan
from segments.profile import Profile

Timed = tuple[bytes, int]  # an event, and the time (ms) its record counts as written
_FEATURES, _LABEL = "features", "label"


@dataclass(frozen=True)
class Asked:
    """Which rows to make; `first` and `last` are the recording's first and last instants (ms).

    `instants` replaces those that `rows` names.
    """

    definitions: Definitions
    features: FeatureSet
    first: int
    last: int
    rows: Rows = field(default_factory=Rows)
    label: Label | None = None
    plausibility: Plausibility = field(default_factory=Plausibility)
    instants: tuple[int, ...] | None = None

    def grid(self) -> tuple[int, ...]:
        """Return the instants (ms) at which users are looked at; each leaves room for the label after it.

        >>> from segments.definitions import parse_definitions
        >>> definitions = parse_definitions("segments: [{name: a, when: {recency: {event: any, within: 1h}}}]")
        >>> features = FeatureSet.model_validate({"features": [{"name": "a", "recency": {"event": "any"}}]})
        >>> Asked(definitions, features, 0, 200_000_000, Rows(every="1d")).grid()
        (86400000, 172800000)
        """
        return self._grid() if self.instants is None else self.instants

    def newest(self, window: int) -> Asked:
        """Return the same for the instants of the grid in its last `window` (ms): what training anew learns from."""
        grid = self._grid()
        return replace(self, instants=tuple(at for at in grid if at > grid[-1] - window))

    def watched(self, window: int) -> Asked:
        """Return the same for the last `window` (ms) of the recording, and of those instants whose label has come."""
        late = self.label.within if self.label else 0
        begin = self.first + self.rows.warm_up
        found = {
            at for end in (self.last, self.last - late) for at in range(end, max(begin, end - window), -self.rows.every)
        }
        return replace(self, instants=tuple(sorted(found)))

    def _grid(self) -> tuple[int, ...]:
        begin = self.first + max(self.rows.warm_up, self.rows.every)
        end = self.last - (self.label.within if self.label else 0)
        return tuple(range(begin, end + 1, self.rows.every))


@dataclass(frozen=True, slots=True)
class Row:
    """A user at an instant (ms): what was known, and whether the label came true."""

    user_id: str
    at: int
    vector: Vector
    label: bool | None


@dataclass
class Sample:
    """At most so many rows, drawn by a hash of user and instant: the same ones in whatever order they come.

    `seen` counts all rows there were.

    >>> sample = Sample(1)
    >>> for user in ("a", "b", "c"):
    ...     place = sample.place(user, 0)
    ...     if place is not None:
    ...         sample.add(place, Row(user, 0, (), None))
    >>> len(sample.rows()), sample.seen
    (1, 3)
    """

    at_most: int
    seen: int = 0
    _heap: list[tuple[int, str, int, Row]] = field(default_factory=list)  # by the negated hash, the greatest first

    def place(self, user_id: str, at: int) -> int | None:
        """Return where a row is in the draw, None when it is not drawn; so its values need not be computed."""
        self.seen += 1
        digest = blake2b(f"{user_id}\0{at}".encode(), digest_size=8).digest()
        place = -int.from_bytes(digest, "big")
        return place if len(self._heap) < self.at_most or place > self._heap[0][0] else None

    def add(self, place: int, row: Row) -> None:
        """Take in a row at its place."""
        self._push((place, row.user_id, row.at, row))

    def merge(self, other: Sample) -> None:
        """Take in a sample of other rows."""
        self.seen += other.seen
        for entry in other._heap:
            self._push(entry)

    def rows(self) -> list[Row]:
        """Return the rows by instant and user."""
        return sorted((entry[-1] for entry in self._heap), key=lambda row: (row.at, row.user_id))

    def _push(self, entry: tuple[int, str, int, Row]) -> None:
        if len(self._heap) < self.at_most:
            heapq.heappush(self._heap, entry)
        else:
            heapq.heappushpop(self._heap, entry)


@dataclass(frozen=True)
class Columns:
    """What the rows hold: names in order, which of them are numbers, and the hash of their meaning."""

    names: tuple[str, ...]
    numbers: tuple[str, ...]
    categories: tuple[str, ...]
    hash: str


def columns_of(definitions: Definitions, features: FeatureSet) -> Columns:
    """Return the columns of a feature set under definitions; raises DefinitionErrors."""
    plan = Plan(definitions, feature_sets={"features": features})
    found = plan.models["features"]
    return Columns(
        found.names, found.numbers, found.categories, feature_hash(features, definitions, plan.property_types)
    )


def rows_of_users(asked: Asked, users: Iterable[Sequence[Timed]]) -> list[Row]:
    """Return the rows of users, each with all events by time: all of them, if there are at most `rows.at_most`."""
    return sample_of_users(asked, users).rows()


def sample_of_users(asked: Asked, users: Iterable[Sequence[Timed]]) -> Sample:
    """Return a sample of the rows of users, each with all events by time."""
    maker = _Rows(asked)
    for recorded in users:
        maker.add(recorded)
    return maker.sample


class _Rows:
    """Replays each user through the engine once for the features, and once for the label of each row.

    Events are read as the job reads them, with all definitions; no segment is judged.
    """

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._grid = asked.grid()
        self.sample = Sample(asked.rows.at_most)
        sets = {_FEATURES: asked.features}
        if asked.label is not None:
            sets[_LABEL] = FeatureSet(features=[FeatureSpec(name=_LABEL, holds=asked.label.when)])
        whole = Plan(asked.definitions, asked.plausibility, feature_sets=sets)
        bare = Plan(without_segments(asked.definitions, whole.property_types), asked.plausibility, feature_sets=sets)
        self._decode = whole.decoder.decode
        self._apply = Engine(bare).apply
        self._vector = bare.models[_FEATURES].vector
        self._label = bare.models[_LABEL].vector if asked.label is not None else None

    def add(self, recorded: Sequence[Timed]) -> None:
        by_user: dict[str, list[Event]] = {}  # rarely two: their ids have one checksum
        for event in self._decoded(recorded):
            by_user.setdefault(event.user_id, []).append(event)
        for user_id, events in by_user.items():
            self._add_one(user_id, events)

    def _decoded(self, recorded: Sequence[Timed]) -> Iterator[Event]:
        for payload, written in recorded:
            try:
                yield self._decode(payload, written)
            except RejectedEvent:
                continue  # the job leaves it out too: it is a dead letter there

    def _add_one(self, user_id: str, events: Sequence[Event]) -> None:
        times, profile, place = [event.time for event in events], Profile(), 0
        for at in self._instants(times):
            until = bisect_right(times, at)
            if not self._looked_at(times, until, at):
                continue
            drawn = self.sample.place(user_id, at)
            if drawn is None:
                continue
            for event in events[place:until]:
                self._apply(profile, event, [])
            place = until
            label = self._came_true(events, times, until, at)
            self.sample.add(drawn, Row(user_id, at, self._vector(profile, at), label))

    def _instants(self, times: Sequence[int]) -> Sequence[int]:
        """Return the instants of the grid at which a user may be looked at."""
        active = self._asked.rows.active_within
        end = len(self._grid) if active is None else bisect_left(self._grid, times[-1] + active)
        return self._grid[bisect_left(self._grid, times[0]) : end]

    def _looked_at(self, times: Sequence[int], until: int, at: int) -> bool:
        active = self._asked.rows.active_within
        return until > 0 and (active is None or times[until - 1] > at - active)

    def _came_true(self, events: Sequence[Event], times: Sequence[int], begin: int, at: int) -> bool | None:
        label = self._asked.label
        if label is None or self._label is None:
            return None
        end, nobody = at + label.within, Profile()
        for event in events[begin : bisect_right(times, end)]:
            self._apply(nobody, event, [])
        return self._label(nobody, end) == (1.0,)
