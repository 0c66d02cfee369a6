import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.stack.processes import ProcessTable, StackError, StartedProcess
from jobs.stack.waiting import wait_until
from tests.stack.liveness import is_live

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
STUBBORN = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = os.fork()
if child:
    print(child, flush=True)
time.sleep(600)
"""


@pytest.fixture
def table(tmp_path: Path) -> ProcessTable:
    return ProcessTable(tmp_path / "pids.json")


def spawn(table: ProcessTable, tmp_path: Path, command: list[str]) -> StartedProcess:
    return table.spawn("server", command, {}, tmp_path / "server.log")


def test_another_process_can_end_what_this_one_started(table: ProcessTable, tmp_path: Path) -> None:
    server = spawn(table, tmp_path, SLEEP)
    other = ProcessTable(tmp_path / "pids.json")
    assert list(other) == [server]
    other_code = f"from jobs.stack.processes import *; ProcessTable(Path({str(tmp_path / 'pids.json')!r})).end_all()"
    ending = subprocess.Popen([sys.executable, "-c", other_code])
    wait_until(lambda: not server.is_running(), 60, "the server to end")
    table.end_all()
    assert ending.wait(timeout=90) == 0
    assert not (tmp_path / "pids.json").exists()


def test_what_ignores_sigterm_is_killed_with_its_children(
    table: ProcessTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.stack.processes.TERM_TIMEOUT", 0.3)
    server = spawn(table, tmp_path, [sys.executable, "-c", STUBBORN])
    wait_until(lambda: "\n" in server.log_tail(), 60, "the child")
    child = int(server.log_tail())
    table.end_all()
    wait_until(lambda: not is_live(child), 60, "the child to be gone")
    assert not server.is_running()


def test_children_of_a_killed_server_are_ended(table: ProcessTable, tmp_path: Path) -> None:
    code = "import subprocess, time; print(subprocess.Popen(['sleep', '600']).pid, flush=True); time.sleep(600)"
    server = spawn(table, tmp_path, [sys.executable, "-c", code])
    wait_until(lambda: "\n" in server.log_tail(), 60, "the child")
    child = int(server.log_tail())
    os.kill(server.pid, signal.SIGKILL)
    wait_until(lambda: not server.is_running(), 60, "the server to end")
    assert is_live(child)
    table.end_all()
    wait_until(lambda: not is_live(child), 60, "the child to end")


def test_a_stranger_with_a_recycled_id_is_left_alone(table: ProcessTable, tmp_path: Path) -> None:
    server = spawn(table, tmp_path, SLEEP)
    recycled = StartedProcess(server.name, server.pid, server.started - 100, server.mark, server.log)
    assert not recycled.is_running()
    assert recycled.members() == []
    table.end_all()


def test_an_unmarked_process_of_the_session_is_left_alone(table: ProcessTable, tmp_path: Path) -> None:
    code = "import subprocess, time; print(subprocess.Popen(['sleep', '600']).pid, flush=True); time.sleep(600)"
    server = spawn(table, tmp_path, [sys.executable, "-c", code])
    wait_until(lambda: "\n" in server.log_tail(), 60, "the child")
    elsewhere = StartedProcess(server.name, server.pid, server.started, "/another/stack", server.log)
    assert [member.pid for member in elsewhere.members()] == [server.pid]
    table.end_all()


def test_a_server_that_ended_is_reported_with_its_log(table: ProcessTable, tmp_path: Path) -> None:
    server = spawn(table, tmp_path, [sys.executable, "-c", "print('no such port')"])
    wait_until(lambda: not server.is_running(), 60, "the server to end")
    with pytest.raises(StackError, match=r"server ended by itself[\s\S]*no such port"):
        table.check_running(server)
    table.end_all()


def test_one_server_can_be_ended_alone(table: ProcessTable, tmp_path: Path) -> None:
    first, second = spawn(table, tmp_path, SLEEP), spawn(table, tmp_path, SLEEP)
    table.end(first)
    assert not first.is_running()
    assert second.is_running()
    assert list(ProcessTable(tmp_path / "pids.json")) == [second]
    table.end_all()


def test_a_closed_table_starts_nothing(table: ProcessTable, tmp_path: Path) -> None:
    table.end_all()
    with pytest.raises(StackError, match="being stopped"):
        spawn(table, tmp_path, SLEEP)


def test_a_killed_server_is_started_again_with_its_command(table: ProcessTable, tmp_path: Path) -> None:
    code = (
        "import subprocess, sys, time; subprocess.Popen(['sleep', '600']); print(sys.argv, flush=True); time.sleep(600)"
    )
    server = spawn(table, tmp_path, [sys.executable, "-c", code])
    wait_until(lambda: "-c" in server.log_tail() and len(server.members()) == 2, 60, "the child")
    with pytest.raises(StackError, match="has not ended"):
        table.start_again(server)
    table.kill(server)
    assert server.members() == []
    again = table.start_again(server, "more")
    wait_until(lambda: "more" in again.log_tail(), 60, "the second one")
    assert [process.pid for process in table] == [again.pid]
    with pytest.raises(StackError, match="started by another process"):
        ProcessTable(tmp_path / "pids.json").start_again(again)
    table.end_all()
