"""What a shadow would change: its members and its churn beside those of the live segments, from the changes of both."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import msgspec

from segments.changes import Change, Reason
from segments.definitions.model import Definitions
from segments.shadow import shadowed

DAY_MS = 86_400_000


class Moved(msgspec.Struct, frozen=True):
    """One user of the sample: in one of the two only, since `at` (ms), and why that one says so."""

    user_id: str
    only: str
    at: int
    because: list[Reason]


class SegmentComparison(msgspec.Struct, frozen=True):
    """One segment: members now in each, in both and in one only, their Jaccard index, changes a day of each.

    While `warming` the shadow is being filled in, and nobody enters or leaves it.
    """

    segment: str
    live: int
    shadow: int
    both: int
    only_live: int
    only_shadow: int
    jaccard: float | None
    live_changes_a_day: float
    shadow_changes_a_day: float
    sample: list[Moved]
    warming: bool = False


class ShadowComparison(msgspec.Struct, frozen=True):
    """All segments that are in the shadow of a release; changes are counted from `since` to `until` (ms)."""

    release: int
    since: int
    until: int
    segments: list[SegmentComparison]


class Members:
    """Who is in which segment after a stream of changes, and how many of them came since an instant (ms)."""

    def __init__(self, names: Iterable[str], since: int) -> None:
        self._since = since
        self._seq: dict[str, int] = {}
        self.inside: dict[str, dict[str, Change]] = {name: {} for name in names}
        self.left: dict[str, dict[str, Change]] = {name: {} for name in names}
        self.counted = dict.fromkeys(names, 0)
        self.newest = since

    def add(self, change: Change) -> None:
        """Take in a change, each user's in order; what is written twice counts once."""
        if change.seq <= self._seq.get(change.user_id, 0):
            return
        self._seq[change.user_id] = change.seq
        self.newest = max(self.newest, change.at)
        if change.segment not in self.inside:
            return
        if change.at >= self._since:
            self.counted[change.segment] += 1
        if change.action == "exited":
            self.inside[change.segment].pop(change.user_id, None)
            self.left[change.segment][change.user_id] = change
        else:
            self.inside[change.segment][change.user_id] = change
            self.left[change.segment].pop(change.user_id, None)


def compare(
    release: int, since: int, live: Members, shadow: Members, sample: int = 5, warming: Collection[str] = ()
) -> ShadowComparison:
    """Return how the segments of two streams differ; changes a day are counted from `since` (ms) on.

    `warming` has the plain names of those whose shadow is being filled in.

    >>> none = Members(["a"], 0)
    >>> compare(2, 0, none, none).segments[0].jaccard is None
    True
    """
    until = max(live.newest, shadow.newest)
    days = max((until - since) / DAY_MS, 1 / 24)  # in the first hour a rate would say nothing
    found = [_compared(name, live, shadow, days, sample) for name in shadow.inside]
    told = [msgspec.structs.replace(each, warming=each.segment in warming) for each in found]
    return ShadowComparison(release, since, until, told)


def _compared(name: str, live: Members, shadow: Members, days: float, sample: int) -> SegmentComparison:
    old, new = live.inside[name].keys(), shadow.inside[name].keys()
    both, either = len(old & new), len(old | new)
    moved = [
        *(Moved(user, "shadow", shadow.inside[name][user].at, shadow.inside[name][user].because) for user in new - old),
        *(Moved(user, "live", *_why_not(user, name, live, shadow)) for user in old - new),
    ]
    return SegmentComparison(
        name,
        len(old),
        len(new),
        both,
        len(old) - both,
        len(new) - both,
        round(both / either, 4) if either else None,
        round(live.counted[name] / days, 2),
        round(shadow.counted[name] / days, 2),
        sorted(moved, key=lambda each: (-each.at, each.user_id))[:sample],
    )


def _why_not(user: str, name: str, live: Members, shadow: Members) -> tuple[int, list[Reason]]:
    """Return since when and why only the live segment has a user: why the shadow let go, else why the other has it."""
    change = shadow.left[name].get(user) or live.inside[name][user]
    return change.at, change.because


def shadow_comparison_schema() -> dict[str, Any]:
    """Return the JSON Schema of what `segments diff` prints."""
    return msgspec.json.schema(ShadowComparison)


def compared_names(live: Definitions, shadow: Definitions, name: str | None = None) -> list[str]:
    """Return the segments to compare: those that the shadow evaluates, or one of them, or none.

    >>> from segments.definitions import parse_definitions
    >>> old = parse_definitions("segments: [{name: a, when: {recency: {event: any, within: 1h}}}]")
    >>> new = parse_definitions("segments: [{name: a, when: {recency: {event: any, within: 2h}}}]")
    >>> compared_names(old, new), compared_names(old, new, "b")
    (['a'], [])
    """
    return [each for each in shadowed(live, shadow) if name in {None, each}]
