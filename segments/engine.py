"""The whole step on one page: an event or an instant goes in, a user's profile moves, changes come out."""

from __future__ import annotations

import zlib
from collections.abc import Iterable

from segments.changes import TIMER, Cause, Change, Membership, Memberships
from segments.conditions.base import FALLS, RISES, UNKNOWN
from segments.events import Event
from segments.plan import Plan
from segments.profile import NEVER, Profile
from segments.routes import Judged, merge_judged
from segments.rules import DUE, INSIDE, SINCE, Rule

MESSAGE_IDS_KEPT = 64
_KEY = 4  # bytes of a message id's checksum; 64 of them mistake a new id for a known one about once in 67 million


class Engine:
    """Applies events and instants to profiles. Pure: time comes with the events, nothing is read or written elsewhere.

    >>> from segments.definitions import parse_definitions
    >>> engine = Engine(Plan(parse_definitions(
    ...     "segments: [{name: active, when: {recency: {event: any, within: 1h}}}]")))
    >>> profile, changes = Profile(), []
    >>> event = engine.plan.decoder.decode(b'{"type": "page", "userId": "u1", "timestamp": 1795341600000}')
    >>> engine.apply(profile, event, changes)
    'applied'
    >>> engine.advance("u1", profile, 1795341600000 + 3_600_000, changes)
    >>> [(change.action, change.at) for change in changes]
    [('entered', 1795341600000), ('exited', 1795345200000)]
    """

    def __init__(self, plan: Plan, *, allowed_lateness: int = 3_600_000) -> None:
        self.plan = plan
        self._allowed_lateness = allowed_lateness

    def apply(self, profile: Profile, event: Event, changes: list[Change]) -> str:
        """Apply one event; returns 'applied', 'late' or 'duplicate'. Appends the changes, in order."""
        time = event.time
        if time < profile.newest - self._allowed_lateness:
            return "late"
        if event.message_id is not None and _seen_before(profile, event.message_id):
            return "duplicate"
        if profile.due < time:
            self.advance(event.user_id, profile, time - 1, changes)
        plan, features = self.plan, profile.features
        is_new = profile.newest == 0
        profile.newest = max(time, profile.newest)
        now = profile.clock = max(time, profile.clock)

        updates, watchers, judged = plan.route(event)
        started = plan.update_session is not None and plan.update_session(features, event, time)
        for update in updates:
            update(features, event, time)
        for watcher in watchers:
            if watcher.update(features, event, time):
                judged = merge_judged(judged, ((rule, UNKNOWN) for rule in watcher.rules))
        if started:
            for update in plan.session_started.updates:
                update(features, event, time)
            judged = merge_judged(judged, plan.session_started.judged)
        if is_new:
            judged = merge_judged(judged, ((rule, UNKNOWN) for rule in plan.interesting_from_the_start))
        self._judge(event.user_id, profile, judged, now, event.message_id, changes)
        return "applied"

    def advance(self, user_id: str, profile: Profile, until: int, changes: list[Change]) -> None:
        """Let everything happen that happens by itself up to and including `until` (ms), in order of time."""
        while profile.due <= until:
            now = profile.due
            profile.clock = max(profile.clock, now)
            due = self._due_rules(profile, now)
            profile.due = NEVER
            self._judge(user_id, profile, due, now, TIMER, changes)
            profile.due = min((member[DUE] for member in profile.members.values()), default=NEVER)

    def memberships(self, user_id: str, profile: Profile) -> Memberships:
        """Return what the user is in, as of the profile's clock."""
        now = profile.clock
        current = {}
        for segment_id, member in profile.members.items():
            rule = self.plan.rule(segment_id)
            if rule is not None and member[INSIDE]:
                current[rule.name] = Membership(
                    rule.version, member[SINCE], rule.score(profile, now), rule.confidence(profile, now)
                )
        return Memberships(user_id, profile.seq, now, current)

    def _due_rules(self, profile: Profile, now: int) -> Judged:
        plan, found = self.plan, []
        for segment_id, member in list(profile.members.items()):
            if member[DUE] <= now:
                rule = plan.rule(segment_id)
                if rule is None:
                    del profile.members[segment_id]  # its segment is no longer defined
                else:
                    found.append((rule, UNKNOWN))
        return merge_judged((), found)

    def _judge(
        self,
        user_id: str,
        profile: Profile,
        judged: Iterable[tuple[Rule, int]],
        now: int,
        cause: Cause | str | None,
        changes: list[Change],
    ) -> None:
        """Judge rules in dependency order; a rule that changed has its dependents judged too."""
        members = profile.members
        queue = list(judged)
        place = 0
        while place < len(queue):
            rule, effect = queue[place]
            place += 1
            member = members.get(rule.segment_id)
            inside = member is not None and member[INSIDE] == 1
            if member is not None and (effect == RISES if inside else effect == FALLS and member[DUE] != NEVER):
                continue  # the event can only confirm what is known, and not bring the next change nearer
            since = member[SINCE] if member is not None else 0
            holds, due = rule.decide(profile, inside, since, now)
            if holds or due != NEVER:
                members[rule.segment_id] = [1 if holds else 0, since if holds == inside else now, due]
                profile.due = min(profile.due, due)
            elif member is not None:
                del members[rule.segment_id]
            if holds != inside:
                self._emit(user_id, profile, rule, holds, now, cause, changes)
                if rule.dependents:
                    waiting = merge_judged(tuple(queue[place:]), ((each, UNKNOWN) for each in rule.dependents))
                    queue[place:] = waiting

    def _emit(
        self,
        user_id: str,
        profile: Profile,
        rule: Rule,
        entered: bool,
        now: int,
        cause: Cause | str | None,
        changes: list[Change],
    ) -> None:
        profile.seq += 1
        member = profile.members.get(rule.segment_id)
        due = NEVER if member is None else member[DUE]
        changes.append(
            Change(
                user_id,
                rule.name,
                rule.version,
                "entered" if entered else "exited",
                now,
                profile.seq,
                cause if isinstance(cause, Cause) else Cause("event", cause),
                rule.because(profile, now, entered=entered),
                rule.score(profile, now),
                None,
                rule.confidence(profile, now),
                rule.next_flip(profile, entered, now, due),
            )
        )


def _seen_before(profile: Profile, message_id: str) -> bool:
    """Say whether the id is among the newest ones applied, and remember it."""
    key = zlib.crc32(message_id.encode()).to_bytes(_KEY, "big")
    seen = profile.seen
    place = seen.find(key)
    while place >= 0 and place % _KEY:
        place = seen.find(key, place + 1)
    if place >= 0:
        return True
    profile.seen = (seen + key)[-MESSAGE_IDS_KEPT * _KEY :]
    return False
