"""How large a user's state can get, by definition alone: each feature's bound in bytes of MessagePack."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from segments.conditions import compile_condition
from segments.conditions.base import NO, Answer
from segments.conditions.threshold import PopulationThreshold
from segments.definitions.model import Definitions, Segment
from segments.durations import format_duration
from segments.features.base import Feature
from segments.features.distinct import DistinctValues
from segments.features.event_log import EventLog
from segments.features.latest import Latest
from segments.features.pending import CAPACITY as VALUES_PENDING
from segments.features.pending import Pending
from segments.features.purchases import Purchases
from segments.features.scored import Scored
from segments.features.seen import Seen
from segments.features.sequence import RIPENING_KEPT, VALUES_KEPT, SequenceProgress
from segments.features.session import SessionSpan, SessionTotal
from segments.features.totals import EventCount, Points, Total
from segments.features.value_log import CAPACITY as AMOUNTS_KEPT
from segments.features.value_log import ValueLog
from segments.models.scoring import Scoring
from segments.population.bounds import History
from segments.profile import Profile
from segments.selectors import EventSelector

_NUMBER = 9  # bytes of the largest number
_HEAD = 5  # of the head of the largest list, mapping or text
_ID = 5
_TEXT = _HEAD + 4 * 256  # the longest text that is kept
_LATEST = 64 * _TEXT  # the longest list that is kept
MEMBERSHIP = _ID + 1 + 3 * _NUMBER


class Features:
    """Collects the features that conditions register, as a plan does."""

    def __init__(self, definitions: Definitions) -> None:
        self.timezone = definitions.timezone
        self.week_starts: str = definitions.week_starts
        self.by_key: dict[str, Feature] = {}
        self._gap = definitions.session.gap

    def feature(self, feature: Feature) -> int:
        """Take a feature in, or widen the one with the same key."""
        self.by_key.setdefault(feature.key, feature).widen(feature)
        return list(self.by_key).index(feature.key)

    def session(self) -> int:
        """Have sessions kept."""
        return self.feature(SessionSpan(self._gap))

    def bounds(self, threshold: PopulationThreshold) -> History:  # noqa: ARG002 - a builder has it
        """Bounds are kept for all users together."""
        return History()

    def scoring(self, name: str, version: int | None) -> Scoring | None:  # noqa: ARG002 - a builder has it
        """Return None: what a model reads is not in the definitions, it is kept on the model's account."""
        return None

    def number(self, path: str) -> None:
        """Nothing: types do not change what is kept."""

    def segment_id(self, name: str) -> int:  # noqa: ARG002 - a builder has it
        """Nothing: segments that are referred to are kept on their own account."""
        return 0

    def member_at(self, segment_id: int, profile: Profile, now: int) -> Answer:  # noqa: ARG002 - a builder has it
        """Nobody is asked."""
        return NO


def features_of(segment: Segment, definitions: Definitions) -> dict[str, Feature]:
    """Return what a segment has kept of a user, by the features' keys; segments it refers to are not counted in.

    >>> from segments.definitions import parse_definitions
    >>> some = parse_definitions("segments: [{name: a, when: {count: {event: X, within: 1h, gte: 3}}}]")
    >>> list(features_of(some.segments[0], some))
    ['log|X']
    """
    features = Features(definitions)
    for condition in (segment.when, segment.exit_when):
        if condition is not None:
            compile_condition(condition, features)
    if segment.confidence is not None:
        features.feature(Seen(EventSelector(segment.confidence.refreshed_by), "last"))
    if any(isinstance(each, SessionTotal) or "Session Started" in each.key for each in features.by_key.values()):
        features.session()
    return features.by_key


def bound_of(feature: Feature) -> int:
    """Return the most bytes that a feature's state takes; raises KeyError for a kind without a known bound."""
    return _ID + _BOUNDS[type(feature)](feature)


def state_bound(segment: Segment, definitions: Definitions) -> int:
    """Return the most bytes that a segment takes of a user's profile, shared features in full, with its membership."""
    return MEMBERSHIP + sum(map(bound_of, features_of(segment, definitions).values()))


def largest_part(segment: Segment, definitions: Definitions) -> str:
    """Return the feature with the largest bound, as people read it."""
    largest = max(features_of(segment, definitions).values(), key=bound_of)
    return f"{_described(largest)}: {bound_of(largest):,} bytes"


def _described(feature: Feature) -> str:
    if isinstance(feature, EventLog):
        return f"{feature.capacity:,} times of {feature.key.partition('|')[2]}"
    if isinstance(feature, DistinctValues):
        return f"{feature.capacity:,} values of {feature.key.rpartition('|')[2]}"
    if isinstance(feature, ValueLog):
        return f"{AMOUNTS_KEPT:,} amounts of {feature.key.rpartition('|')[2]} in {format_duration(feature.window)}"
    return feature.key.replace("|", " ").strip()


def _per_value(feature: Feature, values: int, each: int) -> int:
    """Bytes of a mapping from the values of `per`; without `per` it holds one entry under an empty text."""
    return _HEAD + (_HEAD + each if feature.key.endswith("|") else values * (_TEXT + each))


def _progress(feature: SequenceProgress) -> int:
    """Bytes of one value's progress: start and time for each step but the last, and for matches that wait."""
    pairs = feature.steps.count - 1 + (RIPENING_KEPT if feature.steps.patience is not None else 0)
    return _HEAD + 2 * pairs * _NUMBER


_BOUNDS: dict[type, Callable[[Any], int]] = {
    EventLog: lambda log: _HEAD + log.capacity * _NUMBER,
    ValueLog: lambda _: 3 * _HEAD + 2 * AMOUNTS_KEPT * _NUMBER,
    DistinctValues: lambda values: _HEAD + values.capacity * (_TEXT + _NUMBER),
    Pending: lambda pending: _HEAD + _NUMBER + _per_value(pending, VALUES_PENDING, _HEAD + 2 * _NUMBER),
    SequenceProgress: lambda progress: _HEAD + _NUMBER + _per_value(progress, VALUES_KEPT, _progress(progress)),
    Latest: lambda _: _HEAD + _LATEST,
    Purchases: lambda _: _HEAD + 6 * _NUMBER,
    Seen: lambda _: _NUMBER,
    SessionSpan: lambda _: _HEAD + 3 * _NUMBER,
    SessionTotal: lambda _: _HEAD + 3 * _NUMBER,
    EventCount: lambda _: _NUMBER,
    Total: lambda _: _HEAD + 4 * _NUMBER,
    Points: lambda _: _HEAD + 2 * _NUMBER,
    Scored: lambda _: _HEAD + 8 * _NUMBER,
}
KINDS = tuple(_BOUNDS)
__all__ = ["KINDS", "MEMBERSHIP", "bound_of", "features_of", "largest_part", "state_bound"]
