"""What is told of a user: a change as it happens, and the memberships that a profile stands for."""

from __future__ import annotations

from msgspec import UNSET

from segments.changes import MODEL, THRESHOLD, TIMER, Action, Cause, Change, Membership, Memberships
from segments.plan import Plan
from segments.profile import Profile
from segments.rules import Rule
from segments.shadow_names import in_shadow


class Teller:
    """Makes the records of the segments of a plan."""

    def __init__(self, plan: Plan) -> None:
        self._rule = plan.rule
        self._warming = sorted(name for name in plan.warming if not in_shadow(name)) or UNSET

    def emit(
        self,
        user_id: str,
        profile: Profile,
        rule: Rule,
        entered: bool,
        now: int,
        cause: Cause | str | None,
        changes: list[Change],
    ) -> None:
        """Append the change of a rule at `now` (ms), and count it; a `cause` that is none is an event's message id."""
        profile.count(hidden=rule.is_shadow)
        known = cause if isinstance(cause, Cause) else Cause("event", cause)
        if known is TIMER and rule.moved_at(now):
            known = THRESHOLD
        elif known is TIMER and rule.follows and rule.was_scored_at(profile, now):
            known = MODEL
        changes.append(self.change(user_id, profile, rule, "entered" if entered else "exited", now, known))

    def change(self, user_id: str, profile: Profile, rule: Rule, action: Action, now: int, cause: Cause) -> Change:
        """Return the user's newest change, that of a rule at `now` (ms), as the profile is."""
        entered = action != "exited"
        _, _, due = rule.standing(profile)
        scored_by = rule.scored_by(profile) if rule.scorings else None
        return Change(
            user_id,
            rule.name,
            rule.version,
            action,
            now,
            profile.shadow_seq if rule.is_shadow else profile.seq,
            cause,
            rule.because(profile, now, entered=entered),
            rule.score(profile, now),
            scored_by,
            rule.confidence(profile, now),
            rule.next_flip(profile, entered, now, due),
            rule.shares(profile, now) if scored_by is not None else UNSET,
            rule.warming,
        )

    def memberships(self, user_id: str, profile: Profile) -> Memberships:
        """Return what the user is in, as of the profile's clock."""
        now = profile.clock
        current = {}
        rule_of = self._rule
        for segment_id, (inside, since, _) in profile.members.items():
            if inside and not (rule := rule_of(segment_id)).is_shadow:
                current[rule.name] = (
                    Membership(rule.version, since, rule.score(profile, now), rule.confidence(profile, now))
                    if rule.has_detail
                    else Membership(rule.version, since, None, 1.0)
                )
        return Memberships(user_id, profile.seq, now, current, self._warming)
