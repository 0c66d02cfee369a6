"""The parts of the fault harness that need no servers: what a verdict counts, schedules, and the fit through memory."""

import json
from random import Random

import pytest

from benchmarks.faults.acts import ACTS, schedule
from benchmarks.faults.load import LoadOptions
from benchmarks.faults.memory import Sample
from benchmarks.faults.observed import Observed
from benchmarks.faults.slope import slope_of
from benchmarks.faults.soak import figures
from benchmarks.faults.verdict import Verdict, compare


def change(seq: int, segment: str = "s", user: str = "u", at: int = 7) -> bytes:
    return json.dumps({"user_id": user, "segment": segment, "at": at, "seq": seq}).encode()


def judged(written: list[bytes], replayed: list[bytes], required: int | None = None) -> Verdict:
    observed, verdict = Observed(), Verdict()
    for value in written:
        observed.add(value)
    compare(verdict, observed, {"u": len(replayed) if required is None else required}, {"u": replayed})
    return verdict


def test_what_equals_the_replay_is_good() -> None:
    changes = [change(1), change(2)]
    assert judged(changes, changes).good


def test_a_missing_change_is_lost_and_shown() -> None:
    verdict = judged([change(1), change(3)], [change(1), change(2), change(3)])
    assert (verdict.lost, verdict.wrong, verdict.good) == (1, 0, False)
    assert "user u: lost: change 2" in str(verdict)


def test_a_change_that_the_replay_does_not_know_is_wrong() -> None:
    assert judged([change(1), change(2)], [change(1)]).wrong == 1
    assert judged([change(1, "other")], [change(1)]).wrong == 1


def test_what_is_not_due_for_sure_may_be_missing() -> None:
    assert judged([change(1)], [change(1), change(2)], required=1).good


def test_repetitions_gaps_and_contradictions_are_told_apart() -> None:
    observed = Observed()
    for value in (change(1), change(2), change(2), change(4), change(3), change(1, "other")):
        observed.add(value)
    assert (observed.changes, observed.repeated, observed.misplaced) == (4, 2, 2)
    assert any("written twice and differently" in each for each in observed.differences)


def test_what_memberships_follow_from_is_the_newest_change_of_each_segment() -> None:
    observed = Observed()
    for value in (change(1, "a"), change(2, "b"), change(3, "a")):
        observed.add(value)
    assert observed.kept() == {"u": [change(2, "b"), change(3, "a")]}


def test_a_seed_gives_the_same_faults_and_all_kinds_come() -> None:
    first = list(schedule(11, 2 * len(ACTS)))
    assert first == list(schedule(11, 2 * len(ACTS)))
    assert {name: first.count(name) for name in ACTS} == dict.fromkeys(ACTS, 2)
    assert any(list(schedule(seed, 6)) != first[:6] for seed in range(5))


@pytest.mark.parametrize("shop", [True, False])
def test_a_seed_gives_the_same_traffic(shop: bool) -> None:
    options = LoadOptions(users=50, events=500, seed=3, shop=shop)
    assert list(options.records()) == list(options.records())
    assert list(options.records()) != list(LoadOptions(users=50, events=500, seed=4, shop=shop).records())


def test_a_slope_is_found_under_noise_and_outliers() -> None:
    random = Random(5)
    hours = [number / 360 for number in range(270)]
    growing = [100 + 12 * hour + random.gauss(0, 1) for hour in hours]
    growing[40] += 500
    found = slope_of(hours, growing)
    assert found.value == pytest.approx(12, abs=1.5)
    assert not found.is_noise


def test_noise_is_no_slope() -> None:
    random = Random(6)
    level = 100.0
    values = []
    for _ in range(270):  # neighbours are alike, as in memory: such noise must not look like growth
        level = 100 + 0.9 * (level - 100) + random.gauss(0, 1)
        values.append(level)
    assert slope_of([number / 360 for number in range(270)], values).is_noise


def test_too_few_values_have_no_slope() -> None:
    with pytest.raises(ValueError, match="at least twelve"):
        slope_of([1.0], [1.0])


def test_a_soak_tells_the_steepest_slope_after_the_warm_up() -> None:
    hours = [number / 360 for number in range(361)]
    samples = [Sample(h, 900 + (300 * h if h < 0.2 else 60), 500 + 8 * h, 100, 50, 60, 1) for h in hours]
    numbers = figures(samples, Verdict(events=1))
    assert numbers["slope_mib_per_h"] == pytest.approx(8)
    assert numbers["jvm_mib_per_h"] == 0
    assert numbers["jvm_is"] == "noise"
    assert numbers["python_is"] == "a trend"
