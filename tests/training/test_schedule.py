"""The schedule: what is due when, what alarms lead to, and what a failure, a crash or a second process does."""

from functools import partial
from pathlib import Path

import pytest

from jobs.scheduling import AlreadyRunning, LedgerFile, Outcome, Schedule, UnreadableState, Work
from segments.models.loader import parse_models
from segments.models.watching import Churn
from training.schedule import Done, Kind, Task, due, next_due

HOUR, DAY = 3_600_000, 86_400_000
MODELS = parse_models("""
feature_sets: {s: {features: [{name: pages, count: {event: any, within: 7d}}]}}
models:
  - {name: a, features: s, cluster: {}, drift: {every: 1d}, retrain: {every: 7d}}
  - {name: b, features: s, cluster: {}, drift: {every: 2d}}
  - {name: of_table, table: {numbers: [x]}, cluster: {}}
""")
DRIFT_A, TRAIN_A, DRIFT_B = Task("drift", "a"), Task("retrain", "a"), Task("drift", "b")


def test_what_was_never_done_is_due_and_tables_never_are() -> None:
    assert due(MODELS, {}, DAY) == [DRIFT_A, DRIFT_B, TRAIN_A]
    assert next_due(MODELS, {}) == 0


def test_each_task_is_due_after_its_own_time() -> None:
    done = {task.key: Done(DAY, True, "") for task in (DRIFT_A, TRAIN_A, DRIFT_B)}
    assert due(MODELS, done, 2 * DAY - 1) == []
    assert due(MODELS, done, 2 * DAY) == [DRIFT_A]
    assert due(MODELS, done, 3 * DAY) == [DRIFT_A, DRIFT_B]
    assert due(MODELS, done, 8 * DAY) == [DRIFT_A, DRIFT_B, TRAIN_A]
    assert next_due(MODELS, done) == 2 * DAY


class Shop:
    """A schedule over a folder with work that does what it is told."""

    def __init__(self, folder: Path) -> None:
        self.file, self.metrics = LedgerFile(folder / "state.json"), folder / "models.prom"
        self.now, self.done, self.alerts = DAY, list[str](), list[str]()
        self.drift, self.retrain = Outcome("steady"), Outcome("version 2 registered")
        self.fails: set[str] = set()

    def work(self, kind: str, model: str) -> Outcome:
        task = f"{kind} {model}"
        self.done.append(task)
        if task in self.fails:
            raise RuntimeError("no disk")
        return {"drift a": self.drift, "retrain a": self.retrain}.get(task, Outcome("steady"))

    def run(self) -> tuple[bool, list[str]]:
        """Do what is due now as a process of its own would; return whether all was fine, and what was done."""
        self.done.clear()
        work: dict[Kind, Work] = {"drift": partial(self.work, "drift"), "retrain": partial(self.work, "retrain")}
        planned = Schedule(MODELS, self.file, work, self.alerts.append, lambda: self.now, self.metrics)
        return planned.run_due(self.now, lambda _: None), list(self.done)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_what_was_done_is_not_done_again_by_the_next_process(shop: Shop) -> None:
    assert shop.run() == (True, ["drift a", "drift b", "retrain a"])
    assert shop.run() == (True, [])
    shop.now += DAY
    assert shop.run() == (True, ["drift a"])


def test_an_alarm_is_told_and_trains_at_once(shop: Shop) -> None:
    shop.run()
    shop.now += DAY
    shop.drift = Outcome(
        "moved", ("a 1: pages has moved",), train=True, figures=(("segments_model_rows", 'm="a"', 9.0),)
    )
    assert shop.run() == (False, ["drift a", "retrain a"])
    assert shop.alerts == ["a 1: pages has moved"]
    assert shop.run() == (True, [])
    told = shop.metrics.read_text()
    assert 'segments_model_rows{m="a"} 9.0' in told
    assert 'segments_schedule_success{task="retrain",model="a"} 1.0' in told


def test_a_failure_is_told_stops_nothing_and_is_tried_again_in_an_hour(shop: Shop) -> None:
    shop.fails = {"drift a"}
    assert shop.run() == (False, ["drift a", "drift b", "retrain a"])
    assert shop.alerts == ["drift of a failed: no disk"]
    assert 'segments_schedule_success{task="drift",model="a"} 0.0' in shop.metrics.read_text()
    shop.now += HOUR - 1
    assert shop.run() == (True, [])
    shop.now += 1
    assert shop.run() == (False, ["drift a"])


def test_a_second_process_is_kept_out_until_the_first_has_gone(shop: Shop) -> None:
    with shop.file.held(), pytest.raises(AlreadyRunning, match="another schedule works on"), shop.file.held():
        pass
    with shop.file.held():
        pass


def test_a_state_that_is_none_says_what_to_do(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text('{"drift a": {"at": 1}}')
    with pytest.raises(UnreadableState, match="remove it, and all is due again"):
        shop.run()


def test_churn_is_a_task_of_its_own_where_it_is_asked_for() -> None:
    asked = MODELS.model_copy(update={"churn": Churn.model_validate({"every": "6h"})})
    churn = Task("churn", "segments")
    assert due(asked, {}, DAY)[0] == churn
    assert next_due(asked, {task.key: Done(DAY, True, "") for task in (churn, DRIFT_A, TRAIN_A, DRIFT_B)}) == 30 * HOUR


def test_a_disk_that_is_full_is_told_and_ends_nothing(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    shop.metrics = tmp_path / "file" / "models.prom"
    assert shop.run() == (False, ["drift a", "drift b", "retrain a"])
    assert len(shop.alerts) == 3
    assert shop.alerts[0].startswith("the metrics could not be written: ")
    shop.alerts.clear()
    steady: dict[Kind, Work] = {"drift": lambda _: Outcome("steady")}
    planned = Schedule(MODELS, LedgerFile(tmp_path / "gone/state.json"), steady, shop.alerts.append, lambda: 0)
    (tmp_path / "gone").write_text("")  # no folder
    assert not planned._run(DRIFT_A, lambda _: None)
    assert [each.partition(":")[0] for each in shop.alerts] == [
        "the state could not be written, and what was done is due again after a restart"
    ]
    assert planned.ledger["drift a"].fine
