"""How fast a noisy measurement grows: a robust line through it, and how far that could be by chance."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

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


def slope_of(times: Sequence[float], values: Sequence[float]) -> Slope:
    """Return Theil and Sen's slope, the median over all pairs, with Sen's interval from the ranks of the pairs.

    The times are in order. Raises ValueError for fewer than twelve values.

    >>> slope_of(range(60), [5 + 2 * hour for hour in range(60)]).value
    2.0
    """
    if len(times) < _STRETCHES or len(times) != len(values):
        raise ValueError(
            f"a slope needs at least twelve values and a time for each, not {len(times)} and {len(values)}"
        )
    x, y = (
        np.array([median(part) for part in np.array_split(np.asarray(each), _STRETCHES)]) for each in (times, values)
    )
    first, second = np.triu_indices(_STRETCHES, k=1)
    slopes = np.sort((y[second] - y[first]) / (x[second] - x[first]))
    spread = _QUANTILE * (_STRETCHES * (_STRETCHES - 1) * (2 * _STRETCHES + 5) / 18) ** 0.5
    low, high = int((len(slopes) - spread) / 2), int((len(slopes) + spread) / 2) + 1
    return Slope(float(median(slopes)), float(slopes[low]), float(slopes[high]))
