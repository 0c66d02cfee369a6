"""The engine's plan with counters: how often each feature is updated and each segment asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from segments.definitions.model import Definitions, Segment
from segments.events import Plausibility
from segments.features.base import Feature, Input
from segments.plan import Plan
from segments.rules import Rule


class MeteredPlan(Plan):
    """A plan that does the same and counts; what is known of traits and context is read for all at once, uncounted."""

    def __init__(self, definitions: Definitions, plausibility: Plausibility | None = None) -> None:
        self.feature_ids: dict[str, int] = {}
        self.updates: Counter[str] = Counter()  # by the feature's key
        self.asks: Counter[str] = Counter()  # by the segment's name
        super().__init__(definitions, plausibility)

    def feature(self, feature: Feature) -> int:
        if feature.key not in self.feature_ids:
            _count_inputs(feature, self.updates)
        feature_id = self.feature_ids[feature.key] = super().feature(feature)
        return feature_id

    def _compile_rule(self, segment: Segment, index: int) -> Rule:
        rule = super()._compile_rule(segment, index)
        if rule.plain is not None:
            rule.plain = _counted(rule.plain, self.asks, segment.name)
        else:
            rule.decide = _counted(rule.decide, self.asks, segment.name)  # type: ignore[method-assign]
        return rule


def _count_inputs(feature: Feature, counter: Counter[str]) -> None:
    key, inputs = feature.key, feature.inputs

    def counting(feature_id: int) -> Iterable[Input]:
        for each in inputs(feature_id):
            yield each._replace(update=each.update and _counted(each.update, counter, key))

    feature.inputs = counting  # type: ignore[method-assign]


def _counted(call: Callable[..., Any], counter: Counter[str], name: str) -> Callable[..., Any]:
    def counting(*arguments: Any, **named: Any) -> Any:
        counter[name] += 1
        return call(*arguments, **named)

    return counting
