"""Every timeline of tests/cases gives, in the oracle and in the engine, the changes written down by hand."""

from collections import Counter

import pytest

from segments.control import ControlRecord, Release, Thresholds
from segments.definitions import parse_definitions
from segments.plan import Plan
from segments.replay import replay
from tests.oracle.cases import CASES, Case, load_cases
from tests.oracle.oracle import Change, changes
from tests.oracle.records import records

ALL_CASES = load_cases()
by_name = pytest.mark.parametrize("case", ALL_CASES, ids=lambda case: case.name)
KINDS = [
    "count",
    "sum",
    "avg",
    "min",
    "max",
    "distinct",
    "recency",
    "lifetime",
    "score",
    "session",
    "absence",
    "sequence",
    "trait",
    "context",
    "local_time",
    "calendar",
    "threshold",
    "all",
    "any",
    "not",
    "segment",
    "parent",
    "exit_when",
    "min_dwell",
    "confidence",
]


@by_name
def test_oracle_gives_the_changes_of_the_case(case: Case) -> None:
    assert changes(case.definitions, case.events, case.until, bounds=case.bounds) == case.expected


@by_name
def test_engine_gives_the_changes_of_the_case(case: Case) -> None:
    definitions = parse_definitions(case.definitions_text(), case.name)
    keys = Plan(definitions).thresholds
    bounds = [
        Thresholds(version, starts, dict.fromkeys(keys, bound), dict.fromkeys(keys, 1_000))
        for version, (starts, bound) in enumerate(case.bounds, 1)
    ]
    told: list[ControlRecord] = [Release(1, 0, case.definitions_text()), *bounds]
    made = replay(told, records(case.events), until=case.until)
    assert [Change(change.at, change.segment, change.action) for change in made] == case.expected


def test_every_kind_and_modifier_has_six_cases() -> None:
    counted = Counter(case.name.split("/")[0] for case in ALL_CASES)
    assert {path.stem for path in CASES.glob("*.yaml")} >= set(KINDS)
    assert {kind: counted[kind] for kind in KINDS if counted[kind] < 6} == {}
