"""Fixtures shared by all tests."""

from __future__ import annotations

import gc
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.stack.stack import Stack
from tests.stack.liveness import is_live

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def collecting_garbage() -> Iterator[None]:
    """Switch on again what a worker's function switches off in its process: the suite would grow to 10 GB.

    What it set aside stays so: looking at all modules of the suite took each worker's start in a test a second.
    """
    yield
    gc.enable()


def pytest_collection_finish() -> None:
    """Set aside what stays until the end."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest) -> Iterator[Stack]:
    """The real Kafka, Redis and Flink, started once for all tests; the logs stay when a test fails."""
    run = f"test-{os.getpid()}"
    with Stack.start(ROOT, run) as running:
        yield running
        pids = [member.pid for process in running._table for member in process.members()]
    assert pids
    assert not [pid for pid in pids if is_live(pid)], "processes of the stack outlived it"
    if not request.session.testsfailed:
        shutil.rmtree(ROOT / ".local" / run)
