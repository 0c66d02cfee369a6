"""The whole step on one page: an event or an instant goes in, a user's profile moves, changes come out."""

from __future__ import annotations

from collections.abc import Container, Mapping
from types import MappingProxyType

from segments.changes import THRESHOLD, TIMER, Cause, Change
from segments.conditions.effects import UNKNOWN, Effect
from segments.events import SESSION_STARTED, Event
from segments.features.scored import COMES, NEXT
from segments.hierarchy import children_first
from segments.message_ids import seen_before
from segments.plan import Plan
from segments.profile import NEVER, Profile
from segments.retention import begin, forget, is_due, next_due
from segments.routes import Judged, merge_judged
from segments.rules import DUE, INSIDE, SINCE, Rule
from segments.telling import Teller

_NOTHING: Mapping[str, tuple[bool, int]] = MappingProxyType({})


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
        self.allowed_lateness = allowed_lateness
        self._route = plan.route
        self._update_session = plan.update_session
        self._parents = plan.parents
        self._all = tuple((rule.segment_id, rule.guard, rule.plain, rule) for rule in plan.rules)
        self.scorings = tuple(plan.scorings.values())
        self.retention = plan.definitions.retention or NEVER
        self.counts_from_time = self.retention < NEVER  # numbers of changes begin with the first event's time
        teller = Teller(plan)
        self.memberships, self.change, self._emit = teller.memberships, teller.change, teller.emit

    def apply(self, profile: Profile, event: Event, changes: list[Change]) -> str:
        """Apply an event if it comes in order and once; returns 'applied', 'late' or 'duplicate'.

        For those who keep no recent events (segments/recent.py): whatever is not the user's newest is late.
        """
        if event.time < profile.open_from():
            return "late"
        if event.message_id is not None and seen_before(profile, event.message_id):
            return "duplicate"
        self.step(profile, event, changes)
        return "applied"

    def step(self, profile: Profile, event: Event, changes: list[Change]) -> None:  # noqa: C901 - as `_judge`
        """Apply an event that is the user's newest; appends the changes, in order."""
        time = now = event.time
        if profile.due < time:
            self.advance(event.user_id, profile, time - 1, changes)
        features, is_new = profile.features, profile.newest == 0
        profile.newest = profile.clock = time
        if is_new and self.counts_from_time:
            begin(profile, self.retention)

        route = self._route(event)
        judged = route.judged
        update_session = self._update_session
        starts_session = update_session is not None and update_session(features, event, time)
        for update in route.updates:
            update(features, event, time)
        moved = self._start_session(profile, event) if starts_session else []
        for update in route.watchers:
            changed = update(features, event, time)
            if changed is not None:
                moved = [*moved, *changed]
        if moved:
            judged = route.judged_when_moved(moved, is_new=is_new, starts_session=starts_session)
        elif is_new:
            judged = route.judged_for_new_user
        elif starts_session:
            judged = route.judged_at_session_start
        if self.scorings:
            self._note_scores(event.user_id, profile, moved, now)
        if profile.due <= now:
            judged = merge_judged(judged, self._due_rules(event.user_id, profile, now))
        self._judge(event.user_id, profile, judged, now, event.message_id, changes)

    def _note_scores(self, user_id: str, profile: Profile, moved: list[int], now: int) -> None:
        """Have the user scored in time, after an event at `now` (ms) that also moved some watched features."""
        if moved:
            for scoring in self.scorings:
                scoring.moved(user_id, profile, moved, now)
        profile.due = self._or_scored(profile, profile.due, now)

    def _start_session(self, profile: Profile, event: Event) -> list[int]:
        """Apply the made event of a session's start; returns the ids of watched features that it moved."""
        started, time = self.plan.session_started, event.time
        made = self.plan.decoder.made(event.user_id, SESSION_STARTED, time)
        for update in started.updates:
            update(profile.features, made, time)
        return [each for update in started.watchers for each in update(profile.features, made, time) or ()]

    def advance(self, user_id: str, profile: Profile, until: int, changes: list[Change]) -> None:
        """Let everything happen that happens by itself up to and including `until` (ms), in order of time."""
        while profile.due <= until:
            now = profile.due
            if (now >= profile.newest + self.retention or not profile.newest) and is_due(profile, self.retention, now):
                forget(self, user_id, profile, now, changes)
                continue
            profile.clock = max(profile.clock, now)
            due = self._due_rules(user_id, profile, now)
            if due:
                profile.due = NEVER
                self._judge(user_id, profile, merge_judged((), due), now, TIMER, changes)
            profile.due = self.due_after(profile, now)

    def judge_all(
        self,
        user_id: str,
        profile: Profile,
        now: int,
        cause: Cause,
        changes: list[Change],
        stood: Mapping[str, tuple[bool, int]] = _NOTHING,
    ) -> None:
        """Judge every rule anew at `now` (ms), whatever was known of when it could change.

        `stood` says how users stood so far (inside, since) with rules that were evaluated under another name.
        """
        if is_due(profile, self.retention, now):
            if profile.newest:
                forget(self, user_id, profile, now, changes)
            return
        members, features = profile.members, profile.features
        for scoring in self.scorings:
            scoring.prepare(user_id, profile, now)
        for segment_id, guard, ask, rule in self._all:
            member = members.pop(segment_id, None)
            if member is None:
                if guard is not None and guard not in features and rule.name not in stood:
                    continue  # false, until an event comes
                inside, since = False, 0
            else:
                inside, since = member[INSIDE] == 1, member[SINCE]
            if ask is not None:
                holds, due = ask(profile, now)
            else:
                holds, due = rule.decide(profile, *stood.get(rule.name, (inside, since)), now)
            if holds or due != NEVER:
                members[segment_id] = (1, since if inside else now, due) if holds else (0, 0, due)
            if holds != inside:
                self._emit(user_id, profile, rule, holds, now, cause, changes)
        profile.due = self.due_after(profile, now)

    def due_after(self, profile: Profile, now: int) -> int:
        """Return when (ms) a profile must be looked at again after `now` (ms)."""
        return self._or_scored(profile, next_due(profile, self.retention, now), now)

    def _or_scored(self, profile: Profile, due: int, now: int) -> int:
        """Return an instant (ms), or when a score comes after `now` (ms) if that is sooner."""
        features = profile.features
        for scoring in self.scorings:
            score = features.get(scoring.feature)
            if score is not None:
                scored = score[NEXT] if len(score) <= COMES or score[COMES] <= now else score[COMES]  # `due_at`, inline
                due = min(due, scored)
        return due

    def dismiss(
        self, user_id: str, profile: Profile, staying: Container[str], now: int, cause: Cause, changes: list[Change]
    ) -> None:
        """Have the user leave all segments but `staying`: the others are no longer defined."""
        for rule in self.plan.rules:
            member = profile.members.get(rule.segment_id)
            if member is not None and rule.name not in staying:
                del profile.members[rule.segment_id]
                if member[INSIDE]:
                    self._emit(user_id, profile, rule, entered=False, now=now, cause=cause, changes=changes)

    def standing(self, profile: Profile, name: str) -> tuple[bool, int]:
        """Return whether the user is in a segment of the plan, and since when (ms)."""
        inside, since, _ = self.plan.rule(self.plan.segment_id(name)).standing(profile)
        return inside, since

    def ask_again(self, profile: Profile, starts: int) -> None:
        """Have the rules that follow the population judged at `starts` (ms), when a bound takes effect."""
        members = profile.members
        if not profile.newest:
            return
        for rule in self.plan.following:
            member = members.get(rule.segment_id)
            if member is not None:
                members[rule.segment_id] = (member[INSIDE], member[SINCE], min(member[DUE], starts))
            elif rule.guard is None or rule.guard in profile.features:
                members[rule.segment_id] = (0, 0, starts)
            else:
                continue
            profile.due = min(profile.due, starts)

    def follow_population(self, user_id: str, profile: Profile, changes: list[Change]) -> None:
        """Judge the rules that follow the population at the profile's clock: a bound came to be known after it held."""
        judged = merge_judged((), [(rule, UNKNOWN) for rule in self.plan.following])
        self._judge(user_id, profile, judged, profile.clock, THRESHOLD, changes)

    def _due_rules(self, user_id: str, profile: Profile, now: int) -> list[tuple[Rule, Effect]]:
        """Score the user by the models for which that is due; return the rules that are, or that may follow from it."""
        rule_of = self.plan.rule
        due = [(rule_of(segment_id), UNKNOWN) for segment_id, member in profile.members.items() if member[DUE] <= now]
        for scoring in self.scorings:
            if scoring.score(user_id, profile, now):
                due += [(rule, UNKNOWN) for rule in scoring.rules]
        return due

    def _judge(  # noqa: C901, PLR0912 - the inner loop of everything; its calls are what it saves
        self,
        user_id: str,
        profile: Profile,
        judged: Judged,
        now: int,
        cause: Cause | str | None,
        changes: list[Change],
    ) -> None:
        """Judge rules in dependency order; a rule that changed has its dependents judged too."""
        members, features, first = profile.members, profile.features, len(changes)
        nothing_is_due = profile.due > now  # then no membership's own instant needs to be read from far-off memory
        pending = iter(judged)
        while True:
            for segment_id, effect, guard, wanted, ask, rule in pending:
                member = members.get(segment_id)
                if member is None:
                    if effect[2] or (guard is not None and guard not in features):
                        continue  # false for ever, and the event cannot make it true
                    if wanted is not None and features.get(wanted[0]) != wanted[1]:
                        continue  # as above
                    inside = since = 0
                else:
                    inside = member[0]
                    if effect[inside] and (nothing_is_due or member[2] > now):
                        continue  # the event only confirms what is known and does not bring the next change nearer
                    since = member[1]
                holds, due = ask(profile, now) if ask is not None else rule.decide(profile, inside == 1, since, now)
                if holds or due != NEVER:
                    members[segment_id] = (1, since if inside else now, due) if holds else (0, 0, due)
                    if due < profile.due:  # noqa: PLR1730 - on the hot path a call of min costs more
                        profile.due = due
                elif member is not None:
                    del members[segment_id]
                if holds != inside:
                    self._emit(user_id, profile, rule, holds, now, cause, changes)
                    if rule.dependents:
                        waiting = [(each, UNKNOWN) for each in rule.dependents]
                        pending = iter(merge_judged(tuple(pending), waiting))
                        break
            else:
                if self._parents and len(changes) > first + 1:
                    children_first(changes, first, self._parents)
                return
