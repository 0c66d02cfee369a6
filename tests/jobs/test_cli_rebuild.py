"""What a rebuild refuses before it starts anything; the rebuild itself is in tests/stack."""

from importlib import import_module

import pytest

from jobs.cli.errors import BadInput
from jobs.facts import JobFacts, facts_of
from jobs.settings import Settings
from jobs.stack.flink_rest import FlinkRest, JobEntry

rebuild = import_module("jobs.cli.rebuild")  # jobs.cli has the command under this name


def test_a_job_that_still_runs_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def running(facts: JobFacts | None) -> None:
        monkeypatch.setattr(rebuild, "running_jobs", lambda _: [(JobEntry("a1", "flink-segments", "RUNNING"), facts)])

    rest, settings = FlinkRest("http://127.0.0.1:1"), Settings()
    for facts in (None, facts_of(settings)):
        running(facts)
        with pytest.raises(BadInput, match=r"job a1 .* still runs with kafka\.group_id segments: cancel it first"):
            rebuild._require_stopped(rest, settings)
    running(facts_of(Settings.model_validate({"kafka": {"group_id": "another"}})))
    rebuild._require_stopped(rest, settings)
