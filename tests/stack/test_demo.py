import json
import subprocess
import sys
import urllib.request

import pytest

from jobs.stack.flink_rest import FINAL_STATES
from jobs.stack.stack import Stack
from tests.conftest import ROOT
from tests.stack.commands import ended

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]


def test_a_short_demo_reconciles_and_leaves_no_job(stack: Stack) -> None:
    command = [sys.executable, "-c", "from jobs.cli import app; app()", "demo", "--attach", stack.run]
    options = ["--seconds", "10", "--users", "200", "--rate", "1000"]
    done = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True, check=False)
    whole = ended(done)
    *lines, summary, last = done.stdout.splitlines()
    assert last == "reconciled: job = replay = redis", whole
    assert "events" in summary, whole
    assert "dead letters" in summary, whole
    assert any(" entered " in line or " left " in line for line in lines), whole
    with urllib.request.urlopen(f"{stack.rest_url}/jobs", timeout=10) as response:  # noqa: S310 - our own JobManager
        jobs = json.load(response)["jobs"]
    assert jobs
    assert {job["status"] for job in jobs} <= FINAL_STATES
