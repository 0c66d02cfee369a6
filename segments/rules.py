"""A compiled segment: when a user enters, when a member leaves, what to say about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from msgspec import UNSET, UnsetType

from segments.changes import Reason, Share
from segments.conditions.base import (
    NO,
    YES,
    Answer,
    Ask,
    Bound,
    Check,
    Fact,
    Value,
    Wanted,
    decay_time,
    first_false,
    number_text,
)
from segments.conditions.combined import combine_all, combine_any, negate
from segments.conditions.contributions import newest_of
from segments.conditions.effects import RISES, regardless_of_dues
from segments.definitions.model import Confidence, Segment
from segments.features.scored import stands
from segments.population.bounds import History
from segments.profile import NEVER, Profile
from segments.selectors import EventSelector
from segments.shadow_names import in_shadow

if TYPE_CHECKING:
    from segments.models.scoring import Scoring

INSIDE, SINCE, DUE = 0, 1, 2  # places in a stored membership: (1 or 0, since (ms), due (ms))
_FLIPS_LOOKED_AT = 256

Judgement = tuple[bool, int]  # inside, and the first instant (ms) at which that may change by itself


class ConfidenceRule:
    """Confidence that halves every `half_life` ms since it was refreshed, and the condition that it is high enough."""

    def __init__(self, half_life: int, leave_below: float, feature: int) -> None:
        self._half_life = half_life
        self._feature = feature
        self._lasts = first_false(
            lambda age: 2.0 ** (-age / half_life) >= leave_below, decay_time(1 / leave_below, half_life)
        )
        self.check = Check(self._ask, {(feature, ""): RISES}, ())

    def _ask(self, profile: Profile, now: int) -> Answer:
        refreshed = profile.features.get(self._feature)
        if refreshed is None:
            return True, NEVER
        ends = refreshed + self._lasts
        return (True, ends) if now < ends else NO

    def fact(self, spec: Confidence) -> Fact:
        """Return what explanations say of it; a change has the confidence in a field of its own."""
        refreshed_by = EventSelector(spec.refreshed_by)
        text, expected = f"confidence since the last {refreshed_by.text}", f">= {number_text(spec.leave_below)}"
        return Fact(text, expected, self.at, self.check.ask, False, newest_of(refreshed_by), (self._feature,))

    def at(self, profile: Profile, now: int) -> float:
        """Return the confidence at `now`, from 0 to 1."""
        refreshed = profile.features.get(self._feature)
        return 1.0 if refreshed is None else round(2.0 ** ((refreshed - now) / self._half_life), 6)


class Checks(NamedTuple):
    """What a segment's fields are compiled into; `parent` is the membership of the parent."""

    when: Check
    exit_when: Check | None = None
    confidence: ConfidenceRule | None = None
    parent: Check | None = None


class Rule:
    """One segment, ready to be judged for any profile and instant."""

    warming: bool | UnsetType = UNSET  # as changes say it

    def __init__(self, segment: Segment, segment_id: int, index: int, checks: Checks) -> None:
        when, exit_when, confidence, parent = checks
        self.name = segment.name
        self.version = segment.version
        self.is_shadow = in_shadow(segment.name)
        self.segment_id = segment_id
        self.index = index
        self.dependents: tuple[Rule, ...] = ()
        self.compared: tuple[str, ...] = ()  # keys of the thresholds that its own conditions compare with
        self.thresholds: tuple[History, ...] = ()  # the moving bounds it depends on, through other segments too
        self.retention = NEVER  # ms after the user's newest event at which all memberships end
        self.scorings: tuple[Scoring, ...] = ()  # the models that its own conditions ask
        self.follows: tuple[Scoring, ...] = ()  # the models it depends on, through other segments too
        self.guard: int | None = None  # a feature without whose state nobody enters
        self._dwell = segment.min_dwell or 0
        self._confidence = confidence
        self._belongs = parent.ask if parent else _always
        inherited = parent.facts if parent else ()
        self.facts = (*inherited, *when.facts)
        self._when_facts = _told(self.facts)
        if segment.confidence and confidence:
            self.facts = (*self.facts, confidence.fact(segment.confidence))
        self.exit_facts = exit_when.facts if exit_when else ()
        self._exit_facts = _told((*inherited, *self.exit_facts)) if exit_when else ()
        self._score = next((fact for fact in when.facts if fact.is_score), None)
        self._enter, self._leave = _enter_and_leave(checks)
        self.needs = self._enter.needs
        self.wanted: Wanted | None = next(iter(self._enter.wants), None)  # without this value nobody enters
        simple = exit_when is None and confidence is None and not self._dwell
        if simple:  # who is outside of the parent may be so until an instant, too
            self.effects = regardless_of_dues(when.effects) if parent else when.effects
        else:
            self.effects = combine_all([self._enter, negate(self._leave)]).effects
        self.plain: Ask | None = self._enter.ask if simple else None
        self.has_detail = self._score is not None or confidence is not None

    def standing(self, profile: Profile) -> tuple[bool, int, int]:
        """Return whether the user is inside, since when (ms), and when (ms) that must be asked again."""
        member = profile.members.get(self.segment_id)
        return (False, 0, NEVER) if member is None else (member[INSIDE] == 1, member[SINCE], member[DUE])

    def decide(self, profile: Profile, inside: bool, since: int, now: int) -> Judgement:
        """Return whether the user is inside from `now` on, given that they are inside (since when) or not so far."""
        if self.plain is not None:
            return self.plain(profile, now)
        if not inside:
            enters, until = self._enter.ask(profile, now)
            return (True, self._stays(profile, now, now)) if enters else (False, until)
        may_leave = now >= since + self._dwell
        if (may_leave and self._leave.ask(profile, now)[0]) or not self._belongs(profile, now)[0]:
            return False, self._enter.ask(profile, now)[1]
        return True, self._stays(profile, since, now)

    def _stays(self, profile: Profile, since: int, now: int) -> int:
        """Return until when (ms) a member stays at least."""
        leaves, until = self._leave.ask(profile, now)
        longest = since + self._dwell if leaves else max(until, since + self._dwell)
        return min(longest, self._belongs(profile, now)[1])

    def at(self, profile: Profile, now: int) -> Answer:
        """Return the membership at `now`, which may lie in the future, as it will be if nothing happens."""
        inside, since, due = self.standing(profile)
        if now <= profile.clock:
            return inside, due if due > now else now + 1
        for _ in range(_FLIPS_LOOKED_AT):
            if due > now:
                break
            was, asked_at = inside, due
            inside, due = self.decide(profile, inside, since, asked_at)
            since = asked_at if inside and not was else since
        return inside, due

    def next_flip(self, profile: Profile, inside: bool, since: int, due: int) -> int | None:
        """Return the instant (ms) at which the membership changes if nothing happens, None for never.

        Bounds of the population that take effect later do not count, known or not: a replay says what the job said.
        """
        for history in self.thresholds:
            history.hold(profile.clock)
        flip = self._next_flip(profile, inside, since, due)
        for history in self.thresholds:
            history.hold(None)
        if self.retention == NEVER:
            return flip
        over = profile.newest + self.retention
        return flip if flip is not None and flip < over else over if inside else None

    def _next_flip(self, profile: Profile, inside: bool, since: int, due: int) -> int | None:
        for _ in range(_FLIPS_LOOKED_AT):
            if due == NEVER:
                return None
            flipped, until = self.decide(profile, inside, since, due)
            if flipped != inside:
                return due
            due = until
        return due

    def because(self, profile: Profile, now: int, *, entered: bool) -> list[Reason]:
        """Return each condition with its value at `now`: those of `exit_when` when they made the user leave."""
        by_exit_rule = not entered and self._exit_facts
        facts = self._exit_facts if by_exit_rule else self._when_facts
        return [
            Reason(text, bound(now) if bound else expected, value(profile, now), ask(profile, now)[0])
            for text, expected, value, ask, bound in facts
        ]

    def moved_at(self, now: int) -> bool:
        """Say whether a bound of the population that it depends on takes effect at exactly `now` (ms)."""
        return any(history.starts_at(now) for history in self.thresholds)

    def score(self, profile: Profile, now: int) -> float | None:
        """Return the segment's score, None when it has no score condition."""
        return self._score.value(profile, now) if self._score else None

    def scored_by(self, profile: Profile) -> str | None:
        """Return which version of a model gave the score, None when none did."""
        for scoring in self.scorings:
            score = profile.features.get(scoring.feature)
            if score is not None and (version := stands(score, profile.clock)[2]):
                return f"{scoring.version.name}:{version}"
        return None

    def shares(self, profile: Profile, now: int) -> list[Share]:
        """Return what makes most of a model's score at `now` (ms)."""
        return self.scorings[0].shares(profile, now)

    def was_scored_at(self, profile: Profile, now: int) -> bool:
        """Say whether a model that it depends on scored the user at exactly `now` (ms)."""
        scores = (profile.features.get(scoring.feature) for scoring in self.follows)
        return any(score is not None and stands(score, profile.clock)[1] == now for score in scores)

    def confidence(self, profile: Profile, now: int) -> float:
        """Return the confidence in the membership, 1.0 when it does not decay."""
        return self._confidence.at(profile, now) if self._confidence else 1.0


class WarmingRule(Rule):
    """A segment whose aggregates are not complete yet: members stay, nobody enters, no event is asked about it.

    Members leave with the parent, and of the conditions only that is told.
    """

    warming = True

    def __init__(self, segment: Segment, segment_id: int, index: int, checks: Checks) -> None:
        super().__init__(segment, segment_id, index, checks)
        self.effects, self.needs, self.wanted, self.plain, self.has_detail = {}, (), None, None, False
        self._when_facts, self._exit_facts = _told(checks.parent.facts if checks.parent else ()), ()

    def decide(self, profile: Profile, inside: bool, since: int, now: int) -> Judgement:  # noqa: ARG002 - as every rule
        """Return what is so; nobody stays without the parent."""
        return self._belongs(profile, now) if inside else NO

    def score(self, profile: Profile, now: int) -> float | None:  # noqa: ARG002 - as every rule
        """Return None: what it would be made of is not complete."""
        return None

    def confidence(self, profile: Profile, now: int) -> float:  # noqa: ARG002 - as every rule
        """Return 1.0: a membership that stands still does not fade."""
        return 1.0


def _told(facts: tuple[Fact, ...]) -> tuple[tuple[str, str, Value, Ask, Bound | None], ...]:
    return tuple((fact.text, fact.expected, fact.value, fact.ask, fact.bound) for fact in facts)


def _always(profile: Profile, now: int) -> Answer:  # noqa: ARG001 - as every condition
    return YES


def _enter_and_leave(checks: Checks) -> tuple[Check, Check]:
    """Return what makes a user enter, and what makes a member leave who is in the parent."""
    when, exit_when, confidence, parent = checks
    enter = [parent, when] if parent else [when]
    leave = [exit_when or negate(when)]
    if exit_when:
        enter.append(negate(exit_when))
    if confidence:
        enter.append(confidence.check)
        leave.append(negate(confidence.check))
    return combine_all(enter), combine_any(leave)
