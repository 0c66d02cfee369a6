"""`absence`: something was begun and not finished in time."""

from segments.conditions.base import NO, Answer, Builder, Check, Fact, needed_by
from segments.conditions.effects import FALLS, UNKNOWN
from segments.definitions.model import Absence
from segments.durations import format_duration
from segments.features.pending import Pending
from segments.profile import NEVER, Profile
from segments.selectors import EventSelector


def compile_absence(spec: Absence, builder: Builder) -> Check:
    """Compile an absence; it becomes true by itself at the exact instant."""
    after, of = EventSelector(spec.after), EventSelector(spec.of)
    patience, lasts = spec.within, spec.lasts
    feature = builder.feature(Pending(after, of, spec.per, None if lasts is None else patience + lasts))

    def ask(profile: Profile, now: int) -> Answer:
        state = profile.features.get(feature)
        if state is None:
            return NO
        true_until, next_true = 0, NEVER
        for opened, _ in state[1].values():
            if not opened:
                continue
            begins = opened + patience
            ends = NEVER if lasts is None else begins + lasts
            if now < begins:
                next_true = min(next_true, begins)
            elif now < ends:
                true_until = max(true_until, ends)
        return (True, true_until) if true_until else (False, next_true)

    def value(profile: Profile, now: int) -> str:
        state = profile.features.get(feature)
        pending = state[1].values() if state else ()
        longest = NEVER if lasts is None else lasts
        waiting = [opened for opened, _ in pending if opened and 0 <= now - opened - patience < longest]
        return f"open for {format_duration(now - min(waiting))}" if waiting else "nothing open that long"

    per = f" per {spec.per}" if spec.per else ""
    fact = Fact(f"{after.text} without {of.text}{per}", f">= {format_duration(patience)}", value, ask)
    effects = {(feature, "of"): FALLS, (feature, "after"): UNKNOWN}
    return Check(ask, effects, (fact,), needed_by(ask, feature))
