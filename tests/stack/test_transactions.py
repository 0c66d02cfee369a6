"""A transaction that would be longer than the broker allows is refused before anything starts."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.settings import KafkaSettings
from jobs.stack.stack import Stack
from jobs.transactions import check_broker
from tests.conftest import ROOT
from tests.stack.commands import ended

pytestmark = pytest.mark.stack


def test_the_brokers_maximum_is_asked_for(stack: Stack, tmp_path: Path) -> None:
    kafka = {"bootstrap_servers": stack.bootstrap_servers, "delivery": "exactly_once", "transaction_timeout": "15m"}
    check_broker(KafkaSettings.model_validate(kafka))
    (tmp_path / "segments.yaml").write_text("segments: [{name: seen, when: {recency: {event: any, within: 1h}}}]")
    (tmp_path / "job.yaml").write_text(json.dumps({"kafka": kafka | {"transaction_timeout": "16m"}}))
    command = [sys.executable, str(ROOT / "jobs" / "segmentation.py"), "--settings", str(tmp_path / "job.yaml")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    most = "takes at most 900s: lower it to that, or raise the broker's transaction.max.timeout.ms"
    ended(done, "kafka.transaction_timeout is 960s, and the broker at", most, code=2)
