"""What is refused before a job with transactions starts; the broker's own word is in tests/stack."""

import pytest

from jobs.cli import prefix
from jobs.cli.errors import BadInput
from jobs.facts import JobFacts, facts_of
from jobs.settings import KafkaSettings, Settings
from jobs.stack.flink_rest import FlinkRest, JobEntry
from jobs.transactions import check_broker


def exactly_once(**kafka: str) -> Settings:
    return Settings.model_validate({"kafka": {"delivery": "exactly_once", **kafka}})


def test_a_checkpoint_ends_before_its_transactions_time_out() -> None:
    assert Settings().checkpoint_timeout == 30 * 60_000
    settings = exactly_once(transaction_timeout="2m")
    assert settings.checkpoint_timeout == 55_000
    open_at_most = 2 * settings.flink.checkpoint_interval + settings.checkpoint_timeout
    assert open_at_most < settings.kafka.transaction_timeout
    assert exactly_once(transaction_timeout="3h").checkpoint_timeout == 30 * 60_000


def test_at_least_once_asks_no_broker() -> None:
    check_broker(KafkaSettings(bootstrap_servers="127.0.0.1:1"))


RUNNING = JobEntry("a1", "flink-segments", "RUNNING")


def test_a_prefix_that_a_running_job_has_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def running(of: Settings) -> None:
        found: list[tuple[JobEntry, JobFacts | None]] = [(RUNNING, None), (RUNNING, facts_of(of))]
        monkeypatch.setattr("jobs.cli.cluster.running_jobs", lambda _: found)

    rest = FlinkRest("http://127.0.0.1:1")
    running(exactly_once())
    with pytest.raises(BadInput, match=r"job a1 .* segments already, and two jobs of one prefix abort each other's"):
        prefix.check_prefix(rest, exactly_once())
    prefix.check_prefix(rest, exactly_once(transactional_id_prefix="other"))
    prefix.check_prefix(rest, exactly_once(bootstrap_servers="elsewhere:9092"))
    prefix.check_prefix(rest, Settings())
    running(Settings())
    prefix.check_prefix(rest, exactly_once())
