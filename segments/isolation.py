"""A bug concerns one user: what it began is undone, what cannot happen is put off or told, and the others go on."""

from __future__ import annotations

from contextlib import suppress
from typing import NamedTuple

from segments.changes import Change
from segments.engine import Engine
from segments.events import Event, RejectedEvent
from segments.failures import Failure, definition_of, failure, put_off, traceback_of
from segments.message_ids import forget_newest
from segments.plan import Plan
from segments.profile import NEVER, Profile, encode_profile, replace_profile, restore_profile
from segments.profiles import Profiles
from segments.rewind import Rewinder
from segments.rules import INSIDE
from segments.timeline import Timeline


class Mark(NamedTuple):
    """What an event or an instant must leave as it was: the number of changes told, the profile's clock and seqs."""

    told: int
    clock: int
    seq: int
    shadow_seq: int


def mark(profile: Profile, changes: list[Change]) -> Mark:
    """Return where a profile stands."""
    return Mark(len(changes), profile.clock, profile.seq, profile.shadow_seq)


class _Failed(NamedTuple):
    """What an attempt had told already, and what it was working on when it failed."""

    undone: list[Change]
    definition: str


class Isolation:
    """Undoes what failed for a user. Times in ms.

    `failures` are those that no event stands for; who reads them empties the list.
    """

    def __init__(self, timeline: Timeline, profiles: Profiles, rewinder: Rewinder) -> None:
        self._timeline = timeline
        self._profiles = profiles
        self._rewinder = rewinder
        self.failures: list[Failure] = []
        self.before: bytes | None = None  # the profile as it is to be again, where it was encoded before the attempt

    def undo(self, profile: Profile, event: Event, was: Mark, error: Exception, changes: list[Change]) -> None:
        """Make the profile what it was before an event that failed, and have its recent events not hold it."""
        failed = _Failed(changes[was.told :], definition_of(error))
        del changes[was.told :]
        with suppress(Exception):  # what cannot be packed was not noted
            packed = self._timeline.decoder_at(event.time).pack(event)
            self._profiles.recent.take_back(event.user_id, packed)
        before, self.before = self.before, None
        if before is not None:
            restore_profile(profile, before)
        else:
            self._rebuild(event, profile, was, failed, changes)
        if event.message_id is not None:
            forget_newest(profile, event.message_id)

    def let_happen(
        self, user_id: str, profile: Profile, until: int, changes: list[Change], settled: bytes | None = None
    ) -> None:
        """Let everything happen that happens by itself up to `until`; what fails is put off and told.

        `settled` are the profile's bytes, where nothing has happened to it since it was made of them.
        """
        self._profiles.recent.note_time(user_id, profile, until, settled)
        told, clock, seq, shadow_seq = len(changes), profile.clock, profile.seq, profile.shadow_seq
        before = settled
        if before is None and profile.release != self._timeline.newest:
            before = encode_profile(profile)
        try:
            self._timeline.advance(user_id, profile, until, changes)
        except Exception as error:  # noqa: BLE001 - a bug concerns one user
            was = Mark(told, clock, seq, shadow_seq)
            failed = _Failed(changes[told:], definition_of(error))
            del changes[told:]
            if before is None:
                time_alone = self._timeline.engine(profile.release).plan.decoder.made(user_id, "", was.clock)
                self._rebuild(time_alone, profile, was, failed, changes)
            else:
                restore_profile(profile, before)
            self._one_by_one(user_id, profile, until, changes)

    def catch_up(self, user_id: str, profile: Profile, until: int, changes: list[Change]) -> None:
        """Have the user follow the releases up to `until`; who cannot stays with the one before, which is told."""
        before, told = encode_profile(profile), len(changes)
        try:
            self._timeline.catch_up(user_id, profile, until, changes)
        except Exception as error:  # noqa: BLE001 - a bug concerns one user
            del changes[told:]
            restore_profile(profile, before)
            self.failures.append(failure("failed_release", user_id, until, error))

    def rejection(self, user_id: str, error: Exception) -> RejectedEvent:
        """Return why an event was not applied: with the traceback, the user and what was worked on."""
        return RejectedEvent("failed", traceback_of(error), user=user_id, definition=definition_of(error))

    def what_was_due(self, event: Event, profile: Profile, changes: list[Change]) -> bool:
        """Put off what fails before an event, if something does; returns whether the event is worth another attempt.

        The order in which events and the watermark come must not matter: the watermark would have put it off.
        """
        if profile.due >= event.time or not profile.newest:
            return False
        before, told, failed = encode_profile(profile), len(changes), len(self.failures)
        self._one_by_one(event.user_id, profile, event.time - 1, changes)
        if len(self.failures) > failed:
            return True
        del changes[told:]
        restore_profile(profile, before)
        return False

    def _one_by_one(self, user_id: str, profile: Profile, until: int, changes: list[Change]) -> None:
        """Let happen what is due instant by instant, so that it does not matter up to when it was asked for."""
        while profile.due <= until:
            instant, before, told = profile.due, encode_profile(profile), len(changes)
            try:
                self._timeline.advance(user_id, profile, instant, changes)
            except Exception as error:  # noqa: BLE001 - a bug concerns one user
                del changes[told:]
                restore_profile(profile, before)
                failed = failure("failed_due", user_id, instant, error)
                put_off(profile, instant, self._segment_id(profile, failed.definition), self._engine(profile))
                self._profiles.recent.renew(user_id, profile, instant)
                self.failures.append(failed)

    def _rebuild(self, event: Event, profile: Profile, was: Mark, failed: _Failed, changes: list[Change]) -> None:
        """Make the profile anew of its recent events; what differs from what was told before is told."""
        user_id, seen = event.user_id, profile.seen
        try:
            redone, made = self._rewinder.again(user_id, was.clock)
        except Exception as error:  # noqa: BLE001 - the bug stands in the way here, too
            redone, made = Profile(), []
            restore_profile(redone, self._profiles.settled(user_id))
            self.failures.append(failure("failed_profile", user_id, was.clock, error))
        told = _told(self._timeline.engine(profile.release).plan, profile, redone, failed)
        redone.seq, redone.shadow_seq, redone.seen = was.seq, was.shadow_seq, seen
        if redone.newest and redone.release == profile.release:
            self._rewinder.tell(event, told, redone, made, changes)
        replace_profile(profile, redone)

    def _engine(self, profile: Profile) -> Engine | None:
        return self._timeline.engine(profile.release) if self._timeline.knows(profile.release) else None

    def _segment_id(self, profile: Profile, name: str) -> int | None:
        """Return a segment's id in the definitions by which the user is judged, None when they do not have it."""
        engine = self._engine(profile)
        rules = engine.plan.rules if engine is not None else ()
        return next((rule.segment_id for rule in rules if rule.name == name), None)


def _told(plan: Plan, profile: Profile, redone: Profile, failed: _Failed) -> Profile:
    """Return a profile with the memberships that were told before the attempt of which `profile` is what is left."""
    members = dict(profile.members)
    for change in reversed(failed.undone):
        segment_id = plan.segment_id(change.segment)
        if change.action == "entered":
            members.pop(segment_id, None)
        else:
            now = redone.members.get(segment_id, (0, 0, NEVER))
            members[segment_id] = now if now[INSIDE] else (1, change.at, NEVER)
    for rule in plan.rules:
        if rule.name == failed.definition:  # it may have been changed and not told
            members[rule.segment_id] = redone.members.get(rule.segment_id, (0, 0, NEVER))
    return Profile(clock=profile.clock, members=members)
