"""Each kind of feature on one timeline: its value at an instant, by hand."""

import json
from typing import Any

import pytest

from segments.conditions.measured import compile_measure
from segments.definitions import DefinitionErrors, parse_definitions
from segments.definitions.threshold import Measure
from segments.engine import Engine
from segments.models.features import Features, feature_hash
from segments.models.spec import FeatureSet
from segments.plan import Plan
from segments.profile import Profile, decode_profile, encode_profile

T = 1_764_000_000_000 // 86_400_000 * 86_400_000  # midnight
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
DEFINITIONS = parse_definitions("segments: [{name: seen, when: {recency: {event: any, within: 1h}}}]")
EVENTS: list[tuple[str, int, dict[str, Any]]] = [
    ("View", 0, {"product": "a"}),
    ("View", 5 * MINUTE, {"product": "b"}),
    ("Order", 10 * MINUTE, {"total": 20}),
    ("Order", 12 * MINUTE, {"total": 5.5}),
    ("View", 2 * DAY, {"product": "a", "kind": "coat"}),
    ("Order", 2 * DAY + HOUR, {"total": 30}),
]
NOW = T + 3 * DAY


def event(name: str, after: int, properties: dict[str, Any]) -> bytes:
    return json.dumps(
        {
            "type": "track",
            "event": name,
            "userId": "u",
            "timestamp": T + after,
            "properties": properties,
            "context": {"device": {"type": "mobile", "cores": 8}},
            "traits": {"age": 41, "vip": True},
        }
    ).encode()


def compiled(*features: dict[str, Any], definitions: Any = DEFINITIONS) -> tuple[Plan, Features]:
    plan = Plan(definitions, feature_sets={"s": FeatureSet.model_validate({"features": list(features)})})
    return plan, plan.models["s"]


def profile_of(plan: Plan, until: int = NOW) -> Profile:
    """The user's profile at an instant, as the state keeps it."""
    engine, profile = Engine(plan), Profile()
    for name, after, properties in EVENTS:
        if T + after <= until:
            engine.apply(profile, plan.decoder.decode(event(name, after, properties)), [])
    return decode_profile(encode_profile(profile))


VALUES: list[tuple[dict[str, Any], Any, Any]] = [  # the feature, its value, its value of somebody unknown
    ({"count": {"event": "View", "within": "1d"}}, 0, 0),
    ({"count": {"event": "View", "within": "3d"}}, 2, 0),
    ({"count": {"event": "View", "where": {"kind": "coat"}, "within": "30d"}}, 1, 0),
    ({"sum": {"event": "Order", "property": "total", "within": "7d"}}, 55.5, 0),
    ({"avg": {"event": "Order", "property": "total", "within": "7d"}}, 18.5, None),
    ({"min": {"event": "Order", "property": "total", "within": "7d"}}, 5.5, None),
    ({"max": {"event": "Order", "property": "total", "within": "1d"}}, 30, None),
    ({"distinct": {"event": "View", "property": "product", "within": "7d"}}, 2, 0),
    ({"lifetime": {"of": "count", "event": "any"}}, 6, 0),
    ({"lifetime": {"of": "sum", "event": "Order", "property": "total"}}, 55.5, 0),
    ({"recency": {"event": "View"}}, 1.0, None),
    ({"recency": {"event": "View", "which": "first"}}, 3.0, None),
    ({"score": {"points": {"View": 4}, "half_life": "1d"}}, 2.0 + 4 * 2.0**-3 + 4 * 2.0 ** (-3 + 5 / 1440), 0.0),
    ({"score": {"points": {"View": 4, "Order": -1}}}, 9.0, 0.0),
    ({"session": {"of": "minutes"}}, 0.0, None),
    ({"session": {"of": "count", "event": "Order"}}, 1.0, 0.0),
    ({"session": {"of": "count", "event": "View"}}, 0.0, 0.0),  # the newest session has none
    ({"session": {"of": "sum", "event": "Order", "property": "total"}}, 30.0, 0.0),
    ({"context": {"path": "device.type"}}, "mobile", None),
    ({"context": {"path": "device.cores", "as": "number"}}, 8.0, None),
    ({"context": {"path": "device.type", "as": "number"}}, None, None),
    ({"trait": {"path": "age"}}, "41", None),
    ({"trait": {"path": "vip"}}, "true", None),
    ({"holds": {"count": {"event": "View", "within": "1d", "eq": 0}}}, 1.0, 1.0),
    ({"holds": {"sequence": {"steps": ["View", "Order"], "within": "2h"}}}, 0.0, 0.0),
]


@pytest.mark.parametrize(("feature", "value", "of_nobody"), VALUES, ids=[str(each[0]) for each in VALUES])
def test_value(feature: dict[str, Any], value: Any, of_nobody: Any) -> None:
    plan, features = compiled({"name": "f", **feature})
    assert features.vector(profile_of(plan), NOW) == (pytest.approx(value, abs=1e-9) if value is not None else None,)
    assert features.vector(Profile(), NOW) == (of_nobody,)


def test_purchases_of_one_day_are_one() -> None:
    plan, features = compiled({"name": "o", "rfm": {"event": "Order", "property": "total"}})
    assert features.names == ("o_frequency", "o_recency", "o_since", "o_tenure", "o_monetary")
    days = pytest.approx((1.0, 2 + 50 / 1440, 23 / 24, 3 - 10 / 1440, 30.0))
    assert features.vector(profile_of(plan), NOW) == days
    assert features.vector(profile_of(plan, T + DAY), T + DAY) == (
        0.0,
        pytest.approx(2 / 1440),
        *2 * [pytest.approx(0.99, abs=0.01)],
        0.0,
    )
    assert features.vector(Profile(), NOW) == (0.0, None, None, None, None)


def test_a_day_is_one_of_the_calendar_of_the_definitions() -> None:
    there = DEFINITIONS.model_copy(update={"timezone": "Asia/Tokyo"})
    night = {"name": "o", "rfm": {"event": "View"}}
    for definitions, days in ((DEFINITIONS, 1.0), (there, 2.0)):
        plan, features = compiled(night, definitions=definitions)
        engine, profile = Engine(plan), Profile()
        for hour in (14, 16, 40):  # 23:00 and 01:00 in Tokyo, one day in UTC; then a day later in both
            engine.apply(profile, plan.decoder.decode(event("View", hour * HOUR, {})), [])
        assert features.vector(profile, NOW)[0] == days


def test_the_hash_is_that_of_what_the_numbers_depend_on() -> None:
    def hashed(definitions: Any = DEFINITIONS, **feature: Any) -> str:
        spec = FeatureSet.model_validate({"features": [{"name": "f", **feature}]})
        return feature_hash(spec, definitions, Plan(definitions, feature_sets={"s": spec}).property_types)

    count = {"event": "View", "within": "24h"}
    known = hashed(count=count)
    assert hashed(count={"within": "1d", "event": ["View"]}) == known  # written in another way
    assert hashed(count={**count, "within": "25h"}) != known
    assert hashed(count={**count, "where": {"kind": "coat"}}) != known
    assert hashed(DEFINITIONS.model_copy(update={"timezone": "Asia/Tokyo"}), count=count) != known
    other = parse_definitions("segments: [{name: other, when: {count: {event: any, within: 7d, gte: 3}}}]")
    assert hashed(other, count=count) == known  # what segments there are is no part of it
    longer = parse_definitions("session: {gap: 1h}\nsegments: [{name: a, when: {recency: {event: any, within: 1h}}}]")
    assert hashed(longer, count=count) != known


def test_two_columns_of_one_name_are_refused() -> None:
    with pytest.raises(DefinitionErrors, match="two features make a column 'o_since'"):
        compiled({"name": "o", "rfm": {"event": "Order"}}, {"name": "o_since", "recency": {"event": "Order"}})


def test_session_starts_count_as_events() -> None:
    plan, features = compiled({"name": "n", "lifetime": {"of": "count", "event": "Session Started"}})
    assert features.vector(profile_of(plan), NOW) == (3,)


@pytest.mark.parametrize("within", ["1d", "this_day"])
@pytest.mark.parametrize("kind", ["count", "sum", "avg", "min", "max", "distinct"])
def test_the_value_alone_is_that_of_the_number(kind: str, within: str) -> None:
    over = {"event": "Order", "within": within, **({} if kind == "count" else {"property": "total"})}
    plan, _ = compiled({"name": "f", kind: over})
    measured = compile_measure(Measure.model_validate({kind: over}), plan)
    profile, found = profile_of(plan), []
    for at in (T + at + offset for _, at, _ in EVENTS for offset in (-1, 0, 1, DAY - 1, DAY, DAY + 1)):
        found.append(measured.value()(profile, at))
        assert found[-1] == measured.number(profile, at).value
    assert len(set(found)) > 1
    assert measured.value()(Profile(), NOW) == measured.number(Profile(), NOW).value
