"""`score`: points for actions, halving with time if asked to."""

from segments.conditions.base import (
    COMPARE,
    NO,
    SYMBOL,
    YES,
    Answer,
    Builder,
    Check,
    Fact,
    decay_time,
    first_false,
    needed_by,
    number_text,
)
from segments.conditions.effects import effect_of
from segments.definitions.model import Score
from segments.features.base import MICROS
from segments.features.totals import Points
from segments.profile import Profile


def compile_score(spec: Score, builder: Builder) -> Check:
    """Compile a score; a decaying one names the exact millisecond at which it falls below its bound."""
    feature = builder.feature(Points(spec.points, spec.half_life))
    operator, bound = spec.comparison()
    if spec.half_life is None:
        return _plain(spec, feature, operator, bound)
    return _decaying(spec.half_life, feature, operator, bound)


def _plain(spec: Score, feature: int, operator: str, bound: float) -> Check:
    compare, micros = COMPARE[operator], round(bound * MICROS)

    def ask(profile: Profile, now: int) -> Answer:
        score = profile.features.get(feature)
        return YES if compare(score[0] if score else 0, micros) else NO

    def value(profile: Profile, now: int) -> float:
        score = profile.features.get(feature)
        return score[0] / MICROS if score else 0.0

    effect = effect_of(operator, rising=min(spec.points.values()) >= 0)
    fact = Fact("score", f"{SYMBOL[operator]} {number_text(bound)}", value, ask, is_score=True)
    return Check(ask, {(feature, ""): effect}, (fact,), needed_by(ask, feature))


def _decaying(half_life: int, feature: int, operator: str, bound: float) -> Check:
    compare = COMPARE[operator]

    def ask(profile: Profile, now: int) -> Answer:
        score = profile.features.get(feature)
        if score is None:
            return NO
        points, since = score
        if not compare(points * 2.0 ** ((since - now) / half_life), bound):
            return NO

        def holds(instant: int) -> bool:
            return compare(points * 2.0 ** ((since - instant) / half_life), bound)

        return True, first_false(holds, since + decay_time(points / bound, half_life))

    def value(profile: Profile, now: int) -> float:
        score = profile.features.get(feature)
        return round(score[0] * 2.0 ** ((score[1] - now) / half_life), 6) if score else 0.0

    fact = Fact("decayed score", f"{SYMBOL[operator]} {number_text(bound)}", value, ask, is_score=True)
    return Check(ask, {(feature, ""): effect_of(operator, rising=True)}, (fact,), needed_by(ask, feature))
