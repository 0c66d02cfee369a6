"""The users' numbers by threshold, in columns: the population is read off them, and who a new bound moves."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from segments.population.bounds import Bound
from segments.profile import NEVER, Profile

if TYPE_CHECKING:
    from segments.conditions.threshold import PopulationThreshold

Floats = NDArray[np.float64]
_UNKNOWN = math.nan  # the user does not count, or nothing is known


class Column:
    """One threshold: by user number the number at the last change of the profile, and until when (ms) it holds.

    A number can be too high where it fell since, never for a member: members are judged when their number changes.
    """

    def __init__(self) -> None:
        self._values = array("d")
        self._untils = array("q")

    def put(self, user: int, value: float, until: int) -> None:
        """Set a user's number; users in between are not known."""
        missing = user + 1 - len(self._values)
        if missing > 0:
            self._values.extend([_UNKNOWN] * missing)
            self._untils.extend([NEVER] * missing)
        self._values[user] = value
        self._untils[user] = until

    def outdated(self, now: int) -> list[int]:
        """Return the users whose number time alone has changed by `now` (ms)."""
        untils = np.frombuffer(self._untils, np.int64)
        return [int(user) for user in np.nonzero(untils <= now)[0]]

    def known(self) -> Floats:
        """Return the numbers of those who count."""
        values: Floats = np.frombuffer(self._values, np.float64)
        known: Floats = values[~np.isnan(values)]
        return known

    def moved_by(self, before: Bound, after: Bound) -> list[int]:
        """Return the users who are at or above one bound and below the other, and perhaps some more.

        Those above both are among them where time alone changes their number before the new bound takes effect.
        """
        values, untils = np.frombuffer(self._values, np.float64), np.frombuffer(self._untils, np.int64)
        low, high = sorted((before.value, after.value))
        between = (values >= low) & ((values < high) | (untils <= after.starts))
        return [int(user) for user in np.nonzero(between)[0]]


class Columns:
    """The columns of all thresholds of the definitions in use, by key.

    >>> columns = Columns()
    >>> columns.follow([])
    >>> columns.thresholds
    {}
    """

    def __init__(self) -> None:
        self.thresholds: dict[str, PopulationThreshold] = {}
        self._columns: dict[str, Column] = {}

    def follow(self, thresholds: Iterable[PopulationThreshold]) -> None:
        """Have columns for these thresholds, and for no others; those of new ones are empty."""
        self.thresholds = {threshold.key: threshold for threshold in thresholds}
        self._columns = {key: self._columns.get(key, Column()) for key in self.thresholds}

    def of(self, key: str) -> Column:
        """Return a threshold's column."""
        return self._columns[key]

    def note(self, user: int, profile: Profile, compiled: Mapping[str, PopulationThreshold]) -> None:
        """Take a user's numbers from a profile; `compiled` are the thresholds of the definitions that it is of."""
        for key, column in self._columns.items():
            self._put(column, user, profile, compiled.get(key), profile.clock)

    def renew(
        self, key: str, user: int, profile: Profile, compiled: Mapping[str, PopulationThreshold], now: int
    ) -> None:
        """Take one number of a user as it is at `now` (ms)."""
        self._put(self._columns[key], user, profile, compiled.get(key), now)

    @staticmethod
    def _put(column: Column, user: int, profile: Profile, threshold: PopulationThreshold | None, now: int) -> None:
        if threshold is None:
            column.put(user, _UNKNOWN, NEVER)
            return
        value, until, may_rise = threshold.number(profile, now)
        counted = value is not None and threshold.counts(value)
        column.put(user, value if counted and value is not None else _UNKNOWN, until if counted or may_rise else NEVER)
