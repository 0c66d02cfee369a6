"""A late event takes its place in time: its user's recent events are applied anew, and what differs is told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import msgspec

from segments.changes import Action, Cause, Change
from segments.events import Event, packed_time
from segments.hierarchy import children_first
from segments.message_ids import seen_before
from segments.profile import NEVER, Profile
from segments.recent import RecentEvents, Stretch, base_of
from segments.timeline import Timeline


class Rewinder:
    """Applies events that come out of order as if they had come in order. Times in ms."""

    def __init__(self, timeline: Timeline, recent: RecentEvents) -> None:
        self._timeline = timeline
        self._recent = recent

    def insert(self, profile: Profile, event: Event, changes: list[Change]) -> Profile | str:
        """Return the user's profile with the event in its place in time; 'late' or 'duplicate' when it has none.

        Appends what is different from what was told, as the next changes of the user.
        """
        stretches = self._recent.get(event.user_id)
        if event.time < (profile.newest or _newest_in(stretches)) - self._recent.allowed_lateness:
            return "late"
        place = _place_for(stretches, event.time)
        if place is None:
            return "late"
        base, stretches = place
        if event.message_id is not None and seen_before(profile, event.message_id):
            return "duplicate"
        self._timeline.catch_up(event.user_id, profile, profile.clock, changes)
        kept = [(each, each.base, each.events, each.count) for each in stretches]
        try:
            redone, made = self._with(event, profile, base, stretches)
            self.tell(event, profile, redone, made, changes)
        except Exception:  # whatever it is: the stretches must not keep half of the event
            for each, was, events, count in kept:
                each.base, each.events, each.count = was, events, count
            raise
        return redone

    def again(self, user_id: str, until: int) -> tuple[Profile, list[Change]]:
        """Return the user's profile as its newest recent events make it, up to `until` (ms), and the changes to that.

        What only matters on arrival is not in it. Raises KeyError when nothing is kept of the user.
        """
        stretches = self._recent.get(user_id)[:1]
        if not stretches:
            raise KeyError(user_id)
        made: list[Change] = []
        profile = self._redo(user_id, base_of(stretches[0]), stretches, made)
        if profile.newest:
            self._timeline.advance(user_id, profile, until, made)
        return profile, made

    def _with(
        self, event: Event, profile: Profile, base: Profile, stretches: list[Stretch]
    ) -> tuple[Profile, list[Change]]:
        """Return the profile with an event in the first of the stretches, and the changes that lead to it."""
        self._recent.hot.spend(event.user_id, stretches[-1], profile.newest, sum(each.count for each in stretches))
        stretch = stretches[0]
        stretch.events += self._timeline.decoder_at(event.time).pack(event)
        stretch.count += 1
        made: list[Change] = []
        redone = self._redo(event.user_id, base, stretches, made)
        self._timeline.advance(event.user_id, redone, profile.clock, made)
        redone.seen, redone.seq, redone.shadow_seq = profile.seen, profile.seq, profile.shadow_seq
        return redone, made

    def events(self, user_id: str, first: int, last: int) -> list[Event]:
        """Return the recent events of a user from one instant (ms) up to and including another, in order of time."""
        stretches = reversed(self._recent.get(user_id))
        return [event for stretch in stretches for event in self._events(user_id, stretch, first, last)]

    def _redo(self, user_id: str, profile: Profile, stretches: list[Stretch], made: list[Change]) -> Profile:
        """Apply all events of stretches, oldest first, in order of time; renew the snapshots between them."""
        step = self._timeline.step
        self._timeline.renew(profile)
        for number, stretch in enumerate(stretches):
            if number:
                stretch.base = self._recent.snapshot(profile)
            for event in self._events(user_id, stretch):
                step(user_id, profile, event, made)
        return profile

    def _events(self, user_id: str, stretch: Stretch, first: int = 0, last: int = NEVER) -> Iterator[Event]:
        """Return the stretch's events in order of time, as the definitions read them that hold at their time."""
        timeline = self._timeline
        newest, starts_at = timeline.engine(timeline.newest).plan.decoder, timeline.starts_at
        for time, packed in sorted(((packed_time(line), line) for line in stretch.events.splitlines()), key=_time_of):
            if not first <= time <= last:
                continue
            decoder = newest if time >= starts_at else timeline.decoder_at(time)
            with suppress(msgspec.ValidationError):  # packed before a release was heard of that refuses this event
                yield decoder.unpack(user_id, packed)

    def tell(self, event: Event, before: Profile, after: Profile, made: list[Change], changes: list[Change]) -> None:
        """Append what differs between what was told and what is true now, segment by segment."""
        newest = {change.segment: change for change in made}
        engine, cause, first = self._timeline.engine(after.release), Cause("event", event.message_id), len(changes)
        for rule in engine.plan.rules:
            (was, was_since, _), (inside, since, due) = rule.standing(before), rule.standing(after)
            if was == inside and (not inside or was_since == since):
                continue
            seq = after.count(hidden=rule.is_shadow)
            made_it = newest.get(rule.name)
            if inside:
                action: Action = "updated" if was else "entered"
                at, is_made = since, made_it is not None and made_it.action == "entered" and made_it.at == since
            else:
                action = "exited"
                is_made = made_it is not None and made_it.action == "exited" and made_it.at > was_since
                at = made_it.at if made_it is not None and is_made else before.clock
            if made_it is None or not is_made:
                made_it = engine.change(event.user_id, after, rule, action, at, cause)
            flip = rule.next_flip(after, inside, since, due)
            told = {"action": action, "seq": seq, "cause": cause, "next_change_at": flip, "warming": rule.warming}
            changes.append(msgspec.structs.replace(made_it, **told))
        children_first(changes, first, engine.plan.parents)


def _newest_in(newest_first: list[Stretch]) -> int:
    """Return the time (ms) of the newest event of a user who was forgotten."""
    for stretch in newest_first:
        times = [packed_time(line) for line in stretch.events.splitlines()]
        newest = max(times, default=base_of(stretch).newest)
        if newest:
            return newest
    return 0


def _place_for(newest_first: list[Stretch], time: int) -> tuple[Profile, list[Stretch]] | None:
    """Return the profile to which an event at `time` (ms) happens, and the stretches from its own on, oldest first."""
    for number, stretch in enumerate(newest_first):
        base = base_of(stretch)
        if base.open_from() <= time:
            return base, newest_first[number::-1]
    return None


def _time_of(packed: tuple[int, bytes]) -> int:
    return packed[0]
