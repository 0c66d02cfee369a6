"""A model in a plan: when its users are scored, what their scores are, and what makes a score what it is."""

from __future__ import annotations

import math
import zlib
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

from segments.changes import Share
from segments.features.scored import AT, BY, NEXT, SCORE, SKETCH, Scored, score_by
from segments.models.features import Features, Vector
from segments.models.scores import InForce, Scores
from segments.profile import NEVER, Profile

if TYPE_CHECKING:
    from segments.rules import Rule

_SPREAD = 60_000  # ms in which all users are scored anew when a version comes into force
_SHARES_TOLD = 3
_UNSCORED_TOLD = 10  # of a batch
_MOST_READY = 16_384  # users
_NOT_READY: tuple[int, Vector] = (-1, ())
_DIGITS = 6


class Scoring:
    """Scores users by one version of a model; `feature` is the id of the score in profiles, `reads` of what it reads.

    Nothing here depends on which users are scored together: `ahead` only saves calls.
    """

    def __init__(self, model: InForce, features: Features, feature: int, scored: Scored, reads: frozenset[int]) -> None:
        self.version = model.version
        self.feature = feature
        self.reads = reads
        self.rules: tuple[Rule, ...] = ()
        self.unscored: list[tuple[str, int, str]] = []  # user, instant (ms) and version of the first that it failed
        self._bounds: list[float] = []
        self._features = features
        self._scored = scored
        self._scores = Scores(model.scorer)

    def compare_with(self, bound: float) -> None:
        """Note that a condition compares scores with a bound."""
        insort(self._bounds, bound)

    def due(self, profile: Profile) -> int:
        """Return when (ms) the user is to be scored, NEVER for never."""
        score = profile.features.get(self.feature)
        return NEVER if score is None else score[NEXT]

    def moved(self, user_id: str, profile: Profile, moved: list[int], now: int) -> None:
        """Note that values which are not of events, such as traits, moved at `now` (ms)."""
        if not self.reads.isdisjoint(moved):
            self._scored.outdate(user_id)
            score_by(profile.features, self.feature, now + self.version.delay)

    def prepare(self, user_id: str, profile: Profile, now: int) -> None:
        """Have a user scored whose score is of another version than the one that comes into force at `now` (ms)."""
        score = profile.features.get(self.feature)
        if score is None or score[BY] != self.version.version:
            score_by(profile.features, self.feature, now + 1 + zlib.crc32(user_id.encode()) % _SPREAD)

    def score(self, user_id: str, profile: Profile, now: int) -> bool:
        """Score the user if that is due at `now` (ms); returns whether the score came to stand elsewhere to a bound.

        Of a user for whom the model fails the last score stays.
        """
        score = profile.features.get(self.feature)
        if score is None or score[NEXT] > now:
            return False
        version, longest = self.version, self.version.max_age
        ready_at, vector = self._scored.ready.pop(user_id, _NOT_READY)
        if ready_at != now:
            vector = self._features.vector(profile, now)
        sketch = _sketch(vector, version.tolerance) if version.tolerance else 0
        if version.tolerance and score[BY] == version.version and sketch == score[SKETCH] and now < score[AT] + longest:
            score[NEXT] = score[AT] + longest
            return False
        found = self._scores.of(vector)
        score[NEXT] = now + longest
        if found is None:
            if len(self.unscored) < _UNSCORED_TOLD:
                self.unscored.append((user_id, now, version.label))
            return False
        was, bounds = score[SCORE], self._bounds
        score[SCORE], score[AT], score[BY], score[SKETCH] = found, now, version.version, sketch
        if was is None or bisect_left(bounds, was) != bisect_left(bounds, found):
            return True
        return bisect_right(bounds, was) != bisect_right(bounds, found)

    def prepare_ahead(self, user_id: str, profile: Profile, until: int) -> Vector | None:
        """Return what a user will be scored by if nothing happens before, None when that is not due up to `until`."""
        due, ready = self.due(profile), self._scored.ready
        if due > until or ready.get(user_id, _NOT_READY)[0] == due:
            return None
        vector = self._features.vector(profile, due)
        if len(ready) >= _MOST_READY:
            ready.clear()
        ready[user_id] = (due, vector)
        return vector

    def ahead(self, vectors: list[Vector]) -> None:
        """Score vectors together that will be asked for."""
        self._scores.ahead(vectors)

    def take_outdated(self) -> list[str]:
        """Return the users who were prepared for and to whom something happened, since this was asked last."""
        found = list(dict.fromkeys(self._scored.outdated))
        self._scored.outdated.clear()
        return found

    def shares(self, profile: Profile, now: int) -> list[Share]:
        """Return the columns that make most of the score at `now` (ms).

        A column's share is by how much the score changes when the column alone is given its typical value.
        """
        if self.version.task == "cluster":  # the numbers of groups have no order
            return []
        vector, typical = self._features.vector(profile, now), self.version.typical
        places = [
            (place, name)
            for place, name in enumerate(self._features.names)
            if name in typical and vector[place] != typical[name]
        ]
        if not places:
            return []
        others = [(*vector[:place], typical[name], *vector[place + 1 :]) for place, name in places]
        whole, *without = self._scores.each([vector, *others])
        found = [
            Share(name, vector[place], typical[name], round(whole - score, _DIGITS))
            for (place, name), score in zip(places, without, strict=True)
            if whole is not None and score is not None and score != whole
        ]
        return list(islice(sorted(found, key=lambda share: (-abs(share.adds), share.feature)), _SHARES_TOLD))


def _sketch(vector: Vector, tolerance: float) -> int:
    """Return a checksum that stays while no number leaves its step, each `tolerance` (a share) wide.

    >>> _sketch((100.0, "de"), 0.1) == _sketch((101.0, "de"), 0.1) != _sketch((150.0, "de"), 0.1)
    True
    """
    return zlib.crc32(repr(tuple(_steps(vector, tolerance))).encode())


def _steps(vector: Vector, tolerance: float) -> Iterator[int | str | None]:
    width = math.log1p(tolerance)
    for value in vector:
        if value is None or isinstance(value, str):
            yield value
        elif math.isfinite(value):
            yield int(math.copysign(math.log1p(abs(value)) / width, value))
        else:
            yield str(value)
