"""What definitions may say, and what people are told when they say something else."""

import pytest
from jsonschema import Draft202012Validator

from segments.calendar import Period
from segments.definitions import DefinitionErrors, parse_definitions
from segments.definitions.schema import definitions_schema
from segments.plan import Plan


def told(text: str) -> list[str]:
    with pytest.raises(DefinitionErrors) as refused:
        parse_definitions(text, "f.yaml")
    return [str(problem) for problem in refused.value.problems]


def one(when: str, top: str = "") -> str:
    return f"{top}\nsegments:\n  - name: a\n    when: {when}\n"


@pytest.mark.parametrize("period", list(Period))
def test_a_window_may_be_a_period_of_the_calendar(period: Period) -> None:
    definitions = parse_definitions(one(f"{{count: {{event: X, within: {period}, gte: 1}}}}"))
    assert definitions.segments[0].when.kind()[1].within is period


def test_what_is_no_window_is_answered_with_what_is() -> None:
    (problem,) = told(one("{count: {event: X, within: this_fortnight, gte: 1}}"))
    assert problem.startswith("f.yaml:4: segments[0].when.count.within: 'this_fortnight' is no duration; write for")
    assert problem.endswith("or a period: " + ", ".join(Period))


@pytest.mark.parametrize(
    "when",
    [
        "{absence: {after: X, of: Y, within: this_day}}",
        "{score: {points: {X: 1}, half_life: this_day, gte: 1}}",
    ],
)
def test_elsewhere_a_duration_is_a_duration(when: str) -> None:
    (problem,) = told(one(when))
    assert "'this_day' is no duration" in problem
    assert "or a period" not in problem


def test_weeks_start_on_a_day_that_is_known() -> None:
    (problem,) = told(one("{segment: a}", top="week_starts: noon").replace("{segment: a}", "{trait: {name: x, eq: 1}}"))
    assert problem == "f.yaml:1: week_starts: Input should be 'monday', 'saturday' or 'sunday', not 'noon'"


@pytest.mark.parametrize(("within", "fits"), [("this_month", True), ("1h30m", True), ("this_hour", False)])
def test_the_schema_knows_the_periods(within: str, fits: bool) -> None:
    content = {
        "week_starts": "sunday",
        "segments": [{"name": "a", "when": {"sum": {"event": "X", "property": "p", "within": within, "gt": 1}}}],
    }
    assert Draft202012Validator(definitions_schema()).is_valid(content) is fits


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [("count", "event: X, gte: 1"), ("sum", "event: X, property: p, gte: 1"), ("recency", "event: X")],
)
def test_reasons_name_the_period(kind: str, arguments: str) -> None:
    (rule,) = Plan(parse_definitions(one(f"{{{kind}: {{{arguments}, within: since_monday}}}}"))).rules
    ((text, expected, *_),) = rule._when_facts
    assert "since Monday" in f"{text} {expected}"
