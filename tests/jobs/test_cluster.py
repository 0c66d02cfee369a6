"""Which job a command is about: the one that runs, or words that say why there is none to choose."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from jobs.cli.cluster import find_cluster, the_job
from jobs.cli.errors import BadInput, Failed
from jobs.facts import facts_of, to_parameters
from jobs.settings import Settings
from jobs.stack.flink_rest import FlinkRest, JobEntry

OURS = to_parameters(facts_of(Settings()))


@dataclass
class Rest:
    """Flink's REST interface with some jobs; those in `ours` say what they are."""

    entries: list[JobEntry]
    ours: set[str] = field(default_factory=set)
    url: str = "http://jobmanager:8081"

    def jobs(self) -> list[JobEntry]:
        return self.entries

    def parameters(self, job: str) -> dict[str, str]:
        return OURS if job in self.ours else {"else": "where"}

    def root_exception(self, job: str) -> str:
        return f"x\nCaused by: disk full on {job}"

    def newest_checkpoint_path(self, _: str) -> str | None:
        return "file:/checkpoints/chk-9"


def found(entries: list[JobEntry], ours: set[str], wanted: str | None = None) -> str:
    job, _ = the_job(cast("FlinkRest", Rest(entries, ours)), wanted)
    return job.id


RUNNING = JobEntry("a1", "mine", "RUNNING")
ELSE = JobEntry("b2", "theirs", "RUNNING")
OLDER = JobEntry("c3", "flink-segments", "RUNNING")


def test_the_only_segments_job_is_found_among_others() -> None:
    ended = JobEntry("d4", "mine", "FINISHED")
    assert found([ELSE, RUNNING, ended], {"a1", "d4"}) == "a1"
    assert found([ELSE, OLDER], set()) == "c3"


@pytest.mark.parametrize("wanted", ["a1", "mine"])
def test_one_of_several_is_named(wanted: str) -> None:
    assert found([RUNNING, OLDER], {"a1"}, wanted) == "a1"
    with pytest.raises(BadInput, match=r"several segments jobs.*--job: a1 \(mine, RUNNING\); c3"):
        found([RUNNING, OLDER], {"a1"})


def test_no_job_says_what_there_is() -> None:
    with pytest.raises(BadInput, match=r"no segments job runs.*there: none.*segments resume SAVEPOINT"):
        found([ELSE], set())
    with pytest.raises(BadInput, match=r"no segments job 'x' runs.*there: a1 \(mine, RUNNING\)"):
        found([RUNNING], {"a1"}, "x")


def test_a_job_that_does_not_run_names_its_failure_and_its_checkpoint() -> None:
    with pytest.raises(Failed, match=r"is RESTARTING.*disk full on a1.*segments resume file:/checkpoints/chk-9"):
        found([JobEntry("a1", "mine", "RESTARTING")], {"a1"})


def test_a_flink_that_does_not_answer_is_named() -> None:
    with pytest.raises(Failed, match=r"127\.0\.0\.1:1 does not answer"):
        the_job(FlinkRest("http://127.0.0.1:1"), None)


def test_a_start_elsewhere_needs_both_addresses(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="--target needs --flink-home"):
        find_cluster("jobmanager:8081", None, "stack", starts=True)
    with pytest.raises(BadInput, match="--flink-home needs --target"):
        find_cluster(None, tmp_path, "stack", starts=True)
    with pytest.raises(BadInput, match=r"there is no .*bin/flink"):
        find_cluster("jobmanager:8081", tmp_path, "stack", starts=True)
    assert find_cluster("jobmanager:8081", None, "stack", starts=False).rest.url == "http://jobmanager:8081"
