"""A model in a plan: when its users are scored, what their scores are, and what makes a score what it is."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from segments.changes import Share
from segments.features.scored import AT, BY, COMES, NEXT, SCORE, SKETCH, Ready, Scored, due_at, settle, stands, wait
from segments.models.features import Features, Vector
from segments.models.scores import InForce, Scores
from segments.models.shares import Shares
from segments.profile import NEVER, Profile

if TYPE_CHECKING:
    from segments.rules import Rule

_SPREAD = 60_000  # ms in which all users are scored anew when a version comes into force
_UNSCORED_TOLD = 10  # of a batch
_MOST_READY = 16_384  # users


class Found(NamedTuple):
    """A score that was found before its instant `at` (ms)."""

    scoring: Scoring
    user_id: str
    profile: Profile
    at: int
    score: float


class Scoring:
    """Scores users by one version of a model; `feature` is the id of the score in profiles, `reads` of what it reads.

    `prepared` are the users who will be scored together. Nothing depends on which those are: it only saves calls.
    """

    def __init__(self, model: InForce, features: Features, feature: int, scored: Scored, reads: frozenset[int]) -> None:
        self.version = model.version
        self.feature = feature
        self.reads = reads
        self.rules: tuple[Rule, ...] = ()
        self.unscored: list[tuple[str, int, str]] = []  # user, instant (ms) and version of the first that it failed
        self._asked: list[tuple[Callable[[float, float], bool], float]] = []
        self._features = features
        self._scored = scored
        self._scores = Scores(model.scorer)
        self._shares = Shares(features.names, model.version.typical, self._scores)
        self._tells_at_once = True
        self.prepared: list[tuple[str, Profile, int, Vector]] = []

    def compare_with(self, compare: Callable[[float, float], bool], bound: float) -> None:
        """Note that a condition compares scores with a bound; it holds of nobody who has no score."""
        self._asked.append((compare, bound))

    def due(self, profile: Profile) -> int:
        """Return when (ms) the user is to be scored, NEVER for never."""
        score = profile.features.get(self.feature)
        return NEVER if score is None else due_at(score, profile.clock)

    def put_off(self, profile: Profile, until: int) -> None:
        """Have a user who has a score, or waits for one, be scored at `until` (ms) and not before by time alone."""
        self.settle(profile)
        profile.features[self.feature][NEXT] = until

    def moved(self, user_id: str, profile: Profile, moved: list[int], now: int) -> None:
        """Note that values which are not of events, such as traits, moved at `now` (ms)."""
        if not self.reads.isdisjoint(moved):
            self._scored.happened(profile.features, self.feature, user_id, now, now + self.version.delay)

    def prepare(self, user_id: str, profile: Profile, now: int) -> None:
        """Have a user scored whose score is of another version than the one that comes into force at `now` (ms).

        A score that waits is found anew at its instant: it may decide something under the rules that hold from now on.
        """
        self.settle(profile)
        score = profile.features.get(self.feature)
        if score is None or score[BY] != self.version.version:
            due = now + 1 + zlib.crc32(user_id.encode()) % _SPREAD
            self._scored.happened(profile.features, self.feature, user_id, now, due)

    def score(self, user_id: str, profile: Profile, now: int) -> bool:
        """Score the user if that is due at `now` (ms); returns whether a condition changes sides by the score.

        Of a user for whom the model fails the last score stays.
        """
        score = profile.features.get(self.feature)
        if score is not None and len(score) > COMES and score[COMES] <= now:
            settle(score, now)  # now: another event of this instant comes after it
        if score is None or score[NEXT] > now:
            return False
        version, longest = self.version, self.version.max_age
        ready = self._scored.ready.pop(user_id, None)
        if ready is None or ready.at != now:
            ready = Ready(now, self._features.vector(profile, now), [])
        vector = ready.vector
        sketch = _sketch(vector, version.tolerance) if version.tolerance else 0
        if version.tolerance and score[BY] == version.version and sketch == score[SKETCH] and now < score[AT] + longest:
            score[NEXT] = score[AT] + longest
            return False
        found = ready.score[0] if ready.score else self._scores.of(vector)
        score[NEXT] = now + longest
        if found is None:
            if len(self.unscored) < _UNSCORED_TOLD:
                self.unscored.append((user_id, now, version.label))
            return False
        was = score[SCORE]
        score[SCORE], score[AT], score[BY], score[SKETCH] = found, now, version.version, sketch
        return self._decides(was, found)

    def _decides(self, was: float | None, found: float) -> bool:
        """Say whether a condition comes to hold, or not to hold any more, by another score."""
        return any((was is not None and compare(was, bound)) != compare(found, bound) for compare, bound in self._asked)

    def lacks(self, user_id: str, profile: Profile, until: int) -> bool:
        """Say whether a user is to be scored up to `until` (ms) and was not prepared for."""
        score = profile.features.get(self.feature)
        if score is None or score[NEXT] > until or (len(score) > COMES and score[COMES] > profile.clock):
            return False
        ready = self._scored.ready.get(user_id)
        return ready is None or ready.at != score[NEXT]

    def prepare_ahead(self, user_id: str, profile: Profile, until: int) -> None:
        """Have a user scored ahead with the next ones, if that is due up to `until` (ms) and was not done."""
        if self.lacks(user_id, profile, until):
            due = profile.features[self.feature][NEXT]
            self.prepared.append((user_id, profile, due, self._features.vector(profile, due)))

    def score_ahead(self, *, may_wait: bool) -> list[Found]:
        """Score together those who are prepared for; the scores are ready then.

        With `may_wait` those are returned instead that decide nothing: they may wait for their instants in profiles.
        """
        ready, prepared, found = self._scored.ready, self.prepared, list[Found]()
        may_wait = may_wait and not self.version.tolerance
        if len(ready) + len(prepared) > _MOST_READY:
            ready.clear()
        scores = self._scores.ahead(vector for *_, vector in prepared)
        for (user_id, profile, due, vector), score in zip(prepared, scores, strict=True):
            first = score[0] if may_wait and score and due > profile.clock else None
            if first is not None and not self._decides(stands(profile.features[self.feature], profile.clock)[0], first):
                found.append(Found(self, user_id, profile, due, first))
            else:
                ready[user_id] = Ready(due, vector, score)
        prepared.clear()
        return found

    def let_wait(self, found: Found) -> None:
        """Have a score that decides nothing wait in the profile for its instant."""
        self.settle(found.profile)
        score = found.profile.features[self.feature]
        wait(score, found.score, self.version.version, self.version.max_age)

    def settle(self, profile: Profile) -> None:
        """Have a score that waits stand if it has come by the profile's clock, else have it found anew then."""
        score = profile.features.get(self.feature)
        if score is not None and len(score) > COMES:
            settle(score, profile.clock)

    def take_waiting(self) -> list[tuple[int, str]]:
        """Return who is to be prepared for since this was asked last, with when (ms) they are due, some twice."""
        found, self._scored.waiting = self._scored.waiting or [], []
        return found

    def together(self) -> None:
        """Have the model asked for the shares of many changes at once, when `tell_shares` is called."""
        self._tells_at_once = False

    def shares(self, profile: Profile, now: int) -> list[Share]:
        """Return the columns that make most of the score at `now` (ms); empty until they are told, if `together`.

        A column's share is by how much the score changes when the column alone is given its typical value.
        """
        if self.version.task == "cluster":  # the numbers of groups have no order
            return []
        found = self._shares.of(self._features.vector(profile, now))
        if self._tells_at_once:
            self._shares.tell()
        return found

    def tell_shares(self) -> None:
        """Complete the shares of all changes that were made."""
        self._shares.tell()


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
