"""`models.yaml`: what ships is right, and every mistake is told with its line."""

from pathlib import Path

import pytest

from segments.definitions import DefinitionErrors, load_definitions
from segments.models.loader import load_models, parse_models
from segments.plan import Plan

CONF = Path(__file__).parents[3] / "conf"
SET = "feature_sets: {s: {features: [{name: pages, count: {event: any, within: 7d}}]}}\n"
LABEL = "{label: {within: 1d, when: {lifetime: {of: count, event: any, gte: 1}}}}"


def test_the_shipped_models_compile_with_the_shipped_segments() -> None:
    models = load_models(CONF / "models.yaml")
    plan = Plan(load_definitions(CONF / "segments.yaml"), feature_sets=models.feature_sets)
    assert set(plan.models) == set(models.feature_sets)
    assert {model.task for model in models.models} == {"classify", "cluster", "anomaly"}
    assert models.model("churn_risk") is not None
    assert models.model("no_such") is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("models: [{name: m, features: x, cluster: {}}]", "m.yaml:2: models[0].features: no feature set is named 'x'"),
        (
            "models:\n- {name: m, features: s, cluster: {}}\n- {name: m, features: s, cluster: {}}",
            "m.yaml:4: models[1]: two models are named 'm' (the first is in line 3; rename one)",
        ),
        ("models: [{name: m, features: s}]", "needs exactly one of classify, cluster, anomaly; has none"),
        ("models: [{name: m, cluster: {}}]", "needs exactly one of features, table"),
        ("models: [{name: m, features: s, classify: {}}]", "a model that classifies needs classify.label"),
        ("models: [{name: m, table: {numbers: [a]}, classify: {}}]", "a model that classifies needs table.label"),
        ("models: [{name: m, table: {}, cluster: {}}]", "needs numbers, categories or both"),
        ("models: [{name: m, features: s, cluster: {}, gates: {auc: {gte: 1}}}]", "there is no metric 'auc'"),
        ("models: [{name: m, features: s, cluster: {least: 5, most: 3}}]", "most (3) is less than least (5)"),
        ("models: [{name: m, features: s, clusters: {}}]", "did you mean 'cluster'?"),
        ("models: [{name: m, features: s, cluster: {}, score: {delay: 1d, max_age: 1h}}]", "longer than delay"),
        ("models: [{name: m, features: s, cluster: {}, score: {tolerance: -1}}]", "models[0].score.tolerance"),
        (
            "models: [{name: m, features: s, classify: {label: {within: 1d, when: {segment: x}}}}]",
            "'segment' depends on more than the user's own events",
        ),
        (f"models: [{{name: m, features: s, classify: {LABEL}, gates: {{f1: {{}}}}}}]", "exactly one of gte, lte"),
    ],
)
def test_mistakes(text: str, expected: str) -> None:
    with pytest.raises(DefinitionErrors) as raised:
        parse_models(SET + text, "m.yaml")
    assert expected in str(raised.value)


def test_a_feature_of_two_kinds_is_refused() -> None:
    both = "{name: f, count: {event: any, within: 7d}, recency: {event: any}}"
    with pytest.raises(DefinitionErrors, match=r"m.yaml:1: .*needs exactly one of count, .*; has count, recency"):
        parse_models(
            f"feature_sets: {{s: {{features: [{both}]}}}}\nmodels: [{{name: m, features: s, cluster: {{}}}}]", "m.yaml"
        )
