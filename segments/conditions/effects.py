"""How an event that reaches a feature can move a condition: what it only confirms is not asked."""

from __future__ import annotations

from collections.abc import Mapping

# Whether a condition stays as it is that is false until an instant, that is true, that is false for ever.
Effect = tuple[bool, bool, bool]
Effects = Mapping[tuple[int, str], Effect]  # (feature id, role of the input) -> effect

UNKNOWN = (False, False, False)
RISES = (False, True, False)  # never makes it false
FALLS = (True, False, True)  # never makes it true
RISES_UNLESS_DUE = (True, True, False)  # and who is outside until an instant is so by another condition


def either(one: Effect, other: Effect) -> Effect:
    """Return how an event moves a condition that it moves in two ways.

    >>> either(RISES, RISES_UNLESS_DUE) == RISES, either(FALLS, RISES_UNLESS_DUE) == UNKNOWN
    (True, True)
    """
    falls = one[2] and other[2]
    return (falls or one == other == RISES_UNLESS_DUE, one[1] and other[1], falls)


def opposite(effect: Effect) -> Effect:
    """Return how an event moves `not` a condition, regardless of dues.

    >>> opposite(RISES) == FALLS, opposite(FALLS) == RISES
    (True, True)
    """
    _, holds, never = effect
    return (holds, never, holds)


def regardless_of_dues(effects: Effects) -> Effects:
    """Return effects on what may be false until an instant for another reason than that one of these conditions is.

    >>> regardless_of_dues({(1, ""): RISES_UNLESS_DUE, (2, ""): FALLS}) == {(1, ""): RISES, (2, ""): FALLS}
    True
    """
    return {place: (never, holds, never) for place, (_, holds, never) in effects.items()}


def effect_of(operator_name: str, *, rising: bool) -> Effect:
    """Return how a value that only rises (or unknown) moves a comparison.

    >>> effect_of("gte", rising=True) == RISES, effect_of("lt", rising=True) == FALLS
    (True, True)
    """
    if not rising:
        return UNKNOWN
    return {"gt": RISES, "gte": RISES, "lt": FALLS, "lte": FALLS}.get(operator_name, UNKNOWN)


def effect_of_aggregate(kind: str, operator_name: str) -> Effect:
    """Return how one more amount moves a comparison of a sum, avg, min or max; over nothing the last three are false.

    >>> effect_of_aggregate("max", "gte") == RISES, effect_of_aggregate("sum", "gt") == UNKNOWN
    (True, True)
    """
    rises = {("max", "gt"), ("max", "gte"), ("min", "lt"), ("min", "lte")}
    return RISES if (kind, operator_name) in rises else UNKNOWN
