"""Thresholds: a number of the user, from the whole history, against the bound in force at the instant."""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from tests.oracle.history import Event, History
from tests.oracle.values import amount, exact, is_number, key

Arguments = dict[str, Any]
Opens = Callable[[str], int]  # the first instant of a window
Bounds = Sequence[tuple[int, float | None]]  # from when on (ms), the bound; None: nobody


def in_force(bounds: Bounds, now: int) -> float | None:
    """The bound at an instant, None where there is none."""
    found = [bound for starts, bound in bounds if starts <= now]
    return found[-1] if found else None


def reaches(arguments: Arguments, history: History, now: int, opens: Opens, bounds: Bounds) -> bool:
    """Whether the user counts and its number is at or above the bound."""
    bound, value = in_force(bounds, now), number(arguments["of"], history, now, opens)
    counts = value is not None and (value > 0 or arguments.get("among") == "all")
    return counts and bound is not None and value is not None and float(value) >= bound


def number(of: Arguments, history: History, now: int, opens: Opens) -> Fraction | None:
    """The number that is compared, None where there is none."""
    ((kind, arguments),) = of.items()
    if kind == "score":
        return sum((exact(arguments["points"].get(event.name, 0)) for event in history.events), Fraction(0))
    events = history.select(arguments)
    if kind != "lifetime":
        events = [event for event in events if opens(arguments["within"]) <= event.t <= now]
    return _number_of(arguments.get("of", kind), events, arguments)


def _number_of(kind: str, events: list[Event], arguments: Mapping[str, Any]) -> Fraction | None:
    if kind == "count":
        return Fraction(len(events))
    values = [event.value(arguments["property"]) for event in events]
    if kind == "distinct":
        return Fraction(len({key(value) for value in values if value is not None}))
    numbers = [amount(value) for value in values if is_number(value)]
    if kind == "sum":
        return sum(numbers, Fraction(0))
    if not numbers:
        return None
    return {"avg": sum(numbers, Fraction(0)) / len(numbers), "min": min(numbers), "max": max(numbers)}[kind]
