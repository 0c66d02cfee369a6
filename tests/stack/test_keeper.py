"""The keeper of Flink's processes: what dies is started again, what is told to end is not."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from jobs.stack.flink_cluster import kept
from jobs.stack.processes import ProcessTable, StartedProcess
from jobs.stack.waiting import wait_until
from tests.stack.liveness import is_live

SERVER = """
import os, subprocess, sys, time
print(os.getpid(), subprocess.Popen(["sleep", "600"]).pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def table(tmp_path: Path) -> Iterator[ProcessTable]:
    made = ProcessTable(tmp_path / "pids.json")
    yield made
    made.end_all()


def spawn(table: ProcessTable, tmp_path: Path, code: str) -> StartedProcess:
    return table.spawn("server", kept([sys.executable, "-c", code]), {}, tmp_path / "server.log")


def started(server: StartedProcess) -> list[list[int]]:
    """Return the ids of each start: of the server itself and of its child."""
    lines = [line for line in server.log_tail().splitlines() if not line.startswith("keeper")]
    return [[int(pid) for pid in line.split()] for line in lines]


def test_a_killed_server_comes_back_and_takes_nothing_of_its_first_life_along(
    table: ProcessTable, tmp_path: Path
) -> None:
    server = spawn(table, tmp_path, SERVER)
    wait_until(lambda: len(started(server)) == 1, 60, "the server")
    ((first, child),) = started(server)
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: len(started(server)) == 2, 60, "the second start")
    assert not is_live(child)
    assert {member.pid for member in server.members()} == {server.pid, *started(server)[1]}
    assert "started again" in server.log_tail()


def test_a_server_that_is_told_to_end_stays_away(table: ProcessTable, tmp_path: Path) -> None:
    server = spawn(table, tmp_path, SERVER)
    wait_until(lambda: len(started(server)) == 1, 60, "the server")
    keeper = psutil.Process(server.pid)
    os.kill(started(server)[0][0], signal.SIGTERM)
    wait_until(lambda: not is_live(keeper.pid), 60, "the keeper to end too")
    assert len(started(server)) == 1


def test_the_end_of_the_stack_ends_keeper_and_server(table: ProcessTable, tmp_path: Path) -> None:
    server = spawn(table, tmp_path, SERVER)
    wait_until(lambda: len(started(server)) == 1, 60, "the server")
    pids = [server.pid, *started(server)[0]]
    table.end_all()
    assert not any(is_live(pid) for pid in pids)
    assert len(started(server)) == 1


def test_a_server_that_never_came_up_is_left_alone(table: ProcessTable, tmp_path: Path) -> None:
    server = spawn(table, tmp_path, "import sys; print('no such port'); sys.exit(3)")
    wait_until(lambda: not server.is_running(), 60, "the keeper to give up")
    assert server.log_tail() == "no such port\n"
