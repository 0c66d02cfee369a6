"""From vectors of features to the matrices a model takes, numbers and categories; training and serving share it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from segments.models.features import Vector
from segments.models.model import Derived
from segments.models.values import Scalar

Numbers = NDArray[np.float32]
Categories = NDArray[np.object_]
_LARGEST = 1e30  # what is larger is cut to it: an infinity is no number to a model
UNKNOWN = ""  # an unknown category


class Inputs:
    """Columns by name: which are numbers, which categories, what is derived from them.

    An unknown number is NaN, an unknown category an empty text; an `ordered` category becomes its place in the order.
    Raises ValueError when a column that something is derived from is not there or is no number.

    >>> inputs = Inputs(["a", "b", "c"], ["c"], derive=[Derived(name="share", ratio=["a", "b"])])
    >>> numbers, categories = inputs.matrices([(1, 4, "x"), (2.0, 0, None)])
    >>> numbers.tolist(), categories.tolist()
    ([[1.0, 4.0, 0.25], [2.0, 0.0, nan]], [['x'], ['']])
    """

    def __init__(
        self,
        names: Sequence[str],
        categories: Sequence[str],
        *,
        ordered: Mapping[str, Sequence[str]] | None = None,
        derive: Sequence[Derived] = (),
    ) -> None:
        self.names = tuple(names)
        self._ordered = {name: _places(of) for name, of in (ordered or {}).items()}
        self._derive = tuple(derive)
        self.categories = tuple(name for name in names if name in categories and name not in self._ordered)
        given = [name for name in names if name not in self.categories]
        self.numbers = (*given, *(each.name for each in derive))
        self._places = {name: place for place, name in enumerate(names)}
        self._columns = {name: column for column, name in enumerate(self.numbers)}
        self._plain = tuple(name for name in given if name not in self._ordered)
        self._check(given)

    def _check(self, given: Sequence[str]) -> None:
        known = set(given)
        missing = sorted(set(self._ordered) - set(self._places))
        if missing:
            raise ValueError(
                f"'{missing[0]}' is ordered, but there is no such column (there are {', '.join(self.names)})"
            )
        for each in self._derive:
            kind, of = each.kind()
            unknown = [name for name in of if name not in known] if kind != "place" else []
            if unknown:
                raise ValueError(f"'{each.name}' is derived from '{unknown[0]}', which is no number before it")
            if kind == "place" and of.of not in self._places:
                raise ValueError(f"'{each.name}' is the place of '{of.of}', which is no column")
            if each.name in self._places or each.name in known - set(given):
                raise ValueError(f"two columns are named '{each.name}'")
            known.add(each.name)

    def matrices(self, vectors: Sequence[Vector]) -> tuple[Numbers, Categories]:
        """Return the numbers and the categories of vectors, one row each."""
        numbers = np.empty((len(vectors), len(self.numbers)), np.float64)
        self._fill(numbers, vectors)
        for column, derived in enumerate(self._derive, len(self.numbers) - len(self._derive)):
            kind, of = derived.kind()
            if kind == "place":
                values = [vector[self._places[of.of]] for vector in vectors]
                numbers[:, column] = _placed(values, _places(of.order))
            else:
                numbers[:, column] = _DERIVED[kind]([numbers[:, self._columns[name]] for name in of])
        np.clip(numbers, -_LARGEST, _LARGEST, out=numbers)
        categories = np.empty((len(vectors), len(self.categories)), object)
        for column, name in enumerate(self.categories):
            source = self._places[name]
            categories[:, column] = [UNKNOWN if vector[source] is None else str(vector[source]) for vector in vectors]
        return numbers.astype(np.float32), categories

    def _fill(self, numbers: NDArray[np.float64], vectors: Sequence[Vector]) -> None:
        """Write the columns that are given into the matrix: all plain numbers at once, None becomes NaN."""
        if self._plain and vectors:
            rows = list(map(itemgetter(*(self._places[name] for name in self._plain)), vectors))
            try:
                found = np.array(rows, np.float64)
            except (TypeError, ValueError):  # a text among numbers is unknown
                found = np.array([[_number(vector[self._places[name]]) for name in self._plain] for vector in vectors])
            numbers[:, [self._columns[name] for name in self._plain]] = found.reshape(len(vectors), -1)
        for name, order in self._ordered.items():
            numbers[:, self._columns[name]] = _placed([vector[self._places[name]] for vector in vectors], order)


def _places(order: Sequence[str]) -> dict[str, float]:
    return {value: float(place) for place, value in enumerate(order)}


def _placed(values: Sequence[Scalar], places: Mapping[str, float]) -> NDArray[np.float64]:
    return np.array([places.get(str(each), np.nan) for each in values])


def _number(value: float | str | None) -> float:
    return np.nan if value is None or isinstance(value, str) else float(value)


def _ratio(columns: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    above, below = columns
    zero = below == 0
    return np.where(zero, np.nan, above / np.where(zero, 1.0, below))


def _product(columns: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    with np.errstate(over="ignore"):  # cut afterwards
        return np.asarray(np.prod(columns, axis=0))


_DERIVED: dict[str, Callable[[Sequence[NDArray[np.float64]]], NDArray[np.float64]]] = {
    "sum": lambda columns: np.asarray(np.sum(columns, axis=0)),
    "product": _product,
    "ratio": _ratio,
    "difference": lambda columns: columns[0] - columns[1],
}
