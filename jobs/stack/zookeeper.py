"""A single ZooKeeper, from the jar that Flink ships: it remembers which jobs run while no JobManager does."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path

from jobs.stack.flink_cluster import kept, shipped_distribution
from jobs.stack.ports import LOOPBACK, free_ports
from jobs.stack.processes import ProcessTable, StartedProcess
from jobs.stack.waiting import wait_until

READY_TIMEOUT = 120.0  # seconds
MAIN = "org.apache.flink.shaded.zookeeper3.org.apache.zookeeper.server.ZooKeeperServerMain"


@dataclass(frozen=True)
class ZooKeeper:
    """A server that is being started, or runs, at `address`."""

    address: str
    process: StartedProcess

    @classmethod
    def start(cls, data: Path, java_home: Path, table: ProcessTable, logs: Path) -> ZooKeeper:
        """Start a server that keeps what it knows in `data`; it is started again when it dies."""
        (port,) = free_ports(1)
        data.mkdir(parents=True, exist_ok=True)
        settings = data / "zoo.cfg"
        settings.write_text(
            f"tickTime=1000\ndataDir={data}\nclientPort={port}\nclientPortAddress={LOOPBACK}\nadmin.enableServer=false\n"
        )
        java = [
            str(java_home / "bin" / "java"),
            "-Xmx128m",
            "-XX:+UseSerialGC",
            "-cp",
            f"{shipped_distribution()}/lib/*",
        ]
        process = table.spawn("zookeeper", kept([*java, MAIN, str(settings)]), {}, logs / "zookeeper.log")
        return cls(f"{LOOPBACK}:{port}", process)

    def wait_ready(self, table: ProcessTable) -> None:
        """Return once something listens there; raises `StackError` when the server ended instead."""
        host, port = self.address.split(":")

        def listens() -> bool:
            table.check_running(self.process)
            socket.create_connection((host, int(port)), timeout=1.0).close()
            return True

        wait_until(listens, READY_TIMEOUT, f"ZooKeeper at {self.address}")
