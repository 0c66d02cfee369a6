"""Can formulas hold together? A search that is right when it says no, and says yes when it does not know."""

from __future__ import annotations

from collections.abc import Sequence

from segments.lint.formula import WEEK, AllOf, Atom, Bound, Edge, Flag, Formula, Known, Missing, OneOf
from segments.lint.quantities import Quantity, at_most
from segments.lint.values import ValueTest, possible

_BRANCHES = 400  # tried before the search gives up and says that the formulas may hold together


def satisfiable(*formulas: Formula) -> bool:
    """Say whether some user could fulfil all formulas.

    >>> from segments.lint.formula import compare
    >>> purchases = Quantity("points")
    >>> satisfiable(compare(purchases, "gte", 5), compare(purchases, "lt", 3))
    False
    """
    return _search(formulas, _Facts(), [_BRANCHES])


def _search(formulas: Sequence[Formula], facts: _Facts, left: list[int]) -> bool:
    pending, choices = list(formulas), []
    while pending:
        formula = pending.pop()
        if isinstance(formula, AllOf):
            pending.extend(formula.parts)
        elif isinstance(formula, OneOf):
            choices.append(formula)
        elif not facts.add(formula):
            return False
    if not facts.agree():
        return False
    if not choices:
        return True
    choices.sort(key=lambda choice: len(choice.parts), reverse=True)
    first = choices.pop()
    for part in first.parts:
        left[0] -= 1
        if left[0] < 0 or _search([part, *choices], facts.copy(), left):
            return True
    return False


class _Facts:
    """What is assumed about one user."""

    def __init__(self) -> None:
        self._ranges: dict[Quantity, tuple[Edge | None, Edge | None]] = {}
        self._missing: set[Quantity] = set()
        self._flags: dict[str, bool] = {}
        self._values: dict[str, frozenset[ValueTest]] = {}
        self._minutes = WEEK

    def copy(self) -> _Facts:
        other = _Facts()
        other._ranges, other._missing = dict(self._ranges), set(self._missing)
        other._flags, other._values = dict(self._flags), dict(self._values)
        other._minutes = self._minutes
        return other

    def add(self, atom: Atom) -> bool:
        """Assume one thing more; False when it contradicts what is assumed about the same thing."""
        if isinstance(atom, Bound):
            return self._narrow(atom)
        if isinstance(atom, Missing):
            self._missing.add(atom.quantity)
            return atom.quantity not in self._ranges
        if isinstance(atom, Flag):
            return self._flags.setdefault(atom.name, atom.holds) is atom.holds
        if isinstance(atom, Known):
            self._values[atom.path] = self._values.get(atom.path, frozenset()) | {atom.test}
            return possible(self._values[atom.path])
        self._minutes &= atom.minutes
        return self._minutes != 0

    def _narrow(self, bound: Bound) -> bool:
        quantity = bound.quantity
        if quantity not in self._ranges:
            least, most = quantity.least(), quantity.most()
            self._ranges[quantity] = (None if least is None else (least, 0), None if most is None else (most, 0))
        low, high = self._ranges[quantity]
        low, high = _higher(low, bound.low), _lower(high, bound.high)
        self._ranges[quantity] = (low, high)
        return quantity not in self._missing and not _empty(low, high)

    def agree(self) -> bool:
        """Say whether the ranges of quantities that bound each other leave room."""
        ranges = self._ranges
        for small in ranges:
            for large in ranges:
                if small is not large and at_most(small, large):
                    (low, high), (floor, ceiling) = ranges[small], ranges[large]
                    ranges[small], ranges[large] = (low, _lower(high, ceiling)), (_higher(floor, low), ceiling)
        return not any(_empty(low, high) for low, high in ranges.values())


def _higher(one: Edge | None, other: Edge | None) -> Edge | None:
    return max(one, other) if one is not None and other is not None else one or other


def _lower(one: Edge | None, other: Edge | None) -> Edge | None:
    return min(one, other) if one is not None and other is not None else one or other


def _empty(low: Edge | None, high: Edge | None) -> bool:
    if low is None or high is None:
        return False
    return low[0] > high[0] or (low[0] == high[0] and (low[1] != 0 or high[1] != 0))
