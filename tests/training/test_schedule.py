"""The schedule: what is due when, what alarms lead to, and what a failure, a crash or a second process does."""

import socket
import subprocess
from functools import partial
from pathlib import Path

import pytest

from jobs.cli import schedule_work
from jobs.cli.watching import Read
from jobs.models_in_force import InForce, models_in_force
from jobs.scheduling import AlreadyRunning, LedgerFile, Outcome, Schedule, UnreadableState, Work
from jobs.settings import DefinitionsSettings, KafkaSettings, Settings
from segments.definitions import parse_definitions
from segments.models.loader import parse_models
from segments.models.released import ModelVersion
from segments.models.watching import Churn
from training.registry import Registry
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


ASKED = parse_models("""
feature_sets: {s: {features: [{name: pages, count: {event: any, within: 7d}}]}}
models: [{name: a, features: s, cluster: {}, retrain: {release: shadow}}]
""")


@pytest.mark.parametrize(
    ("code", "said", "alarms"),
    [
        (0, "version 3 registered; released (shadow)", ()),
        (1, "version 3 registered; not released", ("a 3 could not be released: no Kafka",)),
    ],
)
def test_a_new_version_is_released_where_that_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, said: str, alarms: tuple[str, ...]
) -> None:
    ran = list[list[str]]()

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        ran.append(command[3:])
        return subprocess.CompletedProcess(command, code, "", "no Kafka\n")

    monkeypatch.setattr(subprocess, "run", run)
    definitions = parse_definitions("segments: [{name: seen, when: {recency: {event: any, within: 1h}}}]")
    job = Settings(definitions=DefinitionsSettings(path=tmp_path / "segments.yaml"))
    read = Read(tmp_path / "events.ndjson", None, job, definitions)
    work = schedule_work.Work(ASKED, Registry(str(tmp_path)), read, None, ("--registry", "here"))
    outcome = work.released(ASKED.models[0], 3, "version 3 registered")
    assert (outcome.said, outcome.alarms) == (said, alarms)
    assert ran[0][:5] == ["release", "model", "a", "3", "--shadow"]
    assert ran[0][-2:] == ["--registry", "here"]


def test_what_scores_in_the_job_is_watched_and_without_a_job_the_newest_of_the_registry() -> None:
    def version(name: str, number: int, *, challenger: bool = False) -> ModelVersion:
        return ModelVersion(name, number, "classify", {}, "", "", challenger=challenger)

    known = InForce((version("a", 3), version("a", 5, challenger=True), version("b", 2, challenger=True)))
    assert known.watched("a", [1, 2, 3, 4, 5, 6]) == [(3, "in force"), (5, "challenger")]
    assert known.watched("b", [1, 2]) == [(2, "challenger")]
    assert known.watched("c", [1, 7]) == [(7, "newest of the registry (none is in force in the job)")]
    assert known.watched("c", []) == []


def test_a_kafka_that_does_not_answer_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    found = models_in_force(KafkaSettings(bootstrap_servers=f"127.0.0.1:{port}"))
    assert found.watched("a", [4]) == [
        (4, f"newest of the registry (no job is known: Kafka at 127.0.0.1:{port} does not answer)")
    ]


def test_an_old_champion_that_drifts_beside_a_challenger_that_does_not_asks_for_no_training() -> None:
    old, new = Outcome("3", ("a 3: moved",), train=True, figures=(("f", "3", 1.0),)), Outcome("5")
    assert schedule_work.together([old, new]) == Outcome("3; 5", ("a 3: moved",), False, (("f", "3", 1.0),))
    assert schedule_work.together([new, old]).train
