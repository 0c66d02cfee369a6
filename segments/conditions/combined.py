"""`all`, `any`, `not`, `segment`: conditions made of conditions."""

from collections.abc import Sequence

from segments.conditions.base import Answer, Builder, Check, Fact, iterate_facts
from segments.conditions.effects import (
    RISES,
    RISES_UNLESS_DUE,
    Effect,
    Effects,
    either,
    opposite,
    regardless_of_dues,
)
from segments.profile import NEVER, Profile


def combine_all(checks: Sequence[Check]) -> Check:
    """All hold. The first one that does not decides: nothing can change before it does."""
    if len(checks) == 1:
        return checks[0]
    first, *others = (check.ask for check in checks)
    rest = tuple(others)

    def ask(profile: Profile, now: int) -> Answer:
        answer = first(profile, now)
        if not answer[0]:
            return answer
        until = answer[1]
        for each in rest:
            answer = each(profile, now)
            if not answer[0]:
                return answer
            until = min(until, answer[1])
        return True, until

    needs = tuple(dict.fromkeys(feature for check in checks for feature in check.needs))
    wants = tuple(wanted for check in checks for wanted in check.wants)
    return Check(ask, _effects_on_all(checks), tuple(iterate_facts(list(checks))), needs, wants)


def combine_any(checks: Sequence[Check]) -> Check:
    """At least one holds. The first one that does decides."""
    if len(checks) == 1:
        return checks[0]
    asks = tuple(check.ask for check in checks)

    def ask(profile: Profile, now: int) -> Answer:
        until = NEVER
        for each in asks:
            answer = each(profile, now)
            if answer[0]:
                return answer
            until = min(until, answer[1])
        return False, until

    needs = tuple(feature for feature in checks[0].needs if all(feature in check.needs for check in checks))
    wants = tuple(wanted for wanted in checks[0].wants if all(wanted in check.wants for check in checks))
    return Check(ask, _merge(checks), tuple(iterate_facts(list(checks))), needs, wants)


def negate(check: Check) -> Check:
    """The opposite, changing at the same instants."""
    inner = check.ask

    def ask(profile: Profile, now: int) -> Answer:
        holds, until = inner(profile, now)
        return not holds, until

    effects = regardless_of_dues(check.effects)
    return Check(ask, {place: opposite(effect) for place, effect in effects.items()}, check.facts)


def compile_segment(name: str, builder: Builder) -> Check:
    """Membership of another segment, which is judged before this one."""
    segment_id, member_at = builder.segment_id(name), builder.member_at

    def ask(profile: Profile, now: int) -> Answer:
        return member_at(segment_id, profile, now)

    def value(profile: Profile, now: int) -> bool:
        return member_at(segment_id, profile, now)[0]

    return Check(ask, {}, (Fact(f"in segment {name}", "yes", value, ask),))


def _effects_on_all(checks: Sequence[Check]) -> Effects:
    """Return the effects on all; who is outside until an instant is so by the first, where only that has instants."""
    merged, (first, *others) = _merge(checks), checks
    if not (first.steady and all(each.untimed for each in others)):
        return merged
    rising = {place: RISES_UNLESS_DUE if effect == RISES else effect for place, effect in merged.items()}
    return rising | {place: (False, *merged[place][1:]) for place in first.effects}  # its own events move the instant


def _merge(checks: Sequence[Check]) -> Effects:
    merged: dict[tuple[int, str], Effect] = {}
    for check in checks:
        for place, effect in regardless_of_dues(check.effects).items():
            merged[place] = either(effect, merged.get(place, effect))
    return merged
