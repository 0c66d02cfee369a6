"""Users who are behind: when event time reaches a release all follow it, some at a time, and new bounds likewise."""

from __future__ import annotations

from segments.changes import Change
from segments.isolation import Isolation
from segments.outcome import Outcome
from segments.population.population import Population
from segments.profile import NEVER, Profile, decode_profile
from segments.profiles import Profiles
from segments.retention import begin, too_old
from segments.timeline import Timeline


class Following:
    """Has users follow the release that event time has `reached`. Times in ms of event time."""

    def __init__(self, timeline: Timeline, profiles: Profiles, population: Population, isolation: Isolation) -> None:
        self._timeline = timeline
        self._profiles = profiles
        self._population = population
        self._isolation = isolation
        self.watermark = 0
        self.reached = timeline.release_at(0)
        self._swept = 0  # users, by number, that follow the release that event time has reached

    def reach(self, watermark: int) -> None:
        """Note that event time has come to an instant (ms), where another release may hold."""
        self.watermark = max(self.watermark, watermark)
        reached = self._timeline.release_at(self.watermark)
        if reached != self.reached:
            self.reached = reached
            self._swept = 0
            self._open_users_filled_in()
            self._profiles.settle()  # now all users have a number, and can be swept

    def too_old(self) -> int:
        """Return the newest instant (ms) at which the first event of an unknown user is late."""
        retention = self._timeline.engine(self.reached).retention
        return too_old(retention, max(self.watermark, self._profiles.forgotten.until))

    @property
    def left(self) -> int:
        """How many users are still to be looked at: they may be behind the release, or the newest bounds."""
        return self._behind + self._population.left

    @property
    def _behind(self) -> int:
        # a worker that starts has yet to learn the time
        knows = self.watermark or self.reached == self._timeline.newest
        return self._profiles.numbered - self._swept if knows else 0

    def sweep(self, users: int, outcome: Outcome) -> list[str]:
        """Have up to so many of the users that are behind follow; returns those of them who were at rest before."""
        users = self._population.sweep(users, self.watermark, outcome.changes)
        profiles, left, rested = self._profiles, self._behind, list[str]()
        while left and users:
            user_id = profiles.behind(self._swept, self.reached)
            self._swept += 1
            left -= 1
            if user_id is not None:
                users -= 1
                if user_id not in profiles.decoded:
                    rested.append(user_id)
                outcome.followed += self._catch_up(user_id, *profiles.open_settled(user_id), outcome.changes)
        return rested

    def follow(self, user_id: str, profile: Profile, changes: list[Change]) -> None:
        """Have a user follow the release that holds already for others."""
        if profile.release != self.reached:
            self._catch_up(user_id, profile, None, changes)

    def _catch_up(self, user_id: str, profile: Profile, settled: bytes | None, changes: list[Change]) -> bool:
        """Have a user follow the releases up to now; returns whether there was one to follow.

        `settled` is as `Isolation.let_happen` has it.
        """
        due, until, release = profile.due, max(self.watermark, profile.clock), profile.release
        if release != self._timeline.newest:
            self._isolation.let_happen(user_id, profile, until, changes, settled)
            if profile.release != self._timeline.newest:
                self._isolation.catch_up(user_id, profile, until, changes)
        if profile.due < due:
            self._profiles.schedule(user_id, profile.due)
        return profile.release != release

    def _open_users_filled_in(self) -> None:
        """Give those a profile of whom only recorded events are known, so that the sweep comes to them."""
        backfills, profiles = self._timeline.backfills, self._profiles
        filled = backfills.filled(self.reached)
        if filled is not None:
            for user_id, blob in backfills.handed.users(filled).items():
                states = decode_profile(blob)
                if not profiles.has(user_id) and states.newest > self.too_old():
                    profile = profiles.open(user_id)
                    profile.release, profile.newest, profile.clock = filled.of, states.newest, states.clock
                    if self._timeline.engine(filled.of).counts_from_time:
                        begin(profile, NEVER)
