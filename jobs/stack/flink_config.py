"""The configuration of the local Flink cluster: one visible mapping from Flink's option names to values."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from jobs.stack.jvm import COMPILE_EARLY, COMPILE_LATE, ONE_CODE_CACHE
from jobs.stack.ports import LOOPBACK

JOBMANAGER_HEAP_MB = 512
FRAMEWORK_MB = 128  # heap, and the same outside of it
TASK_HEAP_MB = 1024  # a slot
TASK_OFF_HEAP_MB = 64
MANAGED_MB = 768  # a slot: RocksDB's caches and buffers
NETWORK_MB = 128
METASPACE_MB = 256
OVERHEAD_MB = 256

LOGGING = "log4j-stack.properties"
LOG_TO_STDOUT = """\
rootLogger.level = INFO
rootLogger.appenderRef.console.ref = Console
appender.console.name = Console
appender.console.type = CONSOLE
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{yyyy-MM-dd HH:mm:ss,SSS} %-5p %-60c %x - %m%n
"""


@dataclass(frozen=True)
class FlinkPorts:
    """The ports of a cluster's JobManager."""

    rest: int
    rpc: int
    blob: int


@dataclass(frozen=True)
class ClusterSize:
    """How many TaskManagers, with how many slots each: one slot a TaskManager gives every slot a JVM of its own.

    `long_lived` has their JVMs take all of their heap at once and compile early, and the broker's as early as Java does
    by itself: what a JVM takes in its first hours then comes in its first minutes, and after that it stays as it is.
    """

    task_managers: int
    slots_each: int = 1
    long_lived: bool = False

    @property
    def slots(self) -> int:
        """The greatest parallelism that fits."""
        return self.task_managers * self.slots_each


def high_availability(zookeeper: str, storage: Path) -> dict[str, str]:
    """Return the options with which a JobManager that was started again takes its jobs up, with ZooKeeper's address.

    A dead JobManager's session must expire before the next one leads: ten seconds, not Flink's sixty.
    """
    return {
        "high-availability.type": "zookeeper",
        "high-availability.zookeeper.quorum": zookeeper,
        "high-availability.storageDir": storage.as_uri(),
        "high-availability.zookeeper.client.session-timeout": "10 s",
        "high-availability.zookeeper.client.connection-timeout": "5 s",
        "high-availability.zookeeper.client.retry-wait": "500 ms",
        "high-availability.zookeeper.client.max-retry-attempts": "60",
        "high-availability.zookeeper.client.tolerate-suspended-connections": "true",
    }


def write_config(home: Path, ports: FlinkPorts, size: ClusterSize, extra: Mapping[str, str]) -> None:
    """Write `home/conf/config.yaml`: Flink's own JVM options, what this stack needs, then `extra` on top."""
    options: dict[str, object] = {
        "env.java.opts.all": " ".join(module_options(home)),
        **_addresses(ports),
        **_memory(size),
        **_python(),
        **_state(home),
        **_failure_detection(),
        **extra,
    }
    (home / "conf" / "config.yaml").write_text(yaml.safe_dump(options, sort_keys=False, width=1_000_000))
    (home / "conf" / LOGGING).write_text(LOG_TO_STDOUT)


def jobmanager_command(home: Path, java: Path, log: Path) -> list[str]:
    """Return the command of a JobManager."""
    entry = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
    limits = ["-Xms128m", f"-Xmx{JOBMANAGER_HEAP_MB}m", *COMPILE_LATE]
    return [*_java(home, java, log), *limits, entry, "--configDir", str(home / "conf")]


def taskmanager_command(home: Path, java: Path, log: Path, size: ClusterSize) -> list[str]:
    """Return the command of a TaskManager, its JVM sized as `config.yaml` says."""
    heap = FRAMEWORK_MB + TASK_HEAP_MB * size.slots_each
    direct = FRAMEWORK_MB + TASK_OFF_HEAP_MB + NETWORK_MB
    limits = [f"-Xms{heap}m", f"-Xmx{heap}m", f"-XX:MaxDirectMemorySize={direct}m", "-XX:+UseG1GC"]
    limits += ["-XX:+AlwaysPreTouch", ONE_CODE_CACHE, *COMPILE_EARLY] if size.long_lived else COMPILE_LATE
    entry = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"
    return [*_java(home, java, log), *limits, entry, "--configDir", str(home / "conf")]


def module_options(home: Path) -> list[str]:
    """Return the `--add-exports` and `--add-opens` that Flink ships in its own configuration."""
    shipped = yaml.safe_load((home / "conf" / "shipped.yaml").read_text())
    return str(shipped["env"]["java"]["opts"]["all"]).split()


def _java(home: Path, java: Path, log: Path) -> list[str]:
    settings = home / "conf" / LOGGING
    logging = [f"-Dlog.file={log}", f"-Dlog4j.configurationFile={settings.as_uri()}"]
    return [str(java), *module_options(home), f"-XX:MaxMetaspaceSize={METASPACE_MB}m", *logging, "-cp", f"{home}/lib/*"]


def _addresses(ports: FlinkPorts) -> dict[str, object]:
    return {
        "jobmanager.rpc.address": LOOPBACK,
        "jobmanager.rpc.port": ports.rpc,
        "high-availability.jobmanager.port": ports.rpc,  # used with high availability only
        "jobmanager.bind-host": LOOPBACK,
        "taskmanager.host": LOOPBACK,
        "taskmanager.bind-host": LOOPBACK,
        "blob.server.port": ports.blob,
        "rest.address": LOOPBACK,
        "rest.bind-address": LOOPBACK,
        "rest.port": ports.rest,
        "rest.bind-port": ports.rest,
        "web.cancel.enable": True,
        "web.submit.enable": False,
    }


def _memory(size: ClusterSize) -> dict[str, object]:
    """Give every size that Flink's start scripts would work out: about 2.5 GiB a TaskManager of one slot."""
    return {
        "taskmanager.numberOfTaskSlots": size.slots_each,
        "taskmanager.cpu.cores": float(size.slots_each),
        "taskmanager.memory.framework.heap.size": f"{FRAMEWORK_MB}m",
        "taskmanager.memory.framework.off-heap.size": f"{FRAMEWORK_MB}m",
        "taskmanager.memory.task.heap.size": f"{TASK_HEAP_MB * size.slots_each}m",
        "taskmanager.memory.task.off-heap.size": f"{TASK_OFF_HEAP_MB}m",
        "taskmanager.memory.managed.size": f"{MANAGED_MB * size.slots_each}m",
        "taskmanager.memory.network.min": f"{NETWORK_MB}m",
        "taskmanager.memory.network.max": f"{NETWORK_MB}m",
        "taskmanager.memory.jvm-metaspace.size": f"{METASPACE_MB}m",
        "taskmanager.memory.jvm-overhead.min": f"{OVERHEAD_MB}m",
        "taskmanager.memory.jvm-overhead.max": f"{OVERHEAD_MB}m",
        "parallelism.default": size.slots,
    }


def _python() -> dict[str, object]:
    """Run every Python function with this interpreter; one row is a whole batch, so one row ends a bundle."""
    return {
        "python.executable": sys.executable,
        "python.client.executable": sys.executable,
        "python.execution-mode": "process",
        "python.fn-execution.bundle.size": 1,
        "python.fn-execution.bundle.time": 1000,
    }


def _state(home: Path) -> dict[str, object]:
    return {
        "state.backend.type": "rocksdb",
        "state.backend.rocksdb.checkpoint.transfer.thread.num": 1,  # Flink's four hide a network's latency
        "execution.checkpointing.storage": "filesystem",
        "execution.checkpointing.dir": (home.parent / "checkpoints").as_uri(),
        "execution.checkpointing.savepoint-dir": (home.parent / "savepoints").as_uri(),
        "execution.checkpointing.incremental": True,
        "execution.checkpointing.num-retained": 3,  # one that cannot be read any more is not the only one
        "io.tmp.dirs": str(home / "tmp"),
    }


def _failure_detection() -> dict[str, object]:
    """See a dead TaskManager within seconds: Flink's own values (10 s, 50 s) are meant for large networks."""
    return {
        "heartbeat.interval": "2 s",
        "heartbeat.timeout": "20 s",
        "cluster.registration.error-delay": "500 ms",
    }
