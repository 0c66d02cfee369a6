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


@pytest.mark.parametrize("number", [".nan", ".inf", "-.inf"])
@pytest.mark.parametrize(
    "when",
    [
        "{sum: {event: X, property: p, within: 1h, gte: %s}}",
        "{score: {points: {X: %s}, gte: 1}}",
        "{trait: {name: x, gt: %s}}",
        "{count: {event: X, where: {p: {lt: %s}}, within: 1h, gte: 1}}",
    ],
)
def test_a_number_is_finite(when: str, number: str) -> None:
    problems = told(one(when % number))
    assert problems
    assert all(problem.startswith("f.yaml:4: ") for problem in problems)


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


@pytest.mark.parametrize(
    ("steps", "within", "problem"),
    [
        ("[{not: X}, Y]", "1h", "the first step is an event with no within: nothing comes before it"),
        ("[{event: X, within: 1m}, Y]", "1h", "the first step is an event with no within: nothing comes before it"),
        ("[X, {not: Y}]", "1h", "the last step is a not, and needs within: for how long it must not come"),
        ("[X, {not: Y, within: 1m}, Z]", "1h", "only the last step may be a not with within"),
        ("[X, {not: Y}, {not: Z, within: 1m}]", "1h", "the last two steps are nots"),
        ("[X, {not: Y, within: 1h}]", "1h", "within of the last step must be shorter than that of the sequence"),
        ("[A, B, C, D, E, F, G, H, I]", "1h", "a sequence has at most 8 events"),
        ("[X, {not: Y, where: {a: 1}, within: 1m}]", "1h", "where goes inside not"),
        ("[X, {event: Y, not: Z}]", "1h", "a step has an event, or not: what must not come; exactly one of the two"),
        ("[X, {within: 1m}]", "1h", "a step has an event, or not: what must not come; exactly one of the two"),
        ("[X]", "1h", "List should have at least 2 items after validation"),
    ],
)
def test_steps_that_make_no_sense_are_explained(steps: str, within: str, problem: str) -> None:
    (found,) = told(one(f"{{sequence: {{steps: {steps}, within: {within}}}}}"))
    assert found.startswith("f.yaml:4: segments[0].when.sequence")
    assert problem in found


@pytest.mark.parametrize(
    ("step", "fits"),
    [
        ("Y", True),
        (["Y", "Z"], True),
        ({"event": "Y", "within": "10m"}, True),
        ({"not": "Y", "within": "10m"}, True),
        ({"not": {"event": ["Y"], "where": {"a": 1}}, "within": "10m"}, True),
        ({"within": "10m"}, False),
        ({"not": "Y", "event": "Z"}, False),
    ],
)
def test_the_schema_knows_steps(step: object, fits: bool) -> None:
    when = {"sequence": {"steps": ["X", step], "within": "this_week"}}
    assert Draft202012Validator(definitions_schema()).is_valid({"segments": [{"name": "a", "when": when}]}) is fits
