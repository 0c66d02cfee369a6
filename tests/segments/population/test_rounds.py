"""Rounds: reports of all shards make one bound; a missing worker, a restart or a report told twice does no harm."""

import json
import random

import numpy as np
import pytest

from segments.changes import Change
from segments.control import Thresholds, decode_control, encode_control
from segments.definitions import parse_definitions
from segments.engine import Engine
from segments.plan import Plan
from segments.population.rounds import LEAD, Coordinator, Report, decode_report, encode_report
from segments.population.summary import summarize
from segments.processor import Processor
from segments.profiles import Profiles, shard_of

T = 1_764_000_000_000
MINUTE, HOUR = 60_000, 3_600_000
SHARDS = 4
OPTIONS = "refresh: 10m, min_population: 10"
NUMBER = "of: {sum: {event: Order Completed, property: total, within: 1h}}"


def definitions(options: str = f"top: 20%, {OPTIONS}") -> str:
    return f"segments: [{{name: whale, when: {{threshold: {{{NUMBER}, {options}}}}}}}]"


def order(user: str, time: int, total: float) -> bytes:
    properties = {"total": total}
    event = {"type": "track", "event": "Order Completed", "userId": user, "timestamp": time, "properties": properties}
    return json.dumps(event).encode()


class Job:
    """Workers that each own some shards, one of them the coordinator, and the topics between them."""

    def __init__(self, *owned: list[int], text: str = "") -> None:
        self.text = text or definitions()
        self.owned = owned
        self.workers = [self.worker(shards) for shards in owned]
        self.coordinator = self.begin()
        self.records: list[Thresholds] = []

    def worker(self, shards: list[int]) -> Processor:
        profiles = Profiles(SHARDS)
        running = Processor(Engine(Plan(parse_definitions(self.text))), profiles)
        for shard in shards:
            profiles.load(shard, [])
        return running

    def begin(self) -> Coordinator:
        return Coordinator(SHARDS, self.workers[0].engine.plan.population)

    def send(self, *events: tuple[str, int, float]) -> list[Change]:
        changes: list[Change] = []
        for user, time, total in events:
            place = next(n for n, shards in enumerate(self.owned) if shard_of(user, SHARDS) in shards)
            changes += self.workers[place].process([order(user, time, total)], [None]).changes
        return changes

    def reports(self, watermark: int) -> list[Report]:
        """What each worker reports when time has come so far."""
        found = []
        for running, shards in zip(self.workers, self.owned, strict=True):
            running.advance(watermark)
            found += [decode_report(encode_report(each)) for each in running.population.reports(watermark, shards)]
        return found

    def take(self, reports: list[Report]) -> list[Thresholds]:
        """What the coordinator makes of reports; all workers are told."""
        found = [self.coordinator.take(each, self.workers[0].population.thresholds) for each in reports]
        made = [decode_control(encode_control(record)) for record in found if record is not None]
        for record in made:
            assert isinstance(record, Thresholds)
            self.records.append(record)
            for running in self.workers:
                running.accept(record)
        return self.records[len(self.records) - len(made) :]

    def advance(self, watermark: int) -> list[Change]:
        """The changes that all workers make up to a watermark."""
        changes: list[Change] = []
        for running in self.workers:
            while running.sweeping:
                changes += running.sweep(7).changes
            changes += running.advance(watermark).changes
        return changes

    def members(self) -> set[str]:
        """All users inside."""
        return {
            user
            for running in self.workers
            for user in running.profiles.users()
            if "whale" in running.engine.memberships(user, running.profiles.open(user)).segments
        }


def users(count: int = 100) -> list[str]:
    return [f"u{number:03}" for number in range(count)]


@pytest.fixture
def job() -> Job:
    job = Job([0, 2], [1, 3])
    job.reports(T)
    job.send(*((user, T + 1 + place, 1.0 + place) for place, user in enumerate(users())))
    return job


def test_all_workers_together_make_one_bound(job: Job) -> None:
    assert job.reports(T + 9 * MINUTE) == []
    reports = job.reports(T + 10 * MINUTE + 5)
    assert [(each.instant, each.watermark, each.shards) for each in reports] == [
        (T + 10 * MINUTE, T + 10 * MINUTE + 5, [0, 2]),
        (T + 10 * MINUTE, T + 10 * MINUTE + 5, [1, 3]),
    ]
    (record,) = job.take(reports)
    (key,) = record.bounds
    assert record == Thresholds(1, T + 10 * MINUTE + 5 + LEAD, {key: 81.0}, {key: 100})
    changes = job.advance(T + 20 * MINUTE - 1)
    assert {change.user_id for change in changes} == set(users()[80:]) == job.members()
    assert {(change.cause.kind, change.at) for change in changes} == {("threshold", record.effective_at)}
    assert {change.because[0].expected for change in changes} == {">= 81 (top 20 % of 100 users, version 1)"}
    assert job.reports(T + 20 * MINUTE - 1) == []


def test_a_shift_of_the_population_moves_members_within_one_interval(job: Job) -> None:
    job.take(job.reports(T + 10 * MINUTE))
    job.advance(T + 12 * MINUTE)
    assert job.members() == set(users()[80:])
    job.send(*((user, T + 13 * MINUTE, 500.0) for user in users()[:40]))  # nothing happens to the members
    job.take(job.reports(T + 20 * MINUTE))
    changes = job.advance(T + 20 * MINUTE + LEAD)
    assert job.members() == set(users()[20:40])
    left = [change for change in changes if change.user_id in users()[80:]]
    assert {(change.action, change.cause.kind) for change in left} == {("exited", "threshold")}
    assert len(left) == 20


def test_a_round_with_a_missing_worker_never_completes_and_the_next_one_does(job: Job) -> None:
    first, _ = job.reports(T + 10 * MINUTE)
    assert job.take([first]) == []
    second = job.reports(T + 20 * MINUTE)
    (record,) = job.take(second)
    assert record.effective_at == T + 20 * MINUTE + LEAD
    assert job.take([first]) == []  # what comes after its round is passed over


def test_a_restart_in_a_round_loses_no_more_than_that_round(job: Job) -> None:
    one, other = job.reports(T + 10 * MINUTE)
    job.take([one])
    job.coordinator = job.begin()
    assert job.take([other]) == []
    (record,) = job.take(job.reports(T + 20 * MINUTE))
    assert record.version == 1


def test_a_report_told_twice_counts_once(job: Job) -> None:
    one, other = job.reports(T + 10 * MINUTE)
    (record,) = job.take([one, one, other, other])
    assert list(record.population.values()) == [100]
    assert job.take([one, other]) == []


def test_after_a_restart_with_other_workers_old_reports_do_not_count_twice(job: Job) -> None:
    one, _ = job.reports(T + 10 * MINUTE)
    (key,) = job.workers[0].population.thresholds
    spec = job.workers[0].population.thresholds[key].spec
    whole = Report(key, one.instant, one.watermark, [0, 1, 2, 3], summarize(spec, np.arange(1.0, 101.0)))
    (record,) = job.take([one, whole])
    assert record.population == {key: 100}


def test_below_the_minimum_population_nobody_is_inside() -> None:
    job = Job([0, 1, 2, 3])
    job.reports(T)
    job.send(*((user, T + 1, 1.0 + place) for place, user in enumerate(users(10))))
    job.take(job.reports(T + 10 * MINUTE))
    job.advance(T + 15 * MINUTE)
    assert job.members() == {"u008", "u009"}
    job.send(("u000", T + 30 * MINUTE, 500.0))
    job.take(job.reports(T + 70 * MINUTE))  # by now nine of ten have no order in the window
    job.advance(T + 75 * MINUTE)
    assert job.members() == set()
    assert list(job.records[-1].bounds.values()) == [None]
    assert list(job.records[-1].population.values()) == [1]


def test_bounds_are_smoothed_from_version_to_version() -> None:
    job = Job([0, 1, 2, 3], text=definitions(f"mean_plus_sd: 0, smoothing: 0.75, {OPTIONS}"))
    job.reports(T)
    job.send(*((user, T + 1, 100.0) for user in users()))
    job.take(job.reports(T + 10 * MINUTE))
    job.advance(T + 11 * MINUTE)
    job.send(*((user, T + 15 * MINUTE, 100.0) for user in users()))
    job.take(job.reports(T + 20 * MINUTE))
    assert [next(iter(record.bounds.values())) for record in job.records] == [100.0, 125.0]


def test_no_round_while_users_wait(job: Job) -> None:
    job.take(job.reports(T + 10 * MINUTE))
    assert all(running.population.left for running in job.workers)
    assert job.reports(T + 20 * MINUTE) == []
    job.advance(T + 20 * MINUTE)
    assert len(job.reports(T + 20 * MINUTE)) == 2


def test_only_those_near_the_bound_are_looked_at(job: Job) -> None:
    job.take(job.reports(T + 10 * MINUTE))
    assert sum(running.population.left for running in job.workers) == 20
    job.advance(T + 19 * MINUTE)
    job.send(("u000", T + 19 * MINUTE, 81.5))
    job.take(job.reports(T + 20 * MINUTE))  # the bound goes from 81 to 82
    assert sum(running.population.left for running in job.workers) == 1


def test_profiles_that_are_loaded_go_on(job: Job) -> None:
    job.take(job.reports(T + 10 * MINUTE))
    job.advance(T + 15 * MINUTE)
    members = job.members()
    restored = Job([0, 1], [2, 3])
    for running, shards in zip(restored.workers, restored.owned, strict=True):
        for record in job.records:
            running.accept(record)
        for shard in shards:
            (owner,) = [old for old, owned in zip(job.workers, job.owned, strict=True) if shard in owned]
            running.profiles.load(shard, owner.profiles.all_of(shard))
    assert restored.members() == members
    assert restored.advance(T + 16 * MINUTE) == []
    restored.reports(T + 19 * MINUTE)
    restored.send(*((user, T + 19 * MINUTE, 500.0) for user in users()[:40]))
    restored.take(restored.reports(T + 20 * MINUTE))
    restored.advance(T + 20 * MINUTE + LEAD)
    assert restored.members() == set(users()[20:40])


def test_numbers_fall_with_time_alone() -> None:
    job = Job([0, 1, 2, 3])
    job.reports(T)
    rng = random.Random(5)
    orders = [(user, T + rng.randrange(HOUR), rng.randrange(1, 100)) for user in users(40) for _ in range(5)]
    job.send(*sorted(orders, key=lambda each: each[1]))
    for minutes in range(60, 130, 10):
        now = T + minutes * MINUTE
        for report in job.reports(now):
            sums = [sum(total for user, t, total in orders if user == name and t > now - HOUR) for name in users(40)]
            counted = [each for each in sums if each > 0]
            assert report.summary.count == len(counted)
            assert report.summary.mean == pytest.approx(np.mean(counted) if counted else 0)
