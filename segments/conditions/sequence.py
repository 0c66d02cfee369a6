"""`sequence`: ordered steps inside a window."""

from segments.conditions.base import NO, RISES, Answer, Builder, Check, Fact
from segments.definitions.model import Sequence
from segments.durations import format_duration
from segments.features.funnel import Funnel
from segments.profile import Profile
from segments.selectors import EventSelector


def compile_sequence(spec: Sequence, builder: Builder) -> Check:
    """Compile a sequence; it stops being true when its first step leaves the window."""
    steps = [EventSelector(step) for step in spec.steps]
    feature = builder.feature(Funnel(steps, spec.within, spec.per))
    window = spec.within

    def newest_start(profile: Profile) -> int:
        matches = profile.features.get(feature)
        return max((int(begun[-1]) for begun in matches.values()), default=0) if matches else 0

    def ask(profile: Profile, now: int) -> Answer:
        start = newest_start(profile)
        return (True, start + window) if start and now < start + window else NO

    def value(profile: Profile, now: int) -> str:
        matches = profile.features.get(feature) or {}
        furthest = 0
        for begun in matches.values():
            reached = [index + 1 for index, start in enumerate(begun) if start and now < start + window]
            furthest = max(furthest, *reached, 0)
        return f"step {furthest} of {len(steps)}"

    per = f" of one {spec.per}" if spec.per else ""
    text = f"{' then '.join(step.text for step in steps)}{per}"
    fact = Fact(text, f"in {format_duration(window)}", value, ask)
    return Check(ask, {(feature, ""): RISES}, (fact,))
