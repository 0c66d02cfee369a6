"""Point-in-time rows from recorded events: what was known of a user at an instant, and what came after it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

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
        if self.instants is not None:
            return self.instants
        begin = self.first + max(self.rows.warm_up, self.rows.every)
        end = self.last - (self.label.within if self.label else 0)
        return tuple(range(begin, end + 1, self.rows.every))


@dataclass(frozen=True)
class Row:
    """A user at an instant (ms): what was known, and whether the label came true."""

    user_id: str
    at: int
    vector: Vector
    label: bool | None


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
    """Return the rows of users, each with all events by time."""
    return list(_Rows(asked).of(users))


class _Rows:
    """Replays each user through the engine once for the features, and once for the label of each row.

    Events are read as the job reads them, with all definitions; no segment is judged.
    """

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._grid = asked.grid()
        sets = {_FEATURES: asked.features}
        if asked.label is not None:
            sets[_LABEL] = FeatureSet(features=[FeatureSpec(name=_LABEL, holds=asked.label.when)])
        whole = Plan(asked.definitions, asked.plausibility, feature_sets=sets)
        bare = Plan(without_segments(asked.definitions, whole.property_types), asked.plausibility, feature_sets=sets)
        self._decode = whole.decoder.decode
        self._apply = Engine(bare).apply
        self._vector = bare.models[_FEATURES].vector
        self._label = bare.models[_LABEL].vector if asked.label is not None else None

    def of(self, users: Iterable[Sequence[Timed]]) -> Iterator[Row]:
        for recorded in users:
            by_user: dict[str, list[Event]] = {}  # rarely two: their ids have one checksum
            for event in self._decoded(recorded):
                by_user.setdefault(event.user_id, []).append(event)
            for user_id, events in by_user.items():
                yield from self._of_one(user_id, events)

    def _decoded(self, recorded: Sequence[Timed]) -> Iterator[Event]:
        for payload, written in recorded:
            try:
                yield self._decode(payload, written)
            except RejectedEvent:
                continue  # the job leaves it out too: it is a dead letter there

    def _of_one(self, user_id: str, events: Sequence[Event]) -> Iterator[Row]:
        times, profile, place = [event.time for event in events], Profile(), 0
        for at in self._grid:
            until = bisect_right(times, at)
            for event in events[place:until]:
                self._apply(profile, event, [])
            place = until
            if self._looked_at(times, until, at):
                yield Row(user_id, at, self._vector(profile, at), self._came_true(events, times, until, at))

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
