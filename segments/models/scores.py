"""Scores of one version of a model: many users at once where they are known ahead, each score asked for once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import NamedTuple, Protocol

from segments.models.features import Vector
from segments.models.released import ModelVersion

_KEPT = 16_384  # scores that are remembered
Cell = list[float | None]  # of one score; empty until the model has said it
_MOST_AT_ONCE = 1_024


class Scorer(Protocol):
    """What runs a model."""

    def scores(self, vectors: Sequence[Vector]) -> list[float | None]:
        """Return the score of each vector, None where the model failed; never raises."""
        ...


ScorerSource = Callable[[ModelVersion], Scorer]  # raises ModelRefused, OSError when the model cannot be reached now


class InForce(NamedTuple):
    """A version of a model in force, and what runs it."""

    version: ModelVersion
    scorer: Scorer


class _Nothing:
    def scores(self, vectors: Sequence[Vector]) -> list[float | None]:
        return [None] * len(vectors)


def unscored(version: ModelVersion) -> Scorer:
    """Return what scores nobody, where only the features of a model matter."""
    return _Nothing()


def in_force(versions: Iterable[ModelVersion], source: ScorerSource) -> tuple[InForce, ...]:
    """Return versions with what runs them; raises what `source` raises."""
    return tuple(InForce(each, source(each)) for each in versions)


class Scores:
    """Asks a scorer, and remembers what it said: a late event has users scored again as they were.

    >>> class Sums:
    ...     def scores(self, vectors):
    ...         print(len(vectors), "at once")
    ...         return [float(sum(each)) for each in vectors]
    >>> scores = Scores(Sums())
    >>> scores.ahead([(1, 2), (3, 4), (1, 2)])
    2 at once
    [[3.0], [7.0], [3.0]]
    >>> scores.of((3, 4)), scores.of((5, 5))
    1 at once
    (7.0, 10.0)
    """

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer
        self._known: dict[Vector, Cell] = {}

    def of(self, vector: Vector) -> float | None:
        """Return the score of a vector, None where the model failed."""
        return self.ahead([vector])[0][0]

    def ahead(self, vectors: Iterable[Vector]) -> list[Cell]:
        """Score vectors that will be asked for; return for each a list of its score, which others may share."""
        known, missing, cells, found = self._known, list[Vector](), list[Cell](), list[Cell]()
        if len(known) > _KEPT:  # the older half goes: the newest were not asked for yet
            for each in list(islice(known, len(known) // 2)):
                del known[each]
        fresh: Cell = []
        for vector in vectors:
            cell = known.setdefault(vector, fresh)
            if cell is fresh:
                missing.append(vector)
                cells.append(fresh)
                fresh = []
            found.append(cell)
        try:
            for first in range(0, len(missing), _MOST_AT_ONCE):
                scores = self._scorer.scores(missing[first : first + _MOST_AT_ONCE])
                for cell, score in zip(cells[first : first + _MOST_AT_ONCE], scores, strict=True):
                    cell.append(score)
        except BaseException:  # the model is away: what it did not say is not known
            for vector in missing:
                del known[vector]
            raise
        return found

    def each(self, vectors: Sequence[Vector]) -> list[float | None]:
        """Return the scores of vectors that nobody will ask for again."""
        return self._scorer.scores(vectors)
