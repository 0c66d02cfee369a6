"""Which versions are in force after a release, and which definitions they can answer."""

import pytest

from segments.definitions import DefinitionErrors, parse_definitions
from segments.models.loader import parse_models
from segments.models.released import ModelVersion
from segments.models.releasing import (
    Asked,
    asked_by,
    challengers,
    champions,
    pinned,
    promoted_versions,
    refuse_unknown,
    unmet,
    with_challenger,
    with_champion,
    withdrawn_versions,
)

ASKING = """segments:
  - {name: leaving, when: {all: [{model: {name: churn, gte: 0.7}}, {not: {model: {name: churn, version: 2, lt: 0.1}}}]}}
  - {name: odd, when: {recency: {event: any, within: 1h}}, exit_when: {model: {name: unusual, lt: 0}}}
"""


def version(number: int, name: str = "churn", *, calibrated: bool = False) -> ModelVersion:
    return ModelVersion(name, number, "classify", {}, "", "", calibrated=calibrated)


def test_a_challenger_stands_beside_the_champion_until_it_takes_its_place() -> None:
    both = with_challenger(with_champion([version(1, "odd")], version(3)), version(4))
    assert [each.label for each in both] == ["churn:3", "churn:4", "odd:1"]
    assert (champions(both)["churn"].version, challengers(both)["churn"].version) == (3, 4)
    assert [each.label for each in promoted_versions(both)] == ["churn:4", "odd:1"]
    assert not any(each.challenger for each in promoted_versions(both))
    assert [each.label for each in withdrawn_versions(both)] == ["churn:3", "odd:1"]
    assert [each.label for each in with_challenger(both, version(5))] == ["churn:3", "churn:5", "odd:1"]


def test_all_that_definitions_lack_is_said_at_once() -> None:
    asking = parse_definitions(ASKING)
    assert unmet(asking, [version(1)]) == [
        "leaving asks model churn:2, which is not in force: segments release model churn 2",
        "odd asks model unusual, of which no version is in force: segments release model unusual VERSION",
    ]
    assert unmet(asking, [version(2), version(1, "unusual")]) == []


def test_calibrated_scores_are_asked_of_a_version_that_has_them() -> None:
    asking = parse_definitions("segments: [{name: a, when: {model: {name: churn, gte: 0.7, calibrated: true}}}]")
    assert unmet(asking, [version(1, calibrated=True)]) == []
    assert unmet(asking, [version(1)]) == [
        "a asks for calibrated scores, and churn:1 has none: train it with calibrate"
    ]


def test_pins_are_set_where_the_version_in_force_is_meant_and_nowhere_else() -> None:
    text = pinned(ASKING, {"churn": version(4), "unusual": version(9, "unusual")})
    asked = [(each.segment, each.version) for each in _asked(text)]
    assert asked == [("leaving", 4), ("leaving", 2), ("odd", 9)]
    assert [each.version for each in _asked(pinned(ASKING, {"unusual": version(9)}))] == [None, 2, 9]


def _asked(text: str) -> list[Asked]:
    return list(asked_by(parse_definitions(text)))


def test_a_misspelt_model_is_named_with_what_it_may_be() -> None:
    models = parse_models("""
feature_sets: {visitor: {features: [{name: pages, count: {event: any, within: 7d}}]}}
models: [{name: churn_risk, features: visitor, cluster: {}}]
""")
    asking = parse_definitions("segments: [{name: a, when: {model: {name: churn_rsk, gte: 0.7}}}]")
    with pytest.raises(DefinitionErrors, match=r"conf/models.yaml has no model 'churn_rsk'.*did you mean 'churn_risk'"):
        refuse_unknown(asking, models, "segments.yaml", "conf/models.yaml")
    calibrated = parse_definitions("segments: [{name: a, when: {model: {name: churn_risk, gte: 1, calibrated: true}}}]")
    with pytest.raises(DefinitionErrors, match="which is not calibrated"):
        refuse_unknown(calibrated, models, "segments.yaml", "conf/models.yaml")
    fine = parse_definitions("segments: [{name: a, when: {model: {name: churn_risk, gte: 1}}}]")
    refuse_unknown(fine, models, "segments.yaml", "conf/models.yaml")
