"""A job that comes back is what it was: its own settings, the file's logins, the definitions released last."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from jobs.cli import move_inputs
from jobs.cli.errors import BadInput
from jobs.cli.move_inputs import as_it_runs, tell
from jobs.compatibility import Finding
from jobs.facts import facts_of
from jobs.settings import Settings, load_settings
from tests.conftest import ROOT

SEEN = "segments: [{name: seen, when: {recency: {event: any, within: 1h}}}]\n"


@pytest.mark.parametrize("released", [None, SEEN])
def test_the_settings_of_a_running_job_win_over_a_changed_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, released: str | None
) -> None:
    monkeypatch.setattr(move_inputs, "_definitions_in_force", lambda _: released)
    monkeypatch.setenv("SEGMENTS__FLINK__SHARDS", "7")
    ran = Settings.model_validate({"kafka": {"group_id": "ran"}, "flink": {"shards": 32, "state_backend": "hashmap"}})
    (tmp_path / "segments.yaml").write_text((ROOT / "conf/segments.yaml").read_text())
    file = tmp_path / "job.yaml"
    changed = {"kafka": {"group_id": "changed", "new_key": 1}, "redis": {"url": "redis://:secret@h:1/0"}}
    file.write_text(yaml.safe_dump(changed))
    started = as_it_runs(facts_of(ran), file, {"SEGMENTS__KAFKA__BOOTSTRAP_SERVERS": "k:1"}, tmp_path, parallelism=3)
    loaded = load_settings(Path(started.arguments[-1]), {**os.environ, **started.environment})
    assert (loaded.kafka.group_id, loaded.flink.shards, loaded.flink.parallelism) == ("ran", 32, 3)
    assert (loaded.flink.state_backend, loaded.redis.url.get_secret_value()) == ("hashmap", "redis://:secret@h:1/0")
    assert loaded.definitions.path == tmp_path / ("segments.yaml" if released is None else "in-force.yaml")
    assert (tmp_path / "running.yaml").stat().st_mode & 0o777 == 0o600


def test_all_that_blocks_is_told_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(BadInput, match="nothing was changed:\none\ntwo"):
        tell([Finding(blocks=True, text="one"), Finding(blocks=False, text="known"), Finding(blocks=True, text="two")])
    assert capsys.readouterr().out == "  note: known\n"
