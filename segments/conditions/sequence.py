"""`sequence`: ordered steps inside a window, and what must not come between or after them."""

from segments.conditions.base import NO, Answer, Builder, Check, Fact, needed_by
from segments.conditions.effects import RISES, UNKNOWN
from segments.conditions.windows import compile_window
from segments.definitions.steps import Sequence
from segments.features.sequence import SequenceProgress
from segments.profile import NEVER, Profile
from segments.steps import Steps


def compile_sequence(spec: Sequence, builder: Builder) -> Check:
    """Compile a sequence; it stops being true when its first step leaves the window."""
    steps = Steps(spec)
    window = compile_window(spec.within, builder)
    feature = builder.feature(SequenceProgress(steps, spec.per, window.keep))
    patience, waits, total = steps.patience, 2 * (steps.count - 1), len(steps.texts)

    def ask(profile: Profile, now: int) -> Answer:
        state = profile.features.get(feature)
        if state is None:
            return NO
        opens, newest, next_true = window.opens(profile, now), state[0], NEVER
        if patience is not None:
            for progress in state[1].values():
                for place in range(waits, len(progress), 2):
                    ripe = progress[place + 1] + patience
                    if ripe > now:
                        next_true = min(next_true, ripe)
                        break
                    newest = max(newest, progress[place])
        return (True, window.leaves(profile, now, newest)) if newest >= opens else (False, next_true)

    def value(profile: Profile, now: int) -> str:
        return f"step {total if ask(profile, now)[0] else reached(profile, now)} of {total}"

    def reached(profile: Profile, now: int) -> int:
        _, values = profile.features.get(feature) or (0, {})
        opens = window.opens(profile, now)
        starts = [(place, start) for each in values.values() for place, start in enumerate(each[::2], 1)]
        return max((min(place, steps.count) for place, start in starts if start >= opens), default=0)

    per = f" of one {spec.per}" if spec.per else ""
    fact = Fact(steps.text + per, window.text, value, ask)
    effect = RISES if patience is None else UNKNOWN
    return Check(ask, {(feature, ""): effect, **window.effects}, (fact,), needed_by(ask, feature))
