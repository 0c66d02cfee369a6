"""Users who will be scored soon are scored together: one call for many costs little more than one for one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from segments.models.features import Vector
from segments.models.scoring import Scoring
from segments.profiles import Profiles
from segments.timeline import Timeline

_AT_ONCE = 1_024  # users
_LEAST_MS, _MOST_MS = 1_000, 15_000  # of event time that is looked ahead, where users are not scored sooner


class ScoringAhead:
    """Finds out who will be scored, and has the scores ready; who is scored when, and how, does not depend on it."""

    def __init__(self, timeline: Timeline, profiles: Profiles) -> None:
        self._timeline = timeline
        self._profiles = profiles
        self._looked: int | None = None
        self._most = 0
        self.reached = 0  # the instant (ms) up to which scores are ready
        self.wanted = False
        self.follow()

    def follow(self) -> None:
        """Note that the timeline has other releases."""
        delays = [each.version.delay for each in self._scorings()]
        self.wanted = bool(delays)
        self._most = min([_MOST_MS, *(delay // 2 for delay in delays)])  # who is touched next falls due after that

    def take_unscored(self) -> list[tuple[str, int, str]]:
        """Return the first users (with instant in ms and version) whom a model failed since this was asked last."""
        found = []
        for scoring in self._scorings():
            found += scoring.unscored
            scoring.unscored.clear()
        return found

    def look(self, now: int) -> None:
        """Have scores ready for events like those since this was asked last, from event time `now` (ms) on."""
        passed = 0 if self._looked is None else now - self._looked
        span = min(max(_LEAST_MS, 2 * passed), self._most)
        self._looked = now
        if now + span // 2 > self.reached:  # else the next time is soon enough
            outdated = [user_id for scoring in self._scorings() for user_id in scoring.take_outdated()]
            self.reached = self._prepare(outdated, self.reached, now + span)

    def due(self, user_id: str, instant: int) -> int:
        """Have scores ready of a user who is due and of those who come next up to `instant` (ms); return how far (ms).

        All who are due are looked at, not only those after `reached`: events of several partitions do not come in order
        of time, and who was behind may have fallen due before it.
        """
        reached = self._prepare([user_id], 0, instant)
        self.reached = max(self.reached, reached)
        return reached

    def _prepare(self, users: list[str], after: int, instant: int) -> int:
        """Prepare users, and those who fall due after one instant (ms) and up to another; return how far (ms)."""
        due = self._profiles.due_between(after, instant, _AT_ONCE)
        vectors: dict[Scoring, list[Vector]] = {}
        for user_id in [*users, *(user_id for _, user_id in due)]:
            with suppress(Exception):  # whatever it is: it comes again when the user is scored, and is handled there
                profile = self._profiles.open(user_id)
                for scoring in self._timeline.engine(profile.release).scorings:
                    vector = scoring.prepare_ahead(user_id, profile, instant)
                    if vector is not None:
                        vectors.setdefault(scoring, []).append(vector)
        for scoring, found in vectors.items():
            scoring.ahead(found)
        return due[-1][0] if len(due) == _AT_ONCE else instant

    def _scorings(self) -> Iterator[Scoring]:
        return (scoring for plan in self._timeline.plans() for scoring in plan.scorings.values())
