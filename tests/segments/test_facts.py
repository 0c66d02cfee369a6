"""What a condition says of itself: how people read it, what it expects, what its value is, whether it holds."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from segments.conditions import KINDS
from segments.control import Thresholds
from segments.definitions import parse_definitions
from segments.explain import explain
from segments.explanation import Standing
from segments.plan import Plan
from segments.profile import Profile

START = 1_772_409_600_000  # Monday 2026-03-02T00:00:00Z
MINUTE = 60_000
COMBINING = {"all", "any"}  # what these say is what those inside say
CASES: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "facts.yaml").read_text(encoding="utf-8"))
CLICKED = {"lifetime": {"of": "count", "event": "Click", "gte": 1}}
CLICKS: list[dict[str, Any]] = CASES["histories"]["clicks"]


def event(minute: float, **of: Any) -> dict[str, Any]:
    """An event of the Segment Spec from its short form, in which properties stand beside the name."""
    time = START + round(minute * MINUTE)
    if "event" not in of:
        return {"timestamp": time, **of}
    return {"type": "track", "event": of.pop("event"), "timestamp": time, "properties": of}


def standing(when: dict[str, Any], history: list[dict[str, Any]], minute: float) -> Standing:
    """One segment with this condition at a minute, for a user who did these things after one that no one reads."""
    segments = [{"name": "s", "when": when}, {"name": "clicker", "when": CLICKED}]
    did = [{"minute": 0, "event": "Other"}, *(short for short in history for _ in range(short.get("times", 1)))]
    events = [event(**{name: value for name, value in short.items() if name != "times"}) for short in did]
    records = [
        (json.dumps({"userId": "u", "messageId": str(number), **each}).encode(), None)
        for number, each in enumerate(events)
    ]
    definitions = parse_definitions(yaml.safe_dump({"segments": segments}))
    explained = explain(definitions, records, "u", at=START + round(minute * MINUTE))
    return next(each for each in explained.segments if each.segment == "s")


def facts(found: Standing) -> list[str]:
    """Conditions as they go out: the text, what is expected, the value, whether it holds."""
    return [json.dumps([each.condition, each.expected, each.value, each.holds]) for each in found.conditions]


@pytest.mark.parametrize("case", CASES["conditions"], ids=lambda case: str(case["when"]))
def test_a_condition_tells_its_value(case: dict[str, Any]) -> None:
    for told in case["told"]:
        found = standing(case["when"], CASES["histories"][told["after"]], told["minute"])
        expected = [case["reads"], case["expected"], told["value"], told["holds"]]
        assert facts(found) == [json.dumps(expected)]
        assert found.score == (told["value"] if "score" in case["when"] else None)


@pytest.mark.parametrize("case", CASES["nobody"], ids=lambda case: str(case["when"]))
def test_a_condition_tells_its_value_for_a_user_of_whom_nothing_is_known(case: dict[str, Any]) -> None:
    (rule,) = Plan(parse_definitions(yaml.safe_dump({"segments": [{"name": "s", "when": case["when"]}]}))).rules
    (reason,) = rule.because(Profile(), START, entered=True)
    assert json.dumps([reason.value, reason.holds]) == json.dumps([case["value"], case["holds"]])


@pytest.mark.parametrize(
    ("bound", "expected"),
    [
        (1234.5, ">= 1234.5 (top 20 % of 1,200 users, version 7)"),
        (None, ">= top 20 % (1,200 of 2,000 users known, version 7)"),
    ],
)
def test_a_threshold_tells_its_bound_and_of_how_many_users_it_is(bound: float | None, expected: str) -> None:
    when = {"threshold": {"of": {"lifetime": {"of": "count", "event": "Buy"}}, "top": "20%", "min_population": 2_000}}
    plan = Plan(parse_definitions(yaml.safe_dump({"segments": [{"name": "s", "when": when}]})))
    (key,) = plan.thresholds
    plan.population.accept(Thresholds(7, START, {key: bound}, {key: 1_200}))
    told = [plan.rules[0].because(Profile(), at, entered=True)[0].expected for at in (START - 1, START)]
    assert told == [">= top 20 %, not known yet", expected]


@pytest.mark.parametrize(
    ("bound", "text", "known_as"),
    [
        ({"percentile": 80}, ">= percentile 80", "percentile 80"),
        ({"top": "20%"}, ">= top 20 %", "percentile 80"),
        ({"mean_plus_sd": 2}, ">= mean plus 2 SD", "mean_plus_sd 2"),
    ],
)
def test_a_threshold_has_a_text_and_a_key_for_ever(bound: dict[str, Any], text: str, known_as: str) -> None:
    when = {"threshold": {"of": {"count": {"event": "Buy", "within": "1h"}}, "smoothing": 0.5, **bound}}
    plan = Plan(parse_definitions(yaml.safe_dump({"segments": [{"name": "s", "when": when}]})))
    assert plan.rules[0].facts[0].expected == text
    assert list(plan.thresholds) == [
        f"count of Buy in 1h|{known_as}|among positive|min_population 100|refresh 10m|smoothing 0.5"
    ]


def test_every_kind_is_told() -> None:
    told = {kind for case in CASES["conditions"] for kind in case["when"]}
    assert told | {"model"} == set(KINDS) - COMBINING  # tests/segments/models/test_model_condition.py


def test_combined_conditions_tell_each_fact_once_in_the_order_written() -> None:
    few, many = ({"count": {"event": "Click", "within": "1h", "gte": bound}} for bound in (1, 9))
    buyer = {"recency": {"event": "Buy", "within": "1h"}}
    found = standing({"all": [few, {"any": [many, few, {"not": buyer}]}, many]}, CLICKS, 5)
    assert facts(found) == [
        '["count of Click in 1h", ">= 1", 3, true]',
        '["count of Click in 1h", ">= 9", 3, false]',
        '["last Buy", "< 1h ago", null, false]',
    ]
