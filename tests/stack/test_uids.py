"""The operators of the real graph have the uids by which savepoints of earlier versions find their state."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

import pytest

from jobs.facts import STATEFUL, STATELESS
from jobs.stack.flink_cluster import flink_environment, make_home, shipped_distribution
from jobs.stack.java import find_java_home
from jobs.stack.layout import Layout
from tests.conftest import ROOT
from tests.stack.commands import ended


def differences(uids: Collection[str | None]) -> list[str]:
    """Return what a savepoint would miss, in words."""
    pinned = {*STATEFUL, *STATELESS}
    lost = [
        f"'{uid}' is gone or renamed: {STATEFUL[uid]} would be lost at an upgrade. Keep the uid"
        for uid in sorted(STATEFUL.keys() - set(uids))
    ]
    lost += [f"'{uid}' is gone: take it out of jobs/facts.py" for uid in sorted(set(STATELESS) - set(uids))]
    new = [
        f"'{uid}' is new: name it in jobs/facts.py; if it has state, it starts empty" for uid in {*uids} - pinned if uid
    ]
    return lost + new + ["an operator has no uid: its state would be lost with the next change"] * (None in uids)


@pytest.mark.stack  # needs the bridge, not the servers
def test_no_operator_is_lost_renamed_or_new(tmp_path: Path) -> None:
    home = tmp_path / "flink"
    make_home(home, shipped_distribution(), Layout(ROOT).bridge_jars())
    (home / "conf" / "config.yaml").write_text("{}\n")
    done = subprocess.run(
        [sys.executable, "-m", "tests.stack.graph_nodes"],
        env={**os.environ, **flink_environment(home, find_java_home()), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    ended(done)
    assert differences([uid for uid, _ in json.loads(done.stdout.splitlines()[-1])]) == []


def test_the_words_say_what_is_wrong() -> None:
    uids: list[str | None] = [*STATEFUL, *STATELESS]
    assert differences(uids) == []
    assert differences([uid for uid in uids if uid != "segments"])[0].startswith(
        "'segments' is gone or renamed: the prof"
    )
    assert differences([*uids, "more"]) == ["'more' is new: name it in jobs/facts.py; if it has state, it starts empty"]
    assert "no uid" in differences([*uids, None])[0]
    assert differences([uid for uid in uids if uid != "unbatch-records"]) == [
        "'unbatch-records' is gone: take it out of jobs/facts.py"
    ]
