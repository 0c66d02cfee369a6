"""What the schedule does: on which versions, against which champion, and on which events."""

import socket
import subprocess
from pathlib import Path
from typing import cast

import pytest

from jobs.cli import schedule_work
from jobs.cli.errors import Failed
from jobs.cli.watching import Read, taken_out_of
from jobs.models_in_force import InForce, models_in_force
from jobs.scheduling import Outcome
from jobs.settings import DefinitionsSettings, KafkaSettings, Settings
from segments.control import Release
from segments.definitions import parse_definitions
from segments.models.health import TakenOut
from segments.models.loader import parse_models
from segments.models.released import ModelVersion
from segments.models.watching import Churn
from tests.scoring.onnx_made import identity, publish
from training.contest import Contest
from training.exposition import exposition
from training.registry import Registry
from training.train import Trained

ASKED = parse_models("""
feature_sets: {s: {features: [{name: pages, count: {event: any, within: 7d}}]}}
models: [{name: a, features: s, cluster: {}, retrain: {release: shadow}}]
""")


def work_of(folder: Path, registry: Registry) -> schedule_work.Work:
    definitions = parse_definitions("segments: [{name: seen, when: {recency: {event: any, within: 1h}}}]")
    job = Settings(definitions=DefinitionsSettings(path=folder / "segments.yaml"))
    read = Read(folder / "events.ndjson", None, job, definitions)
    return schedule_work.Work(ASKED, registry, read, None, ("--registry", "here"))


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
    work = work_of(tmp_path, Registry(str(tmp_path)))
    outcome = work.released(ASKED.models[0], 3, "version 3 registered")
    assert (outcome.said, outcome.alarms) == (said, alarms)
    assert ran[0][:5] == ["release", "model", "a", "3", "--shadow"]
    assert ran[0][-2:] == ["--registry", "here"]


def version(name: str, number: int, *, challenger: bool = False) -> ModelVersion:
    return ModelVersion(name, number, "classify", {}, "", "", challenger=challenger)


def test_what_scores_in_the_job_is_watched_and_without_a_job_the_newest_of_the_registry() -> None:
    known = InForce((version("a", 3), version("a", 5, challenger=True), version("b", 2, challenger=True)))
    assert known.watched("a", [1, 2, 3, 4, 5, 6]) == [(3, "in force"), (5, "challenger")]
    assert known.watched("b", [1, 2]) == [(2, "challenger")]
    assert known.watched("c", [1, 7]) == [(7, "newest of the registry (none is in force in the job)")]
    assert known.watched("c", []) == []


def test_a_version_that_failed_in_the_job_is_no_measure_of_others() -> None:
    failed = frozenset({("a", 3), ("a", 4), ("b", 1)})
    none, some = InForce((), failed=failed), InForce((version("a", 2),), failed=failed)
    newest = "newest of the registry that never failed (none is in force in the job)"
    assert none.watched("a", [1, 2, 3, 4]) == [(2, newest)]
    assert none.champion("a", [1, 2, 3, 4]) == (2, newest)
    assert (none.watched("b", [1]), none.champion("b", [1])) == ([], None)
    assert some.champion("a", [1, 2, 5]) == (2, "in force")
    assert [some.role("a", each) for each in (1, 2, 3)] == ["", "in force", "failed"]
    tried = InForce((version("a", 5, challenger=True),))
    assert (tried.role("a", 5), tried.champion("a", [4, 5])) == (
        "challenger",
        (5, "newest of the registry (none is in force in the job)"),
    )


@pytest.mark.parametrize(
    ("scoring", "failed", "against"),
    [
        ((1,), (), (1, "in force")),
        ((), (3,), (2, "newest of the registry that never failed (none is in force in the job)")),
        ((), (1, 2, 3), None),
    ],
)
def test_a_new_model_is_compared_with_the_version_in_force(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    scoring: tuple[int, ...],
    failed: tuple[int, ...],
    against: tuple[int, str] | None,
) -> None:
    known = InForce(tuple(version("a", each) for each in scoring), failed=frozenset(("a", each) for each in failed))
    monkeypatch.setattr("jobs.models_in_force.models_in_force", lambda _: known)
    asked = list[tuple[int, str]]()

    def compared(_: Registry, champion: int, __: object, ___: str, role: str) -> Contest:
        asked.append((champion, role))
        return Contest(0.8, 0.9)

    monkeypatch.setattr("training.contest.contest", compared)
    registry = Registry(str(tmp_path / "registry"))
    for _ in range(3):
        publish(registry, "a", identity(), "")
    work = work_of(tmp_path, registry)
    found = work._contest(ASKED.models[0], cast("Trained", None), "hash")
    assert asked == ([] if against is None else [against])
    assert ("failed in the job" in found.text()) == (against is None)


def test_where_every_version_failed_there_is_none_to_watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = InForce((), failed=frozenset({("a", 1)}))
    monkeypatch.setattr("jobs.models_in_force.models_in_force", lambda _: known)
    registry = Registry(str(tmp_path / "registry"))
    assert work_of(tmp_path, registry).drift("a").said == "no version yet"
    publish(registry, "a", identity(), "")
    assert work_of(tmp_path, registry).drift("a").said == "every version failed in the job: there is none to watch"


def test_the_events_topics_are_read_once_a_round_and_not_for_churn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.models_in_force.models_in_force", lambda _: InForce(()))
    read = list[Read]()
    monkeypatch.setattr(schedule_work, "_write_events", lambda source, _: read.append(source))
    (tmp_path / "changes.ndjson").write_text("")
    work = work_of(tmp_path, Registry(str(tmp_path / "registry")))
    work._models, work._changes = ASKED.model_copy(update={"churn": Churn()}), tmp_path / "changes.ndjson"
    topics = Read(None, None, work._read.job, work._read.definitions)
    for rounds in (1, 2):
        with work.reading(topics):
            assert work.churn("segments").said == "0 segments, 0 alarms"
            assert len(read) == rounds - 1
            work.drift("a")
            work.drift("a")
        assert read == [topics] * rounds


def test_events_that_cannot_be_kept_fail_the_task_and_not_the_schedule(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = work_of(tmp_path, Registry(str(tmp_path / "registry")))
    topics = Read(None, None, work._read.job, work._read.definitions)

    class Away:
        def __init__(self, *_: object, **__: object) -> None:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("jobs.topics.TopicReader", Away)
    with work.reading(topics), pytest.raises(Failed, match=r"the events could not be read: .*No space left"):
        work.drift("a")


def test_a_kafka_that_does_not_answer_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    found = models_in_force(KafkaSettings(bootstrap_servers=f"127.0.0.1:{port}"))
    assert found.watched("a", [4]) == [
        (4, f"newest of the registry (no job is known: Kafka at 127.0.0.1:{port} does not answer)")
    ]


def test_what_the_job_took_out_of_force_is_an_event_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    back = Release(7, 0, "", released_at=1_795_344_390_250, note="a:4 failed for 42 of 310 scores: back to a:3")
    found = [TakenOut("a", 4, back, "the score is no finite number: nan")]
    monkeypatch.setattr("jobs.models_in_force.taken_out_by_the_job", lambda _: found)
    outcome = work_of(tmp_path, Registry(str(tmp_path))).failures("models")
    text = (
        "a 4: the job took it out of force by itself at 2026-11-22 10:46:30 (release 7): failed for 42 of 310 scores: "
        "back to a:3; the first failure: the score is no finite number: nan"
    )
    assert outcome.events == (("a:4 7 1795344390250", text),)
    assert (outcome.alarms, outcome.train) == ((), False)
    assert exposition(outcome.figures).endswith(
        'segments_model_taken_out_timestamp_seconds{model="a",version="4"} 1795344390.25\n'
    )
    assert [each.version for each in taken_out_of(KafkaSettings(), "a")] == [4]
    assert taken_out_of(KafkaSettings(), "b") == []


def test_where_no_job_answers_nothing_failed_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("jobs.models_in_force.answers", lambda _: False)
    said = work_of(tmp_path, Registry(str(tmp_path))).failures("models")
    assert (said.said, said.events) == ("no job is known: Kafka at localhost:9092 does not answer", ())
    assert taken_out_of(KafkaSettings(), "a") == []
    assert "whether the job took a version of a out of force is not known: no job" in capsys.readouterr().err


def test_an_alert_says_whether_it_was_passed_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    heard, deaf = tmp_path / "heard", tmp_path / "deaf"
    for program, code in ((heard, 0), (deaf, 1)):
        program.write_text(f'#!/bin/sh\necho "$1" >> {tmp_path}/said\nexit {code}\n')
        program.chmod(0o700)
    assert [schedule_work.Alerts(each)("a 4 failed") for each in (None, heard, deaf)] == [True, True, False]
    assert (tmp_path / "said").read_text() == "a 4 failed\n" * 2
    assert "ALERT could not be passed on" in capsys.readouterr().err


def test_an_old_champion_that_drifts_beside_a_challenger_that_does_not_asks_for_no_training() -> None:
    old, new = Outcome("3", ("a 3: moved",), train=True, figures=(("f", "3", 1.0),)), Outcome("5")
    assert schedule_work.together([old, new]) == Outcome("3; 5", ("a 3: moved",), False, (("f", "3", 1.0),))
    assert schedule_work.together([new, old]).train
