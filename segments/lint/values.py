"""Can a JSON value pass these tests? Decided by trying one value from each region that the tests tell apart."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

from segments.selectors import OPERATORS


class ValueTest(NamedTuple):
    """One test on a value, and whether it must pass or fail; the bound is JSON, so that 1 and true stay apart."""

    operator: str
    bound: str
    passes: bool = True


@lru_cache(maxsize=65_536)
def possible(tests: frozenset[ValueTest], declared: str = "any") -> bool:
    """Say whether some value (or none at all) of a declared type fulfils all tests; True when that is not known.

    >>> possible(frozenset({ValueTest("gte", "5"), ValueTest("lt", "3")}))
    False
    >>> possible(frozenset({ValueTest("gt", "5"), ValueTest("lt", "6")}))
    True
    """
    if any(ValueTest(test.operator, test.bound, not test.passes) in tests for test in tests):
        return False
    decided = [(OPERATORS[test.operator], json.loads(test.bound), test) for test in tests]

    def fulfilled(value: Any, *, with_contains: bool) -> bool:
        return all(
            operator(value, bound) is test.passes
            for operator, bound, test in decided
            if with_contains or test.operator != "contains"
        )

    pinned = any(test.passes and test.operator in ("eq", "in") for test in tests)
    guessing = not pinned and any(test.operator == "contains" for test in tests)
    found = [each for each in _candidates(decided) if _is_of(each, declared)]
    return any(fulfilled(each, with_contains=True) for each in found) or (
        guessing and any(each is not None and fulfilled(each, with_contains=False) for each in found)
    )


def _candidates(decided: Iterable[tuple[Any, Any, ValueTest]]) -> list[Any]:
    """One value of each region: missing, the constants, their neighbours, and values that no test names."""
    numbers: set[float] = set()
    texts: set[str] = set()
    others: list[Any] = []
    for _, bound, _ in decided:
        for each in bound if isinstance(bound, list) else [bound]:
            if isinstance(each, bool):
                others.append([each])
            elif isinstance(each, int | float):
                numbers.add(each)
                others.append([each])
            else:
                texts.add(each)
                others.append([each])
    return [None, True, False, [], *others, *_numbers_near(numbers), *_texts_near(texts)]


def _numbers_near(numbers: set[float]) -> list[Any]:
    ordered = sorted(numbers)
    middles = [(low + high) / 2 for low, high in pairwise(ordered)]
    whole = [math.floor(each) + step for each in ordered for step in (-1, 0, 1, 2)]
    ends = [ordered[0] - 1.5, ordered[-1] + 1.5] if ordered else [0]
    return [*ordered, *middles, *whole, *ends]


def _texts_near(texts: set[str]) -> list[str]:
    joined = "".join(sorted(texts))
    return ["", *texts, *(each + "\0" for each in texts), joined, joined + "\U0010ffff", "\0"]


def _is_of(value: Any, declared: str) -> bool:
    if value is None or declared == "any":
        return True
    if declared in ("number", "integer"):
        return type(value) is int or (declared == "number" and type(value) is float)
    return isinstance(value, str if declared == "string" else bool)
