"""Events that take more than a step: of users who are new or behind, out of order, and those that failed."""

from __future__ import annotations

from collections.abc import Callable

from segments.changes import Change
from segments.events import Event
from segments.isolation import Isolation, Mark, mark
from segments.message_ids import seen_before
from segments.outcome import Outcome
from segments.profile import Profile, encode_profile, replace_profile
from segments.profiles import Profiles
from segments.rewind import Rewinder
from segments.timeline import Timeline

Follow = Callable[[str, Profile, list[Change]], None]


class SlowPath:
    """Applies single events; `follow` has a user follow the release that event time has reached."""

    def __init__(
        self, timeline: Timeline, profiles: Profiles, rewinder: Rewinder, isolation: Isolation, follow: Follow
    ) -> None:
        self._timeline = timeline
        self._profiles = profiles
        self._rewinder = rewinder
        self._follow = follow
        self._isolation = isolation

    def step(self, profile: Profile, event: Event, changes: list[Change]) -> None:
        """Apply an event in order to a profile that is new, or behind, or while an older release holds."""
        timeline = self._timeline
        self._isolation.before = encode_profile(profile)
        if self._profiles.recent.wanted:
            packed = timeline.decoder_at(event.time).pack(event)
            self._profiles.recent.note(event.user_id, profile, event.time, packed)
        timeline.step(event.user_id, profile, event, changes)
        self._isolation.before = None
        self._follow(event.user_id, profile, changes)

    def insert(self, place: int, profile: Profile, event: Event, outcome: Outcome) -> None:
        """Give an event its place among those that came before it."""
        self._isolation.before = encode_profile(profile)
        result = self._rewinder.insert(profile, event, outcome.changes)
        self._isolation.before = None
        if isinstance(result, Profile):
            outcome.applied += 1
            outcome.rewound += 1
            replace_profile(profile, result)
            self._profiles.mark_changed(event.user_id)
        elif result == "late":
            outcome.late.append(place)
        else:
            outcome.duplicates += 1

    def isolate(self, place: int, event: Event, was: Mark, error: Exception, outcome: Outcome) -> None:
        """Undo an event that failed; try once more if it was what is due before it that failed, else reject it."""
        isolation, profile = self._isolation, self._profiles.decoded[event.user_id]
        isolation.undo(profile, event, was, error, outcome.changes)
        if isolation.what_was_due(event, profile, outcome.changes):
            was = mark(profile, outcome.changes)
            try:
                self._again(place, profile, event, outcome)
            except Exception as again:  # noqa: BLE001 - a bug concerns one user
                isolation.undo(profile, event, was, again, outcome.changes)
                error = again
            else:
                return
        outcome.rejected.append((place, isolation.rejection(event.user_id, error)))

    def _again(self, place: int, profile: Profile, event: Event, outcome: Outcome) -> None:
        if event.time < profile.open_from():
            self.insert(place, profile, event, outcome)
            return
        if event.message_id is not None:
            seen_before(profile, event.message_id)
        self.step(profile, event, outcome.changes)
        outcome.applied += 1
