"""How many members of each segment come and go per interval, from records of changes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

Move = tuple[str, bool, int]  # segment, whether somebody entered (else left), when (ms)


@dataclass(frozen=True)
class Interval:
    """One interval of a segment from `begin` (ms) on: members at its beginning, how often somebody entered and left."""

    begin: int
    members: int
    entered: int
    left: int

    @property
    def rate(self) -> float:
        """Exits as a share of the members at the beginning; who leaves twice counts twice; 0 where there were none.

        >>> Interval(0, 10, 3, 2).rate
        0.2
        """
        return self.left / self.members if self.members else 0.0


def churn_of(moves: Iterable[Move], every: int) -> dict[str, list[Interval]]:
    """Return by segment its whole intervals (ms), oldest first; those that nothing reached the end of are left out.

    Members of before the first record are known only once they leave, so rates are too high until then.

    >>> found = churn_of([("vip", True, 0), ("vip", True, 5), ("vip", False, 12), ("vip", True, 31)], 10)
    >>> [(each.begin, each.members, each.entered, each.left) for each in found["vip"]]
    [(0, 0, 2, 0), (10, 2, 0, 1), (20, 1, 0, 0)]
    """
    entered: defaultdict[str, Counter[int]] = defaultdict(Counter)
    left: defaultdict[str, Counter[int]] = defaultdict(Counter)
    places: set[int] = set()
    for segment, enters, at in moves:
        place = at // every
        (entered if enters else left)[segment][place] += 1
        places.add(place)
    if not places:
        return {}
    whole = range(min(places), max(places))
    return {segment: _intervals(entered[segment], left[segment], whole, every) for segment in sorted({*entered, *left})}


def _intervals(entered: Counter[int], left: Counter[int], whole: range, every: int) -> list[Interval]:
    balance = lowest = 0
    for place in range(whole.start, whole.stop + 1):
        balance += entered[place] - left[place]
        lowest = min(lowest, balance)
    members, found = -lowest, []  # so many must have been in before
    for place in whole:
        found.append(Interval(place * every, members, entered[place], left[place]))
        members += entered[place] - left[place]
    return found


def churn_alarms(found: dict[str, list[Interval]], limit: float, least: int) -> list[str]:
    """Return a sentence for each segment of at least `least` members whose newest rate is above the limit."""
    newest = {segment: intervals[-1] for segment, intervals in found.items() if intervals}
    return [
        f"{segment}: {each.rate:.0%} of its {each.members:,} members left in the last interval, more than {limit:.0%}"
        for segment, each in newest.items()
        if each.members >= least and each.rate > limit
    ]
