"""What an installation and a job say of themselves."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from jobs.facts import FLINK, facts_of, from_parameters, to_parameters, variables
from jobs.settings import Settings, load_settings
from segments.version import VERSION


def test_one_version_everywhere() -> None:
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    bridge = re.search(r"<version>(.*?)</version>", Path("jobs/bridge/pom.xml").read_text(encoding="utf-8"))
    assert bridge is not None
    assert {project["version"], bridge[1]} == {VERSION}
    assert f"apache-flink=={FLINK}" in project["dependencies"]


def secret_settings() -> Settings:
    kafka = {
        "bootstrap_servers": "a:1,b:2",
        "events_topics": ["web", "app"],
        "group_id": "007",
        "user": "hidden-0",
        "password": "hidden-1",
        "client_properties": {"security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN", "client.id": "hidden-2"},
    }
    redis = {"url": "rediss://:hidden-3@h:1/0", "ttl": "90d", "tls_ca": "/hidden-4.pem"}
    return Settings.model_validate({"kafka": kafka, "redis": redis})


def test_no_secret_is_said() -> None:
    assert "hidden" not in str(to_parameters(facts_of(secret_settings())))


def test_what_a_job_says_sets_another_alike(tmp_path: Path) -> None:
    settings = secret_settings()
    (tmp_path / "job.yaml").write_text("{}")
    said = variables(facts_of(settings).settings)
    loaded = load_settings(tmp_path / "job.yaml", said)
    assert facts_of(loaded) == facts_of(settings)
    assert (loaded.kafka.group_id, loaded.redis.ttl) == ("007", 90 * 86_400_000)


@pytest.mark.parametrize("change", [{"segments.version": None}, {"segments.profile_format": "two"}])
def test_the_job_of_somebody_else_says_nothing(change: dict[str, Any]) -> None:
    said = to_parameters(facts_of(Settings())) | change
    assert from_parameters({key: text for key, text in said.items() if text is not None}) is None
