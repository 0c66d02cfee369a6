"""`model`: the score of a model against a bound."""

from __future__ import annotations

from segments.conditions.base import COMPARE, NO, SYMBOL, YES, Answer, Builder, Check, Fact, number_text
from segments.conditions.effects import UNKNOWN
from segments.definitions.errors import DefinitionErrors, Problem
from segments.definitions.model import ModelScore
from segments.features.scored import stands
from segments.profile import Profile


def compile_model(spec: ModelScore, builder: Builder) -> Check:
    """Compile a score's comparison; who was not scored yet is not in, nor anybody while no version is in force.

    Raises DefinitionErrors when calibrated scores are asked of a version that has none.
    """
    scoring, (operator, bound) = builder.scoring(spec.name, spec.version), spec.comparison()
    text = f"score by {spec.name}" + (f" version {spec.version}" if spec.version is not None else "")
    expected = f"{SYMBOL[operator]} {number_text(bound)}"
    if scoring is None:
        return Check(_never, {}, (Fact(text, f"{expected}, no version is in force", _nothing, _never, True),))
    if spec.calibrated and not scoring.version.calibrated:
        label = scoring.version.label
        message = f"calibrated scores are asked of {label}, which is not calibrated"
        raise DefinitionErrors([Problem("definitions", 1, f"model {spec.name}", message, "train it with calibrate")])
    compare, feature = COMPARE[operator], scoring.feature
    scoring.compare_with(compare, bound)

    def value(profile: Profile, now: int) -> float | None:
        score = profile.features.get(feature)
        return None if score is None else stands(score, profile.clock)[0]

    def ask(profile: Profile, now: int) -> Answer:
        score = value(profile, now)
        return YES if score is not None and compare(score, bound) else NO

    return Check(ask, {(feature, ""): UNKNOWN}, (Fact(text, expected, value, ask, is_score=True),), (feature,))


def _nothing(profile: Profile, now: int) -> None:
    """Nobody has a score."""


def _never(profile: Profile, now: int) -> Answer:
    return NO
