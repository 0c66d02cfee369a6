"""Instants at which nothing happens to users but that scores come which decide nothing: nobody is opened for them."""

from __future__ import annotations

from segments.engine import Engine
from segments.profile import Profile, due_and_clock_of, passed
from segments.profiles import Profiles


class Foregone:
    """By user when the next thing is due after a waiting score has come, where at that instant nothing else is.

    The instant is let pass without a look at the user: the clock moves, and the next thing is due. Who is not noted, as
    after a restart, is looked at, with the same result. Whoever has something else happen to a user must `forget` that.
    """

    def __init__(self, profiles: Profiles) -> None:
        self._profiles = profiles
        self._users: dict[str, tuple[int, int]] = {}  # the next due, and the clock of the profile that this holds for
        self.clear = self._users.clear

    def note(self, user_id: str, profile: Profile, at: int, engine: Engine) -> None:
        """Note that a score comes at an instant (ms), if that is all that happens then."""
        if profile.due != at or profile.newest + engine.retention <= at or self._profiles.watcher is not None:
            return
        due = engine.due_after(profile, at)
        if due > at:
            self._users[user_id] = due, profile.clock

    def forget(self, user_id: str) -> None:
        """Have a user be looked at, to whom something else happens."""
        self._users.pop(user_id, None)

    def passes(self, user_id: str, number: int, instant: int, until: int) -> int:
        """Let a user's instant pass if it is foregone; returns when the next thing is due, else 0 (all ms).

        Event time is at `until`.
        """
        known = self._users.pop(user_id, None)
        if known is None:
            return 0
        profiles, (due, clock) = self._profiles, known
        profile = profiles.decoded.get(user_id)
        if profile is not None:
            if (profile.due, profile.clock) != (instant, clock):
                return 0
            profiles.recent.note_time(user_id, profile, until)
            profile.clock, profile.due = instant, due
            return due
        blob = profiles.blob(number)
        if not blob or due_and_clock_of(blob) != (instant, clock):
            return 0
        profiles.recent.note_passed(user_id, blob, until)
        profiles.replace(number, passed(blob, instant, due))
        return due
