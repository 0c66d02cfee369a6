"""Rows at an instant: what came after it is not in them, what the label asks about is nothing else."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.cases import models_cdnow
from benchmarks.cases.models_features import compare, instants_of, timed_events
from benchmarks.simulator import simulate
from segments.definitions import load_definitions, parse_definitions
from segments.models.loader import load_models
from segments.models.model import Label, Rows
from segments.models.spec import FeatureSet
from training.rows import Asked, Sample, Timed, columns_of, rows_of_users, sample_of_users

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"
MODELS = load_models(ROOT / "conf" / "models.yaml")
SHIPPED = load_definitions(ROOT / "conf" / "segments.yaml")
PLAIN = parse_definitions("segments: [{name: seen, when: {recency: {event: any, within: 1h}}}]")
T, DAY = 1_764_000_000_000, 86_400_000
FEATURES = FeatureSet.model_validate(
    {
        "features": [
            {"name": "orders", "lifetime": {"of": "count", "event": "Order"}},
            {"name": "since", "recency": {"event": "any"}},
        ]
    }
)
BUYS = Label.model_validate({"within": "7d", "when": {"lifetime": {"of": "count", "event": "Order", "gte": 1}}})


def order(time: int, user: str = "u", **more: object) -> Timed:
    event = {"type": "track", "event": "Order", "userId": user, "timestamp": time, "messageId": f"m{time}", **more}
    return json.dumps(event).encode(), time


def rows_at(events: list[Timed], *instants: int, label: Label | None = BUYS, rows: Rows | None = None) -> list[object]:
    asked = Asked(PLAIN, FEATURES, T, T + 60 * DAY, rows or Rows(), label, instants=instants)
    return [(row.user_id, row.at - T, row.vector, row.label) for row in rows_of_users(asked, [events])]


def test_an_event_counts_from_its_own_instant_on() -> None:
    events = [order(T), order(T + DAY)]
    found = rows_at(events, T, T + DAY - 1, T + DAY, label=None)
    assert found == [
        ("u", 0, (1, 0.0), None),
        ("u", DAY - 1, (1, (DAY - 1) / DAY), None),
        ("u", DAY, (2, 0.0), None),
    ]


def test_what_comes_later_changes_no_features() -> None:
    past = [order(T), order(T + DAY)]
    future = [order(T + DAY + 1), order(T + 2 * DAY), order(T + 3 * DAY, properties={"total": 9})]
    assert rows_at(past, T + DAY, label=None) == rows_at([*past, *future], T + DAY, label=None)


@pytest.mark.parametrize(("after", "came"), [(0, False), (1, True), (7 * DAY, True), (7 * DAY + 1, False)])
def test_the_label_is_about_the_time_after_the_instant(after: int, came: bool) -> None:
    at = T + 10 * DAY
    assert [row[3] for row in rows_at([order(T), order(at + after)], at)] == [came]  # type: ignore[index]


def test_churn_is_that_nothing_comes() -> None:
    silent = Label.model_validate(
        {"within": "30d", "when": {"not": {"lifetime": {"of": "count", "event": "any", "gte": 1}}}}
    )
    found = rows_at([order(T), order(T + 40 * DAY)], T + DAY, T + 9 * DAY, T + 10 * DAY, label=silent)
    assert [row[3] for row in found] == [True, True, False]  # type: ignore[index]


def test_only_users_who_were_active_are_looked_at() -> None:
    rows = Rows.model_validate({"active_within": "2d"})
    found = rows_at([order(T)], T - 1, T, T + 2 * DAY - 1, T + 2 * DAY, label=None, rows=rows)
    assert [row[1] for row in found] == [0, 2 * DAY - 1]  # type: ignore[index]


def test_the_last_row_leaves_room_for_its_label() -> None:
    asked = Asked(PLAIN, FEATURES, T, T + 10 * DAY, Rows.model_validate({"every": "1d", "warm_up": "2d"}), BUYS)
    assert asked.grid() == (T + 2 * DAY, T + 3 * DAY)


def test_a_check_looks_at_the_newest_rows_and_at_those_whose_label_has_come() -> None:
    asked = Asked(PLAIN, FEATURES, T, T + 20 * DAY, Rows.model_validate({"every": "1d", "warm_up": "2d"}), BUYS)
    assert asked.watched(2 * DAY).grid() == tuple(T + day * DAY for day in (12, 13, 19, 20))
    assert asked.newest(3 * DAY).grid() == tuple(T + day * DAY for day in (11, 12, 13))
    assert asked.watched(30 * DAY).grid()[0] > T + 2 * DAY
    assert Asked(PLAIN, FEATURES, T, T + DAY, Rows(), BUYS).newest(3 * DAY).grid() == ()


def test_what_the_job_refuses_is_in_no_row() -> None:
    declared = parse_definitions(
        "properties: {total: number}\nsegments: [{name: a, when: {recency: {event: any, within: 1h}}}]"
    )
    events = [order(T), order(T + 1, properties={"total": "x"}), (b"{", T + 2), order(T)]
    asked = Asked(declared, FEATURES, T, T + DAY, instants=(T + DAY,))
    assert [row.vector[0] for row in rows_of_users(asked, [events])] == [1]


def test_two_users_of_one_checksum_stay_two() -> None:
    asked = Asked(PLAIN, FEATURES, T, T + DAY, instants=(T + DAY,))
    mixed = [order(T, "a"), order(T + 1, "b"), order(T + 2, "a")]
    assert [(row.user_id, row.vector[0]) for row in rows_of_users(asked, [mixed])] == [("a", 2), ("b", 1)]


def test_of_too_many_rows_the_same_are_drawn_however_they_come() -> None:
    users = [[order(T + place, f"user-{number}") for place in range(3)] for number in range(60)]
    instants = tuple(T + DAY * day for day in range(1, 6))
    asked = Asked(PLAIN, FEATURES, T, T + 9 * DAY, Rows(at_most=100), BUYS, instants=instants)
    at_once = sample_of_users(asked, users)
    parted = Sample(100)
    for part in (users[40:], users[:10], users[10:40]):
        parted.merge(sample_of_users(asked, reversed(part)))
    assert (len(at_once.rows()), at_once.seen, parted.seen) == (100, 300, 300)
    assert parted.rows() == at_once.rows()
    everything = {(row.user_id, row.at): row for row in rows_of_users(replace(asked, rows=Rows()), users)}
    assert [everything[row.user_id, row.at] for row in at_once.rows()] == at_once.rows()
    assert {row.at for row in at_once.rows()} == set(instants)


def test_columns_are_named() -> None:
    columns = columns_of(SHIPPED, MODELS.feature_sets["customer"])
    assert columns.categories == ("country",)
    assert columns.names == (*columns.numbers, "country")


def test_training_and_serving_see_the_same_in_the_traffic_of_a_shop(tmp_path: Path) -> None:
    file = tmp_path / "events.ndjson"
    file.write_bytes(b"".join(line + b"\n" for line in simulate(60, 1_500, 5, T)))
    events = timed_events(file, None)
    for features in ("shopper", "customer"):
        pairs, differing = compare(SHIPPED, MODELS.feature_sets[features], events, instants_of(events, 20, 3), 3)
        assert pairs > 500
        assert differing == []


@pytest.mark.skipif(not (DATA / "cdnow").is_dir(), reason="the CDNOW data is not here")
def test_rfm_is_that_of_the_published_summary() -> None:
    folder = DATA / "cdnow"
    summary = "cdnow_customers_summary.csv", "cdnow_customers_summary_with_transactions.csv"
    computed = models_cdnow.computed(folder / "CDNOW_sample.txt")
    assert len(computed) == 2_357
    assert computed == models_cdnow.published(*(folder / name for name in summary))
