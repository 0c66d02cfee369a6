"""What is passed on of many users' numbers: a quantile sketch, and count, mean and variance; parts can be merged."""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction

import msgspec
import numpy as np
from datasketches import kll_doubles_sketch
from numpy.typing import NDArray

from segments.definitions.threshold import Threshold

SKETCH_K = 2_000
# Of ranks, as a share of the population: the library's own figure for this k, which holds 99 times in 100 (0.14 %),
# for both sides together (0.19 %), rounded up.
RANK_ERROR = 0.002


class Summary(msgspec.Struct, frozen=True):
    """Numbers of `count` users: mean, sum of squared differences from it, a KLL sketch where ranks are asked."""

    count: int
    mean: float
    squares: float
    sketch: bytes | None = None

    def standard_deviation(self) -> float:
        """Return the population's standard deviation, 0 of nobody."""
        return math.sqrt(self.squares / self.count) if self.count else 0.0


def summarize(spec: Threshold, numbers: NDArray[np.float64]) -> Summary:
    """Return the summary of numbers.

    >>> from segments.definitions.threshold import Threshold
    >>> spec = Threshold.model_validate({"of": {"score": {"points": {"Add": 1}}}, "percentile": 80})
    >>> bound_of(spec, merge([summarize(spec, np.arange(1.0, 51)), summarize(spec, np.arange(51.0, 101))]))
    81.0
    """
    mean = float(np.mean(numbers)) if len(numbers) else 0.0
    squares = float(np.sum(np.square(numbers - mean)))
    return Summary(len(numbers), mean, squares, _sketch(numbers) if spec.bound()[0] == "percentile" else None)


def _sketch(numbers: NDArray[np.float64]) -> bytes:
    sketch = kll_doubles_sketch(SKETCH_K)
    sketch.update(numbers)
    return bytes(sketch.serialize())


def merge(parts: Iterable[Summary]) -> Summary:
    """Return the summary of all parts together: mean and variance by Chan's formula, ranks within RANK_ERROR."""
    count, mean, squares = 0, 0.0, 0.0
    sketch: kll_doubles_sketch | None = None
    for part in parts:
        if part.count:
            total, difference = count + part.count, part.mean - mean
            mean += difference * part.count / total
            squares += part.squares + difference * difference * count * part.count / total
            count = total
        if part.sketch is not None:
            theirs = kll_doubles_sketch.deserialize(part.sketch)
            if sketch is None:
                sketch = theirs
            else:
                sketch.merge(theirs)
    return Summary(count, mean, squares, None if sketch is None else bytes(sketch.serialize()))


def bound_of(spec: Threshold, summary: Summary) -> float | None:
    """Return where the bound lies for this population, None where it is smaller than `min_population`."""
    kind, number = spec.bound()
    if summary.count < spec.min_population:
        return None
    if kind == "mean_plus_sd":
        return summary.mean + number * summary.standard_deviation()
    sketch = kll_doubles_sketch.deserialize(summary.sketch or b"")
    rank = (
        _place(number, summary.count) + 0.5
    ) / summary.count  # the middle of the user's step: rounding cannot miss it
    return float(sketch.get_quantile(rank, True))


def exact_bound(spec: Threshold, numbers: NDArray[np.float64]) -> float | None:
    """Return what `bound_of` returns, with ranks exact: for those who have all numbers at hand.

    >>> spec = Threshold.model_validate({"of": {"score": {"points": {"Add": 1}}}, "top": "20%", "min_population": 5})
    >>> exact_bound(spec, np.array([5.0, 1, 4, 2, 3]))
    5.0
    """
    kind, number = spec.bound()
    if kind == "mean_plus_sd" or len(numbers) < spec.min_population:
        return bound_of(spec, summarize(spec, numbers))
    place = _place(number, len(numbers))
    return float(np.partition(numbers, place)[place])


def _place(percentile: float, count: int) -> int:
    """Return the place, from 0, of the first number below which at least this percentage of all lie."""
    return min(count - 1, math.ceil(Fraction(str(percentile)) * count / 100))


def smoothed(spec: Threshold, before: float | None, found: float | None) -> float | None:
    """Return the bound that takes effect: `smoothing` parts of the one before, the rest of the one just found."""
    if before is None or found is None or not spec.smoothing:
        return found
    return spec.smoothing * before + (1 - spec.smoothing) * found
