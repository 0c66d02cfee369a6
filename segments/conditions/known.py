"""`trait` and `context`: the newest known value of something about the user."""

from typing import Any

from segments.conditions.base import NO, YES, Answer, Builder, Check, Fact, Wanted, needed_by
from segments.conditions.effects import UNKNOWN
from segments.definitions.model import Context, Trait
from segments.features.latest import Latest
from segments.profile import Profile
from segments.selectors import compile_predicate


def compile_trait(spec: Trait, builder: Builder) -> Check:
    """Compile a test on a trait."""
    return _compile(Latest("traits", spec.name), f"trait {spec.name}", spec, builder)


def compile_context(spec: Context, builder: Builder) -> Check:
    """Compile a test on a place in the context."""
    return _compile(Latest("context", spec.path), f"context {spec.path}", spec, builder)


def _compile(latest: Latest, text: str, spec: Trait | Context, builder: Builder) -> Check:
    feature = builder.feature(latest)
    passes = compile_predicate(spec)

    def value(profile: Profile, now: int) -> Any:
        return profile.features.get(feature)

    def ask(profile: Profile, now: int) -> Answer:
        return YES if passes(profile.features.get(feature)) else NO

    expected = " and ".join(f"{operator} {bound}" for operator, bound in spec.operators().items())
    fact = Fact(text, expected, value, ask)
    return Check(ask, {(feature, ""): UNKNOWN}, (fact,), needed_by(ask, feature), _wants(feature, spec), untimed=True)


def _wants(feature: int, spec: Trait | Context) -> tuple[Wanted, ...]:
    """Return the only value for which the test passes, if there is one that Python compares as JSON does."""
    match list(spec.operators().items()):
        case [("eq", str(text))]:
            return ((feature, text),)
        case [("exists", False)]:
            return ((feature, None),)
    return ()
