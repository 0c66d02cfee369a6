"""The schedule: what is due when, what alarms lead to, and what a failure, a crash or a second process does."""

from functools import partial
from pathlib import Path

import orjson
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
FAILURES, MINUTES = Task("failures", "models"), 60_000


def test_what_was_never_done_is_due_and_tables_never_are() -> None:
    assert due(MODELS, {}, DAY) == [DRIFT_A, DRIFT_B, FAILURES, TRAIN_A]
    assert next_due(MODELS, {}) == 0
    assert due(parse_models("models: [{name: t, table: {numbers: [x]}, cluster: {}}]"), {}, DAY) == []


def test_each_task_is_due_after_its_own_time() -> None:
    done = {task.key: Done(DAY, True, "") for task in (DRIFT_A, TRAIN_A, DRIFT_B)}
    done[FAILURES.key] = Done(8 * DAY - 5 * MINUTES, True, "")
    assert due(MODELS, done, 2 * DAY - 1) == []
    assert due(MODELS, done, 2 * DAY) == [DRIFT_A]
    assert due(MODELS, done, 3 * DAY) == [DRIFT_A, DRIFT_B]
    assert due(MODELS, done, 8 * DAY) == [DRIFT_A, DRIFT_B, FAILURES, TRAIN_A]
    assert next_due(MODELS, done) == 2 * DAY


class Shop:
    """A schedule over a folder with work that does what it is told."""

    def __init__(self, folder: Path) -> None:
        self.file, self.metrics = LedgerFile(folder / "state.json"), folder / "models.prom"
        self.now, self.done, self.alerts = DAY, list[str](), list[str]()
        self.drift, self.retrain = Outcome("steady"), Outcome("version 2 registered")
        self.fails: set[str] = set()
        self.failures = Outcome("none")
        self.reaches = True  # those who are told

    def alert(self, text: str) -> bool:
        self.alerts.append(text)
        return self.reaches

    def work(self, kind: str, model: str) -> Outcome:
        task = f"{kind} {model}"
        self.done.append(task)
        if task in self.fails:
            raise RuntimeError("no disk")
        known = {"drift a": self.drift, "retrain a": self.retrain, "failures models": self.failures}
        return known.get(task, Outcome("steady"))

    def run(self) -> tuple[bool, list[str]]:
        """Do what is due now as a process of its own would; return whether all was fine, and what was done."""
        self.done.clear()
        kinds: tuple[Kind, ...] = ("drift", "failures", "retrain")
        work: dict[Kind, Work] = {kind: partial(self.work, kind) for kind in kinds}
        planned = Schedule(MODELS, self.file, work, self.alert, lambda: self.now, self.metrics)
        return planned.run_due(self.now, lambda _: None), list(self.done)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_what_was_done_is_not_done_again_by_the_next_process(shop: Shop) -> None:
    assert shop.run() == (True, ["drift a", "drift b", "failures models", "retrain a"])
    assert shop.run() == (True, [])
    shop.now += DAY
    assert shop.run() == (True, ["drift a", "failures models"])


def test_an_alarm_is_told_and_trains_at_once(shop: Shop) -> None:
    shop.run()
    shop.now += DAY
    shop.drift = Outcome(
        "moved", ("a 1: pages has moved",), train=True, figures=(("segments_model_rows", 'm="a"', 9.0),)
    )
    assert shop.run() == (False, ["drift a", "failures models", "retrain a"])
    assert shop.alerts == ["a 1: pages has moved"]
    assert shop.run() == (True, [])
    told = shop.metrics.read_text()
    assert 'segments_model_rows{m="a"} 9.0' in told
    assert 'segments_schedule_success{task="retrain",model="a"} 1.0' in told


def test_a_failure_is_told_stops_nothing_and_is_tried_again_in_an_hour(shop: Shop) -> None:
    shop.fails = {"drift a"}
    assert shop.run() == (False, ["drift a", "drift b", "failures models", "retrain a"])
    assert shop.alerts == ["drift of a failed: no disk"]
    assert 'segments_schedule_success{task="drift",model="a"} 0.0' in shop.metrics.read_text()
    shop.now += HOUR - 1
    assert shop.run() == (True, ["failures models"])
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
    done = {task.key: Done(DAY, True, "") for task in (churn, DRIFT_A, TRAIN_A, DRIFT_B)}
    assert next_due(asked, {**done, FAILURES.key: Done(9 * DAY, True, "")}) == 30 * HOUR


def test_a_disk_that_is_full_is_told_and_ends_nothing(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    shop.metrics = tmp_path / "file" / "models.prom"
    assert shop.run() == (False, ["drift a", "drift b", "failures models", "retrain a"])
    assert len(shop.alerts) == 4
    assert shop.alerts[0].startswith("the metrics could not be written: ")
    shop.alerts.clear()
    steady: dict[Kind, Work] = {"drift": lambda _: Outcome("steady")}
    planned = Schedule(MODELS, LedgerFile(tmp_path / "gone/state.json"), steady, shop.alert, lambda: 0)
    (tmp_path / "gone").write_text("")  # no folder
    assert not planned._run(DRIFT_A, lambda _: None)
    assert [each.partition(":")[0] for each in shop.alerts] == [
        "the state could not be written, and what was done is due again after a restart"
    ]
    assert planned.ledger["drift a"].fine


def test_an_event_is_told_once_whoever_runs_the_schedule(shop: Shop) -> None:
    first, second = ("a:1 7 5", "a 1: taken out of force"), ("a:2 9 6", "a 2: taken out of force")
    shop.failures = Outcome("1", events=(first,))
    assert not shop.run()[0]
    assert shop.alerts == [first[1]]
    shop.now += 5 * MINUTES
    assert shop.run() == (True, ["failures models"]), "each run is a process of its own"
    shop.failures = Outcome("no job is known")
    shop.now += 5 * MINUTES
    shop.run()
    shop.failures = Outcome("2", events=(first, second))
    shop.now += 5 * MINUTES
    assert shop.run() == (False, ["failures models"])
    assert shop.alerts == [first[1], second[1]]


def test_an_event_that_could_not_be_passed_on_is_told_again(shop: Shop) -> None:
    shop.failures, shop.reaches = Outcome("1", events=(("a:1 7 5", "a 1: taken out of force"),)), False
    shop.run()
    shop.reaches = True
    for _ in range(3):
        shop.now += 5 * MINUTES
        shop.run()
    assert shop.alerts == ["a 1: taken out of force"] * 2


def test_a_crash_between_telling_and_writing_it_down_tells_again(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.failures = Outcome("1", events=(("a:1 7 5", "a 1: taken out of force"),))

    def crash() -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(LedgerFile, "write", lambda *_: crash() if shop.alerts else None)
        with pytest.raises(KeyboardInterrupt):
            shop.run()
    shop.run()
    assert shop.alerts == ["a 1: taken out of force"] * 2


def test_a_state_of_a_version_that_knew_no_events_is_read(shop: Shop, tmp_path: Path) -> None:
    old = {"at": DAY, "fine": True, "said": "steady", "wanted": False, "figures": []}
    (tmp_path / "state.json").write_bytes(orjson.dumps({"drift a": old}))
    assert shop.file.read() == {"drift a": Done(DAY, True, "steady")}
