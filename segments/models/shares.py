"""What makes most of a score, for many changes in one call of the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice

from segments.changes import Share
from segments.models.features import Vector
from segments.models.scores import Scores

_TOLD = 3
_DIGITS = 6
_MOST_ROWS = 1_024  # that wait for the model

_Asked = tuple[list[Share], Vector, list[int]]  # what is to be told, the columns, and the places of those that differ


class Shares:
    """Says for the columns that count most by how much a score changes when one alone is given its typical value.

    Nothing depends on what is asked together: a model says the same of a row whatever rows come with it.

    >>> class Sums:
    ...     def scores(self, vectors):
    ...         print(len(vectors), "at once")
    ...         return [float(sum(each)) for each in vectors]
    >>> shares = Shares(("views", "orders"), {"views": 1, "orders": 0}, Scores(Sums()))
    >>> many, few = shares.of((5, 2)), shares.of((1, 3))
    >>> many
    []
    >>> shares.tell()
    5 at once
    >>> [(each.feature, each.adds) for each in many], [(each.feature, each.adds) for each in few]
    ([('views', 4.0), ('orders', 2.0)], [('orders', 3.0)])
    """

    def __init__(self, names: Sequence[str], typical: Mapping[str, float | str | None], scores: Scores) -> None:
        self._names = names
        self._typical = typical
        self._scores = scores
        self._known = [(place, typical[name]) for place, name in enumerate(names) if name in typical]
        self._asked: list[_Asked] = []
        self._rows = 0

    def of(self, vector: Vector) -> list[Share]:
        """Return a list that `tell` fills, and this does when many wait; raises OSError when the model is away."""
        found = list[Share]()
        places = [place for place, typical in self._known if vector[place] != typical]
        if places:
            self._asked.append((found, vector, places))
            self._rows += len(places) + 1
            if self._rows >= _MOST_ROWS:
                self.tell()
        return found

    def tell(self) -> None:
        """Fill all lists that were asked for; raises OSError when the model is away."""
        asked, self._asked, self._rows = self._asked, [], 0
        if not asked:
            return
        rows = [row for _, vector, places in asked for row in (vector, *(self._without(vector, p) for p in places))]
        scores = iter(self._scores.each(rows))
        for found, vector, places in asked:
            whole, *without = islice(scores, len(places) + 1)
            if whole is not None:
                found.extend(self._most(vector, places, whole, without))

    def _without(self, vector: Vector, place: int) -> Vector:
        return (*vector[:place], self._typical[self._names[place]], *vector[place + 1 :])

    def _most(
        self, vector: Vector, places: Sequence[int], whole: float, without: Sequence[float | None]
    ) -> Sequence[Share]:
        found = []
        for place, score in zip(places, without, strict=True):
            if score is not None and score != whole:
                name = self._names[place]
                found.append(Share(name, vector[place], self._typical[name], round(whole - score, _DIGITS)))
        return sorted(found, key=lambda share: (-abs(share.adds), share.feature))[:_TOLD]
