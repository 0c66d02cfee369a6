"""Columns made of others: what training sees and what serving sees are made by the same code."""

import numpy as np
import pytest

from segments.models.inputs import Inputs
from segments.models.model import Derived

MONTH = {"of": "month", "order": ["Feb", "Mar", "Nov"]}


def derived(**fields: object) -> Derived:
    return Derived.model_validate({"name": "made", **fields})


def test_a_category_has_a_place_and_stays_a_category() -> None:
    inputs = Inputs(["month", "pages"], ["month"], derive=[derived(place=MONTH)])
    numbers, categories = inputs.matrices([("Nov", 3), ("Feb", 1), ("Juli", 2), (None, 2)])
    assert inputs.numbers == ("pages", "made")
    assert np.array_equal(numbers[:, 1], [2.0, 0.0, np.nan, np.nan], equal_nan=True)
    assert categories[:, 0].tolist() == ["Nov", "Feb", "Juli", ""]


def test_a_place_can_be_reckoned_with() -> None:
    late = Derived.model_validate({"name": "late", "product": ["made", "pages"]})
    numbers, _ = Inputs(["month", "pages"], ["month"], derive=[derived(place=MONTH), late]).matrices([("Mar", 5)])
    assert numbers.tolist() == [[5.0, 1.0, 5.0]]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"place": {"of": "year", "order": ["a", "b"]}}, "'made' is the place of 'year', which is no column"),
        ({"sum": ["month", "pages"]}, "'made' is derived from 'month', which is no number before it"),
    ],
)
def test_what_is_not_there_is_told(given: dict[str, object], expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        Inputs(["month", "pages"], ["month"], derive=[derived(**given)])


def test_what_is_no_number_among_numbers_is_unknown() -> None:
    numbers, _ = Inputs(["pages", "price"], []).matrices([("many", 2), (None, 1e300), (True, -1e300)])
    expected = np.array([[np.nan, 2.0], [np.nan, 1e30], [1.0, -1e30]], np.float32)
    assert np.array_equal(numbers, expected, equal_nan=True)
