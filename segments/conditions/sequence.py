"""`sequence`: ordered steps inside a window."""

from segments.conditions.base import NO, RISES, Answer, Builder, Check, Fact, needed_by
from segments.conditions.windows import compile_window
from segments.definitions.model import Sequence
from segments.features.funnel import Funnel, newest_starts
from segments.profile import Profile
from segments.selectors import EventSelector


def compile_sequence(spec: Sequence, builder: Builder) -> Check:
    """Compile a sequence; it stops being true when its first step leaves the window."""
    steps = [EventSelector(step) for step in spec.steps]
    window = compile_window(spec.within, builder)
    feature = builder.feature(Funnel(steps, window.keep, spec.per))

    def ask(profile: Profile, now: int) -> Answer:
        state = profile.features.get(feature)
        if state is None or not state[0] or state[0] < window.opens(profile, now):
            return NO
        return True, window.leaves(profile, now, state[0])

    def value(profile: Profile, now: int) -> str:
        whole, matches = profile.features.get(feature) or (0, {})
        opens = window.opens(profile, now)
        if whole >= opens:
            return f"step {len(steps)} of {len(steps)}"
        starts = [newest_starts(events, len(steps), window.keep) for events in matches.values()]
        reached = [index + 1 for each in starts for index, start in enumerate(each) if start >= opens]
        return f"step {max(reached, default=0)} of {len(steps)}"

    per = f" of one {spec.per}" if spec.per else ""
    text = f"{' then '.join(step.text for step in steps)}{per}"
    fact = Fact(text, window.text, value, ask)
    return Check(ask, {(feature, ""): RISES, **window.effects}, (fact,), needed_by(ask, feature))
