"""Users who will be scored soon are scored together: one call for many costs little more than one for one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from segments.foregone import Foregone
from segments.models.scoring import Scoring
from segments.profile import Profile
from segments.profiles import Profiles
from segments.timeline import Timeline

_AT_ONCE = 1_024  # users
_MOST_DECODED = 4_096  # users whose profiles are opened before it is their turn
_MOST_MS = 20_000  # of event time that is looked ahead, where users are not scored sooner
_PAGE_BITS = 10  # users who wait are kept by pages of 1,024 ms
_PAGE_MS = 1 << _PAGE_BITS


class ScoringAhead:
    """Finds out who will be scored, and has the scores ready; who is scored when, and how, does not depend on it.

    Those to whom something happened wait here, by when they are due, and are prepared for while their profiles are
    decoded. `look` does so as far as events have come, `advance` up to the watermark; `due` finds the others.
    """

    def __init__(self, timeline: Timeline, profiles: Profiles) -> None:
        self._timeline = timeline
        self._profiles = profiles
        self._waiting: dict[int, list[str]] = {}
        self._span = 0
        self._looked = 0  # the event time (ms) at which `look` was called last
        self.reached = 0  # the instant (ms) up to which users were scored
        self.wanted = False
        self.foregone = Foregone(profiles)
        self.follow()

    def follow(self) -> None:
        """Note that the timeline has other releases."""
        scorings = list(self._scorings())
        self.foregone.clear()
        for each in scorings:
            each.together()
        delays = [each.version.delay for each in scorings]
        self.wanted = bool(delays)
        self._span = min([_MOST_MS, *(delay * 2 // 3 for delay in delays)])  # what happens before would be for nothing
        self._note_waiting()

    def tell_shares(self) -> None:
        """Complete the changes that were made: what makes most of their scores is asked for together."""
        for scoring in self._scorings():
            scoring.tell_shares()

    def take_unscored(self) -> list[tuple[str, int, str]]:
        """Return the first users (with instant in ms and version) whom a model failed since this was asked last."""
        found = []
        for scoring in self._scorings():
            found += scoring.unscored
            scoring.unscored.clear()
        return found

    def look(self, now: int) -> None:
        """Have scores ready for events that come next, at event time `now` (ms) and a while after it.

        Nothing is done before the first who waits may be due by the next look: the more are scored at once, the better.
        """
        since, self._looked = max(0, now - self._looked), max(now, self._looked)
        self._note_waiting()
        if self._waiting and min(self._waiting) << _PAGE_BITS <= now + since + _PAGE_MS:
            until = now + self._span
            self._prepare(self._taken(until >> _PAGE_BITS), until)

    def advance(self, until: int) -> None:
        """Have scores ready of those who wait and are due up to `until` (ms); no older event is expected."""
        self._note_waiting()
        for _ in range(_MOST_DECODED // _AT_ONCE):
            users = self._taken((until >> _PAGE_BITS) + 1)
            if not users:
                break
            self._prepare(users, until)
        else:  # who still waits is prepared for when it is their turn
            self._waiting = {page: users for page, users in self._waiting.items() if page > until >> _PAGE_BITS}

    def _note_waiting(self) -> None:
        for scoring in self._scorings():
            for due, user_id in scoring.take_waiting():
                self._waiting.setdefault(due >> _PAGE_BITS, []).append(user_id)

    def _taken(self, before: int) -> Iterable[str]:
        """Return the first users of pages before one, no longer waiting, each once: as many as are scored at once."""
        users = dict[str, None]()
        for page in sorted(page for page in self._waiting if page < before):
            waiting, room = self._waiting.pop(page), _AT_ONCE - len(users)
            users |= dict.fromkeys(waiting[:room])
            if len(waiting) > room:
                self._waiting[page] = waiting[room:]
            if len(users) >= _AT_ONCE:
                break
        return users

    def due(self, user_id: str, profile: Profile, until: int) -> None:
        """Have scores ready of a user who is due, and if that is not so yet, of all who are due up to `until` (ms)."""
        scorings = self._timeline.engine(profile.release).scorings if self._timeline.knows(profile.release) else ()
        for scoring in scorings:
            if scoring.lacks(user_id, profile, until):
                next_ones = self._profiles.due_between(profile.due - 1, until, _AT_ONCE)
                self._prepare([user_id, *(each for _, each in next_ones)], until)
                return

    def _prepare(self, users: Iterable[str], until: int) -> None:
        """Prepare users who are to be scored up to an instant (ms)."""
        open_, engine = self._profiles.open, self._timeline.engine
        for scoring in self._scorings():
            scoring.prepared.clear()  # what is left of a time when a model was away
        for user_id in users:
            try:
                profile = open_(user_id)
                for scoring in engine(profile.release).scorings:
                    scoring.prepare_ahead(user_id, profile, until)
            except Exception:  # noqa: BLE001, S112 - it comes again when the user is scored, and is handled there
                continue
        newest = engine(self._timeline.newest)
        found = [
            each for scoring in self._scorings() for each in scoring.score_ahead(may_wait=scoring in newest.scorings)
        ]
        for each in found:
            each.scoring.let_wait(each)
        for each in found:
            self.foregone.note(each.user_id, each.profile, each.at, newest)
        self.reached = max(self.reached, until)

    def _scorings(self) -> Iterator[Scoring]:
        return (scoring for plan in self._timeline.plans() for scoring in plan.scorings.values())
