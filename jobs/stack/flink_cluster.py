"""A standalone Flink cluster, from the distribution that the `apache-flink` package brings."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jobs.stack import keeper
from jobs.stack.flink_config import ClusterSize, FlinkPorts, jobmanager_command, taskmanager_command, write_config
from jobs.stack.flink_rest import FlinkRest
from jobs.stack.jvm import CLIENT_JVM
from jobs.stack.ports import LOOPBACK, free_ports
from jobs.stack.processes import ProcessTable, StackError, StartedProcess
from jobs.stack.waiting import wait_until

READY_TIMEOUT = 180.0  # seconds
SUBMIT_TIMEOUT = 240.0
JOB_ID = re.compile(r"JobID ([0-9a-f]{32})")


@dataclass(frozen=True)
class FlinkCluster:
    """A cluster that is being started, or runs, from the Flink home `home`."""

    home: Path
    rest: FlinkRest
    size: ClusterSize
    processes: tuple[StartedProcess, ...]

    @classmethod
    def start(
        cls,
        home: Path,
        size: ClusterSize,
        java_home: Path,
        table: ProcessTable,
        *,
        jars: Iterable[Path] = (),
        options: Mapping[str, str] | None = None,
    ) -> FlinkCluster:
        """Make a Flink home at `home` with `jars` in its lib/, and start a JobManager and the TaskManagers."""
        ports = FlinkPorts(*free_ports(3))
        make_home(home, shipped_distribution(), jars)
        write_config(home, ports, size, options or {})
        env = flink_environment(home, java_home)
        java = java_home / "bin" / "java"
        log = home / "log" / "jobmanager.log"
        processes = [table.spawn("jobmanager", kept(jobmanager_command(home, java, log)), env, log)]
        for number in range(1, size.task_managers + 1):
            log = home / "log" / f"taskmanager-{number}.log"
            command = taskmanager_command(home, java, log, size)
            processes.append(table.spawn(f"taskmanager-{number}", kept(command), env, log))
        return cls(home, FlinkRest(f"http://{LOOPBACK}:{ports.rest}"), size, tuple(processes))

    def wait_ready(self, table: ProcessTable) -> None:
        """Return once all slots have registered; raises `StackError` when a server ended instead."""

        def all_slots() -> bool:
            for process in self.processes:
                table.check_running(process)
            return self.rest.slots() >= self.size.slots

        wait_until(all_slots, READY_TIMEOUT, f"Flink's {self.size.slots} slots at {self.rest.url}")


def kept(command: Sequence[str]) -> list[str]:
    """Return the command of a server that is started again whenever it dies."""
    return [sys.executable, "-I", "-S", keeper.__file__, *command]


def submit(home: Path, java_home: Path, args: Sequence[str], env: Mapping[str, str]) -> str:
    """Run `flink run --detached ARGS` and return the job's id; raises `StackError` with Flink's words when it fails."""
    command = [str(home / "bin" / "flink"), "run", "--detached", *args]
    try:
        done = subprocess.run(
            command,
            env={**os.environ, **flink_environment(home, java_home), **env},
            capture_output=True,
            text=True,
            timeout=SUBMIT_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise StackError(f"flink run gave no answer in {SUBMIT_TIMEOUT:g} s: {' '.join(command)}") from error
    match = JOB_ID.search(done.stdout)
    if done.returncode or match is None:
        raise StackError(f"flink run failed (exit code {done.returncode}):\n{done.stdout}{done.stderr}")
    return match[1]


def shipped_distribution() -> Path:
    """Return the folder with bin/, lib/ and conf/ that the `apache-flink` package brought."""
    spec = importlib.util.find_spec("pyflink")
    if spec is None or spec.origin is None:
        raise StackError("the package apache-flink is not installed: run 'make setup'")
    return Path(spec.origin).parent


def make_home(home: Path, shipped: Path, jars: Iterable[Path]) -> None:
    """Lay out a Flink home: scripts and conf copied, jars linked, flink-python and `jars` added to lib/."""
    shutil.copytree(shipped / "bin", home / "bin")  # copied: the scripts find their home by resolving links
    shutil.copytree(shipped / "conf", home / "conf")
    (home / "conf" / "config.yaml").rename(home / "conf" / "shipped.yaml")
    for folder in ("lib", "opt", "log", "tmp"):
        (home / folder).mkdir(parents=True)
    (home / "plugins").symlink_to(shipped / "plugins")
    for folder in ("lib", "opt"):
        for jar in (shipped / folder).glob("*.jar"):
            (home / folder / jar.name).symlink_to(jar)
    for jar in [*(shipped / "opt").glob("flink-python-*.jar"), *jars]:
        (home / "lib" / jar.name).symlink_to(jar)


def flink_environment(home: Path, java_home: Path) -> dict[str, str]:
    """Return what Flink's scripts need in the environment to use `home` and nothing else."""
    return {
        "JAVA_HOME": str(java_home),
        "FLINK_HOME": str(home),
        "FLINK_CONF_DIR": str(home / "conf"),
        "FLINK_LIB_DIR": str(home / "lib"),
        "FLINK_OPT_DIR": str(home / "opt"),
        "FLINK_PLUGINS_DIR": str(home / "plugins"),
        "FLINK_LOG_DIR": str(home / "log"),
        "FLINK_PID_DIR": str(home / "tmp"),
        "FLINK_ENV_JAVA_OPTS": "",
        "JVM_ARGS": os.environ.get("JVM_ARGS", CLIENT_JVM),
        "MALLOC_ARENA_MAX": os.environ.get("MALLOC_ARENA_MAX", "2"),  # not one for each of a hundred threads
    }
