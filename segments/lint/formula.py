"""Formulas: conditions as bounds on quantities, joined by all-of and one-of, with no `not` left in them."""

from __future__ import annotations

import math
from typing import NamedTuple

from segments.lint.quantities import Quantity
from segments.lint.values import ValueTest

Edge = tuple[float, int]  # a bound, and whether it is left out: 1 (low) or -1 (high), so that edges compare


class Bound(NamedTuple):
    """A quantity has a value and it lies between two edges."""

    quantity: Quantity
    low: Edge | None = None
    high: Edge | None = None


class Missing(NamedTuple):
    """A quantity has no value."""

    quantity: Quantity


class Flag(NamedTuple):
    """Something of which only yes or no is known."""

    name: str
    holds: bool = True


class Known(NamedTuple):
    """A test on a trait or a place in the context."""

    path: str
    test: ValueTest


class Clock(NamedTuple):
    """The user's local time is in one of these minutes of the week (bits)."""

    minutes: int


class AllOf(NamedTuple):
    """All parts hold; with no part it is true."""

    parts: tuple[Formula, ...] = ()


class OneOf(NamedTuple):
    """At least one part holds; with no part it is false."""

    parts: tuple[Formula, ...] = ()


Atom = Bound | Missing | Flag | Known | Clock
Formula = Atom | AllOf | OneOf
TRUE, FALSE = AllOf(), OneOf()
WEEK = (1 << 7 * 1_440) - 1


def compare(quantity: Quantity, operator: str, bound: float, *, holds: bool = True) -> Formula:
    """Return `quantity operator bound`, or its opposite.

    >>> compare(Quantity("duration"), "gte", 5.0, holds=False).parts[0].high
    (4, 0)
    """
    above, below = (bound, 1), (bound, -1)
    at = (bound, 0)
    inside: dict[str, tuple[Edge | None, Edge | None]] = {
        "gt": (above, None),
        "gte": (at, None),
        "lt": (None, below),
        "lte": (None, at),
        "eq": (at, at),
    }
    if holds:
        return _bound(quantity, *inside[operator])
    outside: dict[str, list[tuple[Edge | None, Edge | None]]] = {
        "gt": [(None, at)],
        "gte": [(None, below)],
        "lt": [(at, None)],
        "lte": [(above, None)],
        "eq": [(None, below), (above, None)],
    }
    parts: list[Formula] = [_bound(quantity, *edges) for edges in outside[operator]]
    if quantity.may_be_missing():
        parts.append(Missing(quantity))
    return parts[0] if len(parts) == 1 else OneOf(tuple(parts))


def _bound(quantity: Quantity, low: Edge | None, high: Edge | None) -> Bound:
    if quantity.is_whole():
        low = None if low is None else (math.floor(low[0]) + 1 if low[1] else math.ceil(low[0]), 0)
        high = None if high is None else (math.ceil(high[0]) - 1 if high[1] else math.floor(high[0]), 0)
    return Bound(quantity, low, high)


def joined(parts: list[Formula], *, all_of: bool) -> Formula:
    """Return all parts or one of them; by de Morgan the opposite of all-of is one-of the opposites."""
    if len(parts) == 1:
        return parts[0]
    return AllOf(tuple(parts)) if all_of else OneOf(tuple(parts))
