import itertools
import json
from collections.abc import Sequence

import pytest
from jsonschema import Draft202012Validator
from msgspec import json as msgspec_json

from segments.cost import check_budget, cost_schema, measure
from segments.cost.measure import Work
from segments.cost.metered import MeteredPlan
from segments.definitions import DefinitionErrors, load_definitions, parse_definitions
from segments.engine import Engine
from segments.processor import Processor
from segments.replay import Replay
from tests.conftest import ROOT

T0 = 1_795_341_600_000
TWO = """
segments:
  - name: some
    when: {count: {event: X, within: 1d, gte: 1}}
  - name: many
    when: {count: {event: X, within: 1d, gte: 3}}
  - name: other
    when: {all: [{lifetime: {of: count, event: Y, gte: 1}}, {segment: some}]}
"""


def event(user: str, name: str, number: int) -> bytes:
    return json.dumps({"type": "track", "event": name, "userId": user, "timestamp": T0 + number * 1_000}).encode()


EVENTS = [event(f"u{n % 4}", "X" if n % 4 else "Y", n) for n in range(40)]


def steady() -> float:
    """A clock on which everything takes a second."""
    return float(next(_ticks))


_ticks = itertools.count()


def test_parts_and_base_add_up_to_the_whole_profile() -> None:
    report = measure(parse_definitions(TWO), "f.yaml", EVENTS, EVENTS, steady)
    parts = sum(each.bytes_mean for each in report.segments)
    assert parts + report.base_bytes_mean == pytest.approx(report.profile_bytes_mean)
    assert report.base_bytes_mean > 0
    assert (report.events, report.users, report.timed_events) == (40, 4, 40)


def test_a_shared_feature_is_shared_out() -> None:
    some, many, other = measure(parse_definitions(TWO), "f.yaml", EVENTS, EVENTS, steady).segments
    assert (some.shared_with, many.shared_with, other.shared_with) == (["many"], ["some"], [])
    assert (some.updates_per_event, many.updates_per_event) == (30 / 40 / 2, 30 / 40 / 2)
    assert other.updates_per_event == 10 / 40
    assert some.bytes_mean < some.bytes_alone_mean <= some.bytes_alone_max <= some.bytes_bound
    assert other.bytes_mean == other.bytes_alone_mean


def test_asks_are_those_that_events_make() -> None:
    some, _, other = measure(parse_definitions(TWO), "f.yaml", EVENTS, EVENTS, steady).segments
    assert 0 < some.asks_per_event <= 2
    assert other.asks_per_event > 0


def test_counting_changes_nothing() -> None:
    definitions = load_definitions(ROOT / "conf" / "segments.yaml")
    metered = Replay(definitions)
    metered.processor = Processor(Engine(MeteredPlan(definitions)))
    events = [
        event(f"u{n % 3}", ("Product Viewed", "Product Added", "Order Completed")[n % 7 % 3], n * 700)
        for n in range(300)
    ]
    assert list(metered.run(events)) == list(Replay(definitions).run(events))


def test_work_is_shared_in_proportion_and_adds_up() -> None:
    work = Work(whole=20.0, empty=5.0, alone={"a": 10.0, "b": 20.0}, events=1)
    assert (work.fair("a"), work.fair("b")) == (5.0, 10.0)
    assert Work(20.0, 5.0, {"a": 0.0}, 1).fair("a") == 0.0


def test_each_segment_is_timed_beside_what_it_refers_to() -> None:
    runs: list[frozenset[str]] = []

    def show(items: Sequence[frozenset[str]]) -> list[frozenset[str]]:
        runs.extend(items)
        return list(runs)

    measure(parse_definitions(TWO), "f.yaml", EVENTS, EVENTS, steady, show)
    wanted = [set(), {"some", "many", "other"}, {"some"}, {"many"}, {"some", "other"}]
    assert {*runs} == {frozenset(each) for each in wanted}


def test_the_report_fits_its_schema() -> None:
    report = measure(parse_definitions(TWO), "f.yaml", EVENTS, EVENTS, steady)
    content = msgspec_json.decode(msgspec_json.encode(report))
    assert [error.message for error in Draft202012Validator(cost_schema()).iter_errors(content)] == []


def test_no_users_no_bytes() -> None:
    report = measure(parse_definitions(TWO), "f.yaml", [], [], steady)
    assert (report.users, [each.bytes_mean for each in report.segments]) == (0, [0, 0, 0])


def test_a_segment_over_the_budget_is_refused_with_line_and_reason() -> None:
    text = "budget: {bytes_per_user: 200}\n" + TWO
    check_budget(text)
    with pytest.raises(DefinitionErrors) as refused:
        check_budget(text.replace("gte: 3", "gte: 30"), "f.yaml")
    (problem,) = refused.value.problems
    assert (problem.line, problem.path) == (6, "many")
    assert problem.message.endswith("bytes a user, its budget is 200")
    assert "30 times of X" in (problem.hint or "")


def test_a_segments_own_budget_goes_before_the_files() -> None:
    text = "budget: {bytes_per_user: 20}\n" + TWO.replace("    when", "    budget: {bytes_per_user: 500}\n    when")
    check_budget(text)
