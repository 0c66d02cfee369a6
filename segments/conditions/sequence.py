"""`sequence`: ordered steps inside a window."""

from segments.conditions.base import NO, RISES, Answer, Builder, Check, Fact, needed_by
from segments.definitions.model import Sequence
from segments.durations import format_duration
from segments.features.funnel import Funnel, newest_starts
from segments.profile import Profile
from segments.selectors import EventSelector


def compile_sequence(spec: Sequence, builder: Builder) -> Check:
    """Compile a sequence; it stops being true when its first step leaves the window."""
    steps = [EventSelector(step) for step in spec.steps]
    feature = builder.feature(Funnel(steps, spec.within, spec.per))
    window = spec.within

    def ask(profile: Profile, now: int) -> Answer:
        state = profile.features.get(feature)
        return (True, state[0] + window) if state is not None and now < state[0] + window else NO

    def value(profile: Profile, now: int) -> str:
        whole, matches = profile.features.get(feature) or (0, {})
        if now < whole + window:
            return f"step {len(steps)} of {len(steps)}"
        starts = [newest_starts(events, len(steps), window) for events in matches.values()]
        reached = [index + 1 for each in starts for index, start in enumerate(each) if now < start + window]
        return f"step {max(reached, default=0)} of {len(steps)}"

    per = f" of one {spec.per}" if spec.per else ""
    text = f"{' then '.join(step.text for step in steps)}{per}"
    fact = Fact(text, f"in {format_duration(window)}", value, ask)
    return Check(ask, {(feature, ""): RISES}, (fact,), needed_by(ask, feature))
