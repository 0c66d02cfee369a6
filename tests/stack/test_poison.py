"""Garbage and a bug through the real job: every event is accounted for, and the job does not notice."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from benchmarks.simulator.mutated import STEP_MS, mutated
from jobs.stack.stack import Stack
from tests.conftest import ROOT
from tests.stack.support import pipeline, track

pytestmark = pytest.mark.stack

FUZZED, POISONED = 3_000, 20
T = 1_764_000_000_000
DEFINITIONS = """
version: 1
properties: {price: number}
segments:
  - name: seen
    when: {recency: {event: any, within: 365d}}
  - name: spender
    when: {lifetime: {of: sum, event: Poisonous, property: price, gte: 10}}
"""
BUG = """
from segments.features import base, totals

def to_micros(value):
    return 1 // 0 if value == 13 else base.to_micros(value)

totals.to_micros = to_micros
"""


def test_what_is_no_event_and_what_trips_a_bug_are_accounted_for(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "bug").mkdir()
    (tmp_path / "bug" / "sitecustomize.py").write_text(BUG)  # Python imports it when the worker starts
    settings = {"event_time": {"follow_wall_clock": False, "max_ahead": "4000d"}}
    with pipeline(stack, tmp_path, DEFINITIONS, settings) as made:
        args = ["-pyfs", str(tmp_path / "bug"), "-py", str(ROOT / "jobs/segmentation.py")]
        job = stack.submit([*args, "--settings", str(made.settings)])
        made.jobs.append(job)
        made.wait_running(job)
        end = T + FUZZED * STEP_MS
        fuzzed = [record.payload for record in mutated(5, FUZZED, T)]
        poison = [track(f"p{number % 3}", "Poisonous", end + number, price=13) for number in range(POISONED)]
        good = [track(f"p{number}", "Poisonous", end + POISONED + number, price=12) for number in range(3)]
        sent = [*fuzzed, *poison, *good]
        made.send(sent, key=b"one partition")
        for number in range(3):
            found = made.await_changes(f"p{number}", 2)
            assert {(each.segment, each.action) for each in found} == {("seen", "entered"), ("spender", "entered")}
        made.wait_for(lambda: made.counter(job, "events") == len(sent), "all events to be counted")
        made.wait_for(
            lambda: len(made.read("dead_letters")) == made.counter(job, "dead_letters"),
            "the dead letters to be counted",
        )
        fates = {name: made.counter(job, name) for name in ("applied", "duplicates", "late", "dead_letters")}
        assert sum(fates.values()) == len(sent)
        assert len(made.read("late_events")) == fates["late"]
        letters = [{name: value.decode() for name, value in each.headers} for each in made.read("dead_letters")]
        failed = [each for each in letters if each["reason"] == "failed"]
        assert Counter(each["user"] for each in failed) == {"p0": 7, "p1": 7, "p2": 6}
        assert all("ZeroDivisionError" in each["detail"] and "Poisonous" in each["definition"] for each in failed)
        assert not {each["reason"] for each in letters} & {"failed_due", "failed_profile", "failed_output"}
        assert stack.rest._call("GET", f"/jobs/{job}")["state"] == "RUNNING"
