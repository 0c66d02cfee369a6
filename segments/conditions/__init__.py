"""Conditions: one kind a file; `compile_condition` is the registry of them all."""

from collections.abc import Callable
from typing import Any

from segments.conditions.absence import compile_absence
from segments.conditions.aggregate import compile_aggregate
from segments.conditions.base import Answer, Builder, Check, Fact
from segments.conditions.combined import combine_all, combine_any, compile_segment, negate
from segments.conditions.contributions import CONTRIBUTIONS
from segments.conditions.count import compile_count
from segments.conditions.distinct import compile_distinct
from segments.conditions.known import compile_context, compile_trait
from segments.conditions.lifetime import compile_lifetime
from segments.conditions.local_hours import compile_local_time
from segments.conditions.model import compile_model
from segments.conditions.recency import compile_recency
from segments.conditions.score import compile_score
from segments.conditions.sequence import compile_sequence
from segments.conditions.session import compile_session
from segments.conditions.threshold import compile_threshold
from segments.definitions.model import Condition

KINDS: dict[str, Callable[[Any, Builder], Check]] = {
    "count": compile_count,
    "sum": lambda spec, builder: compile_aggregate("sum", spec, builder),
    "avg": lambda spec, builder: compile_aggregate("avg", spec, builder),
    "min": lambda spec, builder: compile_aggregate("min", spec, builder),
    "max": lambda spec, builder: compile_aggregate("max", spec, builder),
    "distinct": compile_distinct,
    "recency": compile_recency,
    "lifetime": compile_lifetime,
    "score": compile_score,
    "session": compile_session,
    "absence": compile_absence,
    "sequence": compile_sequence,
    "trait": compile_trait,
    "context": compile_context,
    "local_time": compile_local_time,
    "threshold": compile_threshold,
    "model": compile_model,
    "all": lambda spec, builder: combine_all([compile_condition(inner, builder) for inner in spec]),
    "any": lambda spec, builder: combine_any([compile_condition(inner, builder) for inner in spec]),
    "not": lambda spec, builder: negate(compile_condition(spec, builder)),
    "segment": compile_segment,
}
COMBINING = {"all", "any", "not"}  # have no value of their own


def compile_condition(condition: Condition, builder: Builder) -> Check:
    """Compile one condition and all inside it."""
    kind, arguments = condition.kind()
    check = KINDS[kind](arguments, builder)
    if kind not in COMBINING:
        contributing = CONTRIBUTIONS[kind](arguments, builder)
        features = tuple(dict.fromkeys(feature for feature, _ in check.effects))
        check.facts = tuple(fact._replace(contributing=contributing, features=features) for fact in check.facts)
    return check


__all__ = ["COMBINING", "KINDS", "Answer", "Builder", "Check", "Fact", "compile_condition"]
