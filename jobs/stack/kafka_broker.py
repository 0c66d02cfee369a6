"""A single Kafka broker in KRaft mode, from the jars that Maven brought."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError, TopicAlreadyExistsError

from jobs.stack.jvm import COMPILE_LATE
from jobs.stack.ports import LOOPBACK, free_ports
from jobs.stack.processes import ProcessTable, StackError, StartedProcess
from jobs.stack.waiting import wait_until

JVM_OPTIONS = (
    "-Xms512m",
    "-Xmx1g",
    "-XX:+UseParallelGC",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
)
FORMAT_TIMEOUT = 120.0  # seconds
READY_TIMEOUT = 120.0
REQUEST_TIMEOUT_MS = 10_000
TAIL_CHARS = 2_000
CLUSTER_ID = "c2VnbWVudHMtbG9jYWwtMQ"  # 16 bytes in base64; every local broker is a cluster of its own
MAX_MESSAGE_BYTES = 16 * 1024 * 1024
COMPACTED: Mapping[str, str] = {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.1"}


@dataclass(frozen=True)
class KafkaBroker:
    """A broker that is being started, or runs, at `bootstrap_servers`."""

    bootstrap_servers: str
    process: StartedProcess

    @classmethod
    def start(
        cls, jars: Path, data: Path, java_home: Path, table: ProcessTable, logs: Path, *, long_lived: bool = False
    ) -> KafkaBroker:
        """Format `data` and start a broker on it; raises `StackError` when formatting fails.

        One that is `long_lived` is compiled as early as Java does by itself.
        """
        port, controller_port = free_ports(2)
        data.mkdir(parents=True, exist_ok=True)
        properties = data / "server.properties"
        properties.write_text(_server_properties(data / "log", port, controller_port))
        compiled = () if long_lived else COMPILE_LATE
        java = [str(java_home / "bin" / "java"), *JVM_OPTIONS, *compiled, "-cp", f"{jars}/*"]
        _format(java, properties)
        command = [*java, "kafka.Kafka", str(properties)]
        process = table.spawn("kafka", command, {}, logs / "kafka.log")
        return cls(f"{LOOPBACK}:{port}", process)

    def wait_ready(self, table: ProcessTable) -> None:
        """Return once the broker answers a metadata request; raises `StackError` when it ended instead."""

        def answers() -> bool:
            table.check_running(self.process)
            return bool(broker_ids(self.bootstrap_servers))

        wait_until(answers, READY_TIMEOUT, f"Kafka at {self.bootstrap_servers}")


def broker_ids(bootstrap_servers: str) -> list[int]:
    """Return the ids of the brokers that the cluster lists; empty while it does not answer.

    Raises `OSError` while nothing listens there.
    """
    host, port = bootstrap_servers.split(",", maxsplit=1)[0].rsplit(":", 1)
    socket.create_connection((host, int(port)), timeout=1.0).close()  # the admin client's own retries take seconds
    try:
        admin = KafkaAdminClient(bootstrap_servers=bootstrap_servers, request_timeout_ms=REQUEST_TIMEOUT_MS)
    except (KafkaError, OSError):
        return []
    try:
        return [broker["broker_id"] for broker in admin.describe_cluster()["brokers"]]
    except KafkaError:
        return []
    finally:
        admin.close()


def create_topics(
    bootstrap_servers: str, names: Iterable[str], *, compacted: Iterable[str] = (), partitions: int
) -> None:
    """Create the topics that do not exist yet; those in `compacted` keep the newest value of each key."""
    keep_newest = set(compacted)
    admin = KafkaAdminClient(bootstrap_servers=bootstrap_servers, request_timeout_ms=REQUEST_TIMEOUT_MS)
    try:
        for name in names:
            configs = dict(COMPACTED) if name in keep_newest else {}
            topic = {name: {"num_partitions": partitions, "replication_factor": 1, "configs": configs}}
            try:
                admin.create_topics(topic, wait_for_metadata=True)
            except TopicAlreadyExistsError:
                continue
    finally:
        admin.close()


def _format(java: list[str], properties: Path) -> None:
    command = [*java, "kafka.tools.StorageTool", "format", "--standalone", "-t", CLUSTER_ID, "-c", str(properties)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=FORMAT_TIMEOUT, check=False)
    if done.returncode:
        raise StackError(f"Kafka's storage could not be formatted:\n{(done.stdout + done.stderr)[-TAIL_CHARS:]}")


def _server_properties(log: Path, port: int, controller_port: int) -> str:
    settings: dict[str, object] = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.bootstrap.servers": f"{LOOPBACK}:{controller_port}",
        "listeners": f"PLAINTEXT://{LOOPBACK}:{port},CONTROLLER://{LOOPBACK}:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{port},CONTROLLER://{LOOPBACK}:{controller_port}",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "log.dirs": log,
        "num.partitions": 4,
        "auto.create.topics.enable": "false",
        "message.max.bytes": MAX_MESSAGE_BYTES,
        "replica.fetch.max.bytes": MAX_MESSAGE_BYTES,
        "socket.request.max.bytes": 4 * MAX_MESSAGE_BYTES,
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": 4,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        "group.initial.rebalance.delay.ms": 0,
        "log.retention.hours": -1,
    }
    return "".join(f"{key}={value}\n" for key, value in settings.items())
