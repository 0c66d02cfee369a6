"""Models in the worker: released, scoring, failing, taken out of force by themselves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from segments.audit import ModelFailed
from segments.changes import decode_change
from segments.control import Release, decode_control, encode_control
from segments.history import first_release
from segments.models.health import BY_ITSELF, decode_scores
from segments.population.rounds import LEAD
from tests.scoring.onnx_made import identity, square_root, version_of
from tests.udfs.fakes import Worker
from tests.udfs.test_segment_function import HOUR, T, options
from tests.udfs.wire import Output, Raw
from udfs.frames import Target
from udfs.function_options import FunctionOptions

MINUTE = 60_000
DEFINITIONS = "segments: [{name: leaving, when: {model: {name: churn_risk, gte: 0.5}}}]"


def order(user: int, time: int, total: float) -> Raw:
    event = {"type": "track", "event": "Order Completed", "userId": f"u{user}", "timestamp": time}
    return Raw(json.dumps({**event, "properties": {"total": total}}).encode(), time)


def told(folder: Path, *releases: Release) -> FunctionOptions:
    records = [encode_control(each) for each in (first_release(DEFINITIONS), *releases)]
    return replace(options(DEFINITIONS), told=tuple(records), bounds_lead=LEAD, model_folder=str(folder / "kept"))


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    """A worker whose users are scored by version 1, which says how much their orders sum up to."""
    made = Worker(told(tmp_path, Release(2, 1, DEFINITIONS, models=(version_of(identity(), tmp_path),))))
    yield made
    made.close()


def second(folder: Path, at: int, onnx: bytes | None = None) -> Release:
    """Version 2, which has no score where orders sum up to less than nothing."""
    return Release(3, at, DEFINITIONS, models=(version_of(onnx or square_root(), folder, 2),))


def changes(outputs: list[Output]) -> list[tuple[str, str, float | None, str | None]]:
    made = [decode_change(each.value or b"") for each in outputs if each.target == Target.CHANGES]
    return [(each.user_id, each.action, each.score, each.model_version) for each in made]


def of(target: Target, outputs: list[Output]) -> list[Output]:
    return [each for each in outputs if each.target == target]


def report_of(version: int, outputs: list[Output]) -> bytes:
    """What the worker tells of a version, on the internal topic."""
    told = [each.value or b"" for each in of(Target.INTERNAL, outputs)]
    return next(each for each in told if decode_scores(each).version == version)


def test_a_released_version_scores_and_its_changes_say_so(worker: Worker, tmp_path: Path) -> None:
    worker.events(order(1, T, 0.6), order(2, T, 0.4))
    assert changes(worker.tick(T + MINUTE)) == [("u1", "entered", 0.6, "churn_risk:1")]
    assert worker.counts["model.churn_risk.version.1.scores"] >= 2
    worker.tell(encode_control(second(tmp_path, T + 2 * MINUTE)))
    assert changes(worker.tick(T + 5 * MINUTE)) == [("u2", "entered", 0.632456, "churn_risk:2")]


def test_one_that_can_never_be_used_is_refused_and_the_one_before_goes_on(worker: Worker, tmp_path: Path) -> None:
    (refused,) = of(Target.DEAD_LETTERS, worker.tell(encode_control(second(tmp_path, T, b"no model"))))
    assert refused.headers["reason"] == b"not_usable"
    assert b"churn_risk:2 cannot be used: no ONNX model" in refused.headers["detail"]
    assert [each.number for each in worker.refused] == [3]
    worker.events(order(1, T, 0.6))
    assert changes(worker.tick(T + MINUTE)) == [("u1", "entered", 0.6, "churn_risk:1")]


def test_one_that_is_away_fails_the_task(worker: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scoring.fetching._PAUSES_S", ())
    record = second(tmp_path, T)
    Path(record.models[0].url).unlink()
    with pytest.raises(OSError, match=r"churn_risk:2 at .* cannot be read"):
        worker.tell(encode_control(record))
    assert worker.refused == []


def test_one_that_fails_too_often_is_taken_out_of_force_and_users_keep_their_scores(
    worker: Worker, tmp_path: Path
) -> None:
    worker.events(*(order(user, T, 0.6) for user in range(40)))
    assert len(changes(worker.tick(T + MINUTE))) == 40
    worker.tell(encode_control(second(tmp_path, T + 2 * MINUTE)))
    worker.events(*(order(user, T + MINUTE, -5.0 - user) for user in range(30)))  # scored by version 1: they leave
    made = worker.tick(T + 10 * MINUTE)
    assert {each.headers["reason"] for each in of(Target.DEAD_LETTERS, made)} == {b"failed_model"}
    assert {each.headers["definition"] for each in of(Target.DEAD_LETTERS, made)} == {b"churn_risk:2"}
    assert worker.counts["model.churn_risk.version.2.score_failures"] == 30
    report = report_of(2, made)
    (written,) = of(Target.CONTROL, worker.tell(report))
    assert worker.tell(report) == [], "once"
    back = decode_control(written.value or b"")
    assert isinstance(back, Release)
    assert (back.number, back.action, back.by) == (4, "rollback", BY_ITSELF)
    assert [each.version for each in back.models] == [1]
    assert back.effective_at == T + 10 * MINUTE + LEAD
    (said,) = worker.failed
    assert (said.release, said.name, said.version, said.failures) == (4, "churn_risk", 2, 30)
    assert "no finite number" in said.detail
    worker.tell(written.value or b"")
    worker.events(order(99, T + 11 * MINUTE, 0.7))
    assert ("u99", "entered", 0.7, "churn_risk:1") in changes(worker.tick(T + 13 * MINUTE))
    assert isinstance(said, ModelFailed)


def test_a_failure_ahead_of_the_watermark_is_reported_as_of_its_own_instant(worker: Worker, tmp_path: Path) -> None:
    worker.tell(encode_control(second(tmp_path, T)))
    worker.tick(T + MINUTE)
    worker.events(*(order(user, T + 2 * MINUTE, -5.0 - user) for user in range(30)))
    report = decode_scores(report_of(2, worker.events(order(99, T + 2 * MINUTE + 29_000, 0.7))))
    assert report.failures == 30
    assert report.watermark >= T + 2 * MINUTE + 30_000


def test_somebody_else_may_have_had_the_number(worker: Worker, tmp_path: Path) -> None:
    worker.tell(encode_control(second(tmp_path, T)))
    worker.events(*(order(user, T + 1, -5.0 - user) for user in range(30)))
    report = report_of(2, worker.tick(T + 10 * MINUTE))
    assert of(Target.CONTROL, worker.tell(report))
    worker.tell(encode_control(replace_number(second(tmp_path, T + HOUR), 4)))
    (written,) = of(Target.CONTROL, worker.tell(report))
    back = decode_control(written.value or b"")
    assert isinstance(back, Release)
    assert (back.number, [each.version for each in back.models]) == (5, [1])


def replace_number(release: Release, number: int) -> Release:
    return Release(number, release.effective_at, release.definitions, models=release.models)


def test_a_restart_knows_what_scored_without_the_registry(worker: Worker, tmp_path: Path) -> None:
    worker.tell(encode_control(second(tmp_path, T)))
    worker.events(order(1, T, 0.6))
    worker.tick(T + 5 * MINUTE)
    state = worker.checkpoint()
    for each in tmp_path.glob("churn_risk-*.onnx"):
        each.unlink()
    again = Worker(told(tmp_path), state)
    again.events(order(1, T + 6 * MINUTE, -0.5))
    assert changes(again.tick(T + 7 * MINUTE)) == [("u1", "exited", 0.316228, "churn_risk:2")]
    again.close()
