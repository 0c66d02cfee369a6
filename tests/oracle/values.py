"""Property values as the contract sees them: paths, equality, operators, exact amounts, durations."""

import re
from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from functools import cache
from typing import Any

UNIT_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
MICRO = Decimal("0.000001")
WIDE = Context(prec=700)


@cache
def duration_ms(text: str) -> int:
    """Milliseconds of a duration such as `1h30m`."""
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)", text)
    if "".join(number + unit for number, unit in parts) != text or not parts:
        raise ValueError(f"not a duration: {text!r}")
    return int(sum(Fraction(number) * UNIT_MS[unit] for number, unit in parts))


def reach(value: Any, path: str) -> Any:
    """The value at a dotted path inside nested objects, or None where there is none."""
    for part in path.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return None
        value = value[part]
    return value


def is_number(value: Any) -> bool:
    """Whether a JSON value is a number (true and false are not)."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def key(value: Any) -> Any:
    """Something hashable that is equal for equal JSON values and keeps the JSON types apart."""
    if value is None or isinstance(value, bool):
        return ("literal", value)
    if is_number(value):
        return ("number", exact(value))
    if isinstance(value, str):
        return ("text", value)
    if isinstance(value, list):
        return ("list", tuple(key(item) for item in value))
    return ("object", frozenset((name, key(item)) for name, item in value.items()))


def exact(value: Any) -> Fraction:
    """A number as it is written, without binary rounding."""
    return Fraction(Decimal(repr(value)))


def amount(value: Any) -> Fraction:
    """A number rounded to 1e-6, half to even."""
    return Fraction(Decimal(repr(value)).quantize(MICRO, ROUND_HALF_EVEN, WIDE))


def same(left: Any, right: Any) -> bool:
    """Equality of two JSON values."""
    return bool(key(left) == key(right))


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def test(value: Any, limit: Any) -> bool:
        if is_number(value) and is_number(limit):
            return compare(exact(value), exact(limit))
        if isinstance(value, str) and isinstance(limit, str):
            return compare(value, limit)
        return False

    return test


def _contains(value: Any, part: Any) -> bool:
    if isinstance(value, str):
        return isinstance(part, str) and part in value
    return isinstance(value, list) and any(same(item, part) for item in value)


OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda value, wanted: value is not None and same(value, wanted),
    "ne": lambda value, wanted: value is None or not same(value, wanted),
    "in": lambda value, wanted: value is not None and any(same(value, one) for one in wanted),
    "not_in": lambda value, wanted: value is None or not any(same(value, one) for one in wanted),
    "gt": _ordered(lambda a, b: a > b),
    "gte": _ordered(lambda a, b: a >= b),
    "lt": _ordered(lambda a, b: a < b),
    "lte": _ordered(lambda a, b: a <= b),
    "exists": lambda value, wanted: (value is not None) == wanted,
    "contains": _contains,
}


def fulfils(value: Any, test: Any) -> bool:
    """Whether a value (None: missing) passes a `where` entry: a literal, or a mapping of operators."""
    tests = test if isinstance(test, dict) else {"eq": test}
    return all(OPERATORS[operator](value, wanted) for operator, wanted in tests.items())


def compares(value: Any, arguments: Mapping[str, Any], convert: Callable[[Any], Any] = exact) -> bool:
    """Whether a value stands in the one comparison that a condition's arguments name."""
    for name in ("gt", "gte", "lt", "lte", "eq"):
        if name in arguments:
            limit = convert(arguments[name])
            verdicts = {"gt": value > limit, "gte": value >= limit, "lt": value < limit}
            return bool({**verdicts, "lte": value <= limit, "eq": value == limit}[name])
    raise ValueError(f"no comparison in {arguments}")
