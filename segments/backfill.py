"""Backfilling: which aggregates of a release the profiles do not hold, and how recorded events fill them in.

From a release with `backfill: replay` until its backfill is complete its new segments are warming. A side job hands
over each user's aggregates as of a cut; a worker lets the user's events since then, which it kept, happen to them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from copy import copy
from dataclasses import dataclass, field

from segments.control import Release
from segments.definitions.references import references
from segments.events import SESSION_STARTED
from segments.features.base import Feature, States
from segments.features.distinct import DistinctValues
from segments.features.event_log import EventLog
from segments.features.pending import Pending
from segments.features.scored import Scored
from segments.features.sequence import SequenceProgress
from segments.features.session import SESSION_ID, SessionTotal
from segments.features.value_log import ValueLog
from segments.plan import Plan

# what they keep can be cut at an instant, and what is older than their window decides nothing
_WITH_TIMES = (EventLog, ValueLog, DistinctValues, Pending, SequenceProgress)


@dataclass(frozen=True)
class Backfill:
    """What a release has to have filled in: feature ids, and the warming segments with the version that members see.

    `reach` says how far (ms) before an instant the events lie that matter then; None: all that there are. `begun` has
    by feature the instant (ms) from which on profiles hold all of it.
    """

    features: frozenset[int] = frozenset()
    warming: Mapping[str, int] = field(default_factory=dict)
    reach: int | None = 0
    begun: Mapping[int, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.features)


def backfill_of(plan: Plan, begun: Mapping[int, int], running: Mapping[str, int]) -> Backfill:
    """Return what a plan needs to be filled in where profiles lack what `begun` names, with the instant it began at.

    `running` has the versions of the segments so far. A segment that refers to a warming one is warming too.

    >>> from segments.definitions import parse_definitions
    >>> plan = Plan(parse_definitions('''segments:
    ...   - {name: a, backfill: replay, when: {count: {event: Order, within: 30d, gte: 2}}}
    ...   - {name: b, when: {not: {segment: a}}}'''))
    >>> found = backfill_of(plan, dict.fromkeys(plan.features, 1795344330250), {"a": 3})
    >>> dict(found.warming), found.reach
    ({'a': 3, 'b': 1}, 2592000000)
    """
    segments = {segment.name: segment for segment in plan.definitions.segments}
    wanted: set[int] = set()
    warming: dict[str, int] = {}
    for rule in plan.rules:  # in dependency order
        segment = segments[rule.name]
        replays = (segment.backfill or plan.definitions.backfill) == "replay"
        own = _with_sessions(plan, plan.features_of(rule.name)) & begun.keys() if replays else frozenset[int]()
        wanted |= own
        if own or any(name in warming for name in references(segment)):
            warming[rule.name] = running.get(rule.name, segment.version)
    return Backfill(frozenset(wanted), warming, _reach(plan, wanted), {number: begun[number] for number in wanted})


class Knowledge:
    """What profiles hold since when, release by release; ask in the order of their numbers."""

    def __init__(self) -> None:
        self._number = 0
        self._starts_at = 0
        self._known: dict[str, Feature] = {}
        self._begun: dict[str, int] = {}  # what is not held in full, by key: the instant (ms) from which on it is
        self._owed: set[str] = set()  # what was to be filled in and is not yet
        self._versions: dict[str, int] = {}
        self._lacking = Backfill()

    def after(self, release: Release, plan: Plan) -> tuple[Backfill, Backfill]:
        """Return what a release lacks, and what is filled in as it takes effect; the first one lacks nothing."""
        filled, lacking = Backfill(), Backfill()
        self._starts_at = max(self._starts_at, release.effective_at)
        begun = self._begun_under(plan) if self._number else {}
        if release.filled is not None and release.filled.of == self._number:
            filled = self._lacking
            begun = {number: at for number, at in begun.items() if number not in filled.features}
        elif self._number:
            lacking = backfill_of(plan, self._lacked(plan, begun, refills=release.refills), self._versions)
        self._number, self._lacking = release.number, lacking
        self._known = {feature.key: feature for feature in plan.features.values()}
        self._begun = {plan.features[number].key: at for number, at in begun.items()}
        self._owed = {plan.features[number].key for number in lacking.features}
        self._versions = {rule.name: lacking.warming.get(rule.name, rule.version) for rule in plan.rules}
        return lacking, filled

    def _begun_under(self, plan: Plan) -> dict[int, int]:
        """Return what profiles do not hold in full under a plan: what is new begins with it."""
        begun = {}
        for number, each in plan.features.items():
            if isinstance(each, Scored):  # a score fills itself in
                continue
            if not _covers(self._known.get(each.key), each):
                begun[number] = self._starts_at
            elif each.key in self._begun:
                begun[number] = self._begun[each.key]
        return begun

    def _lacked(self, plan: Plan, begun: Mapping[int, int], *, refills: bool) -> dict[int, int]:
        """Return what of `begun` is to be filled in if it is asked for: its window reaches further back."""

        def is_lacked(number: int, at: int) -> bool:
            feature = plan.features[number]
            if feature.key in self._owed or not _covers(self._known.get(feature.key), feature):
                return True
            reach = _reach(plan, [number])
            return refills and (reach is None or at > self._starts_at - reach)

        return {number: at for number, at in begun.items() if is_lacked(number, at)}


def _covers(known: Feature | None, wanted: Feature) -> bool:
    """Say whether what is kept for `known` is all that `wanted` needs: to widen it changes nothing."""
    if known is None:
        return False
    widened = copy(known)
    widened.widen(wanted)
    return vars(widened) == vars(known)


def _with_sessions(plan: Plan, features: frozenset[int]) -> frozenset[int]:
    """Return the features, with that of sessions if one of them selects what the engine makes at a session's start."""
    inputs = (each for number in features for each in plan.features[number].inputs(number))
    return features | {SESSION_ID} if any(SESSION_STARTED in each.selector.names for each in inputs) else features


def _reach(plan: Plan, features: Collection[int]) -> int | None:
    """Return how far back (ms) the events lie that decide the states of features, None for all events."""
    longest = 0
    for number in features:
        feature = plan.features[number]
        if not isinstance(feature, _WITH_TIMES) or feature.window is None:
            return None
        longest = max(longest, feature.window)
    return longest


def fill(plan: Plan, backfill: Backfill, features: States, filled: States, since: int) -> None:
    """Put in place what was filled in from events of `since` (ms) on; of older ones stays what was kept before.

    What cannot be put together stays as it is where that is known from further back than `since`. Both are states of
    one user at one instant, by the ids of `plan`; they share parts afterwards.
    """
    session = features.get(SESSION_ID)
    for number in backfill.features:
        if number not in filled:
            continue
        feature, known = plan.features[number], features.get(number)
        if known is not None and isinstance(feature, _WITH_TIMES):
            features[number] = feature.join(known, filled[number], since)
        elif known is None or since <= backfill.begun.get(number, since):
            features[number] = filled[number]
    if SESSION_ID in filled:
        _settle_sessions(plan, backfill, features, filled, 0 if session is None else session[0])


def _settle_sessions(plan: Plan, backfill: Backfill, features: States, filled: States, known: int) -> None:
    """Number the totals as the session that stays: what was filled in and what was kept count sessions differently."""
    current = features.get(SESSION_ID)
    for number, feature in plan.features.items():
        total = features.get(number)
        if total is None or not isinstance(feature, SessionTotal):
            continue
        is_filled = number in backfill.features and number in filled
        if current is not None and total[0] == (filled[SESSION_ID][0] if is_filled else known):
            features[number] = [current[0], *total[1:]]
        else:
            del features[number]
