import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from jobs.stack.layout import Layout
from jobs.stack.processes import ProcessTable, StackError
from jobs.stack.stack import Parts, Stack, end
from jobs.stack.waiting import wait_until
from tests.conftest import ROOT
from tests.stack.liveness import is_live

REDIS_ONLY = Parts(kafka=False, flink=False)
HOLDER = """
import signal, sys, time
from pathlib import Path
from jobs.stack.signals import exit_on_signals
from jobs.stack.stack import Parts, Stack
signal.signal(signal.SIGINT, signal.default_int_handler)  # it is ignored by what a script starts with &
exit_on_signals()
stack = Stack.start(Path(sys.argv[1]), parts=Parts(kafka=False, flink=False), keep=sys.argv[2] == "keep")
print(stack.processes()["redis"], flush=True)
time.sleep(600)
"""


def test_leaving_the_context_ends_everything(tmp_path: Path) -> None:
    with Stack.start(tmp_path, parts=REDIS_ONLY) as stack:
        pids = list(stack.processes().values())
        assert all(is_live(pid) for pid in pids)
    assert not any(is_live(pid) for pid in pids)
    with pytest.raises(StackError, match="no stack runs"):
        Stack.attach(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_leaves_nothing_running(tmp_path: Path, number: signal.Signals) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path), "end"], stdout=subprocess.PIPE, cwd=ROOT)
    assert holder.stdout is not None
    redis = int(holder.stdout.readline())
    holder.send_signal(number)
    assert holder.wait(timeout=90) != 0
    holder.stdout.close()
    assert not is_live(redis)


def test_a_kept_stack_outlives_its_starter_and_is_ended_from_elsewhere(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path), "keep"], stdout=subprocess.PIPE, cwd=ROOT)
    assert holder.stdout is not None
    redis = int(holder.stdout.readline())
    holder.kill()
    holder.wait(timeout=90)
    holder.stdout.close()
    assert Stack.attach(tmp_path).processes() == {"redis": redis}
    assert end(tmp_path) == 1
    wait_until(lambda: not is_live(redis), 60, "Redis to end")
    assert end(tmp_path) == 0


def test_a_part_that_fails_takes_the_others_with_it(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="no Kafka jars"):
        Stack.start(tmp_path, parts=Parts(flink=False))
    assert list(ProcessTable(Layout(tmp_path).pids)) == []


def test_leftovers_of_a_crashed_stack_do_not_hinder_a_new_one(tmp_path: Path) -> None:
    crashed = Stack.start(tmp_path, parts=REDIS_ONLY)
    (redis,) = crashed.processes().values()
    psutil.Process(redis).kill()
    wait_until(lambda: not is_live(redis), 60, "Redis to end")
    with Stack.start(tmp_path, parts=REDIS_ONLY) as stack:
        assert stack.processes()["redis"] != redis
    crashed.stop()
