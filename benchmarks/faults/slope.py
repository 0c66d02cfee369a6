"""How fast a noisy measurement grows: a robust line through it, and how far that could be by chance."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

_STRETCHES = 12  # neighbouring samples are alike: the medians of so many stretches count, which hardly are
_QUANTILE = 1.96  # of the normal distribution, for 95 %


class Slope(NamedTuple):
    """A slope in units of the values per unit of the times, with the ends of its 95 % confidence interval."""

    value: float
    low: float
    high: float

    @property
    def is_noise(self) -> bool:
        """Say whether no growth and no shrinking at all would be as likely."""
        return self.low <= 0 <= self.high


def slope_of(
    times: Sequence[float], values: Sequence[float], typical: Callable[[Any], float] = statistics.median
) -> Slope:
    """Return Theil and Sen's slope, the median over all pairs, with Sen's interval from the ranks of the pairs.

    The times are in order; `typical` says what counts of a stretch of values. Raises ValueError for fewer than twelve.

    >>> slope_of(range(60), [5 + 2 * hour for hour in range(60)]).value
    2.0
    """
    if len(times) < _STRETCHES or len(times) != len(values):
        raise ValueError(
            f"a slope needs at least twelve values and a time for each, not {len(times)} and {len(values)}"
        )
    x = np.array([statistics.median(part) for part in np.array_split(times, _STRETCHES)])
    y = np.array([typical(part) for part in np.array_split(values, _STRETCHES)])
    first, second = np.triu_indices(_STRETCHES, k=1)
    slopes = np.sort((y[second] - y[first]) / (x[second] - x[first]))
    spread = _QUANTILE * (_STRETCHES * (_STRETCHES - 1) * (2 * _STRETCHES + 5) / 18) ** 0.5
    low, high = int((len(slopes) - spread) / 2), int((len(slopes) + spread) / 2) + 1
    return Slope(float(np.median(slopes)), float(slopes[low]), float(slopes[high]))
