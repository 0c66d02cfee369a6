"""Bounds from summaries: exact for few users, within the stated rank error for many, however the users are split."""

import math
import random

import numpy as np
import pytest

from segments.definitions.threshold import Threshold
from segments.population.summary import RANK_ERROR, SKETCH_K, bound_of, exact_bound, merge, smoothed, summarize


def spec(**options: object) -> Threshold:
    return Threshold.model_validate({"of": {"score": {"points": {"Add": 1}}}} | (options or {"percentile": 80}))


@pytest.mark.parametrize(
    ("options", "bound"),
    [
        ({"percentile": 80}, 81.0),  # 80 of 100 users lie below it
        ({"top": "20%"}, 81.0),  # and 20 at or above it
        ({"top": "0.5%"}, 100.0),  # never nobody
        ({"percentile": 0.1}, 2.0),
        ({"percentile": 29}, 30.0),  # 0.29 * 100 is 28.999999999999996 in binary
        ({"mean_plus_sd": 0}, 50.5),
        ({"mean_plus_sd": 2}, 50.5 + 2 * math.sqrt((100**2 - 1) / 12)),
    ],
)
@pytest.mark.parametrize("parts", [1, 3])
def test_the_bound_of_the_numbers_1_to_100(options: dict[str, object], bound: float, parts: int) -> None:
    numbers = np.arange(1.0, 101.0)
    np.random.default_rng(1).shuffle(numbers)
    found = merge(summarize(spec(**options), part) for part in np.array_split(numbers, parts))
    assert found.count == 100
    assert bound_of(spec(**options), found) == pytest.approx(bound)
    assert exact_bound(spec(**options), numbers) == pytest.approx(bound)


def test_below_the_minimum_population_there_is_no_bound() -> None:
    few, enough = np.arange(99.0), np.arange(100.0)
    for options in ({"percentile": 80}, {"mean_plus_sd": 2}):
        assert bound_of(spec(**options), summarize(spec(**options), few)) is None
        assert exact_bound(spec(**options), few) is None
        assert bound_of(spec(**options), summarize(spec(**options), enough)) is not None
        assert exact_bound(spec(**options), enough) is not None


def test_nobody_is_a_part_too() -> None:
    nobody, some = np.array([]), np.arange(200.0)
    found = merge([summarize(spec(), nobody), summarize(spec(), some), summarize(spec(), nobody)])
    assert bound_of(spec(), found) == 160
    assert bound_of(spec(), merge([summarize(spec(), nobody)])) is None


def test_mean_and_variance_of_parts_are_those_of_the_whole() -> None:
    numbers = np.random.default_rng(2).lognormal(10, 2, 10_001) + 1e9
    moments = spec(mean_plus_sd=1)
    found = merge(summarize(moments, part) for part in np.array_split(numbers, 17))
    assert found.sketch is None
    assert found.mean == pytest.approx(float(numbers.mean()), rel=1e-12)
    assert found.standard_deviation() == pytest.approx(float(numbers.std()), rel=1e-9)


@pytest.mark.parametrize("percentile", [1, 50, 80, 95, 99.9])
def test_a_rank_is_within_the_stated_error(percentile: float) -> None:
    numbers = np.random.default_rng(3).lognormal(3, 1, 100_000)
    found = merge(summarize(spec(percentile=percentile), part) for part in np.array_split(numbers, 8))
    bound = bound_of(spec(percentile=percentile), found)
    assert bound is not None
    assert found.sketch is not None
    assert len(found.sketch) < 16 * 3 * SKETCH_K
    assert abs(float((numbers < bound).mean()) - percentile / 100) <= RANK_ERROR


def test_equal_numbers_are_all_inside() -> None:
    numbers = np.array([1.0] * 90 + [2.0] * 30)
    assert bound_of(spec(top="1%"), summarize(spec(top="1%"), numbers)) == 2
    assert bound_of(spec(percentile=50), summarize(spec(), numbers)) == 1


def test_smoothing_keeps_a_part_of_the_bound_before() -> None:
    smooth = spec(percentile=80, smoothing=0.75)
    assert smoothed(smooth, 100, 200) == 125
    assert smoothed(smooth, None, 200) == 200
    assert smoothed(smooth, 100, None) is None
    assert smoothed(spec(percentile=80), 100, 200) == 200


def test_exact_and_sketched_bounds_agree_while_users_are_few() -> None:
    rng = random.Random(4)
    for count in (100, 101, 333, SKETCH_K):
        numbers = np.array([float(rng.randrange(50)) for _ in range(count)])
        for percentile in (12.5, 33, 80, 99):
            some = spec(percentile=percentile)
            assert bound_of(some, summarize(some, numbers)) == exact_bound(some, numbers)
