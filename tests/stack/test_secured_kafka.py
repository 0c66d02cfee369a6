"""What reads Kafka logs in with `kafka.consumer_properties`, as the job does."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer

from jobs.stack import kafka_broker
from jobs.stack.java import find_java_home
from jobs.stack.kafka_broker import KafkaBroker, create_topics
from jobs.stack.layout import Layout
from jobs.stack.ports import LOOPBACK, free_ports
from jobs.stack.processes import ProcessTable
from tests.conftest import ROOT

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]

EVENT = {"type": "track", "event": "View", "userId": "u1", "messageId": "m1", "timestamp": 1_795_341_600_000}
LOGIN = "org.apache.kafka.common.security.plain.PlainLoginModule required"


@pytest.fixture
def secured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A broker with one event in it; returns the address at which it asks for a password."""
    (port,), plain = free_ports(1), kafka_broker._server_properties

    def with_password(log: Path, open_port: int, controller_port: int) -> str:
        listener = f",SASL_PLAINTEXT://{LOOPBACK}:{port}\n"
        lines = [
            line.rstrip("\n") + listener if line.startswith(("listeners=", "advertised.listeners=")) else line
            for line in plain(log, open_port, controller_port).splitlines(keepends=True)
        ]
        jaas = f'{LOGIN} username="admin" password="admin" user_admin="admin" user_me="hush";'
        return (
            "".join(lines)
            + "sasl.enabled.mechanisms=PLAIN\n"
            + "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT\n"
            + f"listener.name.sasl_plaintext.plain.sasl.jaas.config={jaas}\n"
        )

    monkeypatch.setattr(kafka_broker, "_server_properties", with_password)
    table = ProcessTable(tmp_path / "pids.json")
    try:
        broker = KafkaBroker.start(
            Layout(ROOT, "secured").kafka_jars(), tmp_path / "kafka", find_java_home(), table, tmp_path
        )
        broker.wait_ready(table)
        create_topics(broker.bootstrap_servers, ["events"], partitions=2)
        producer = Producer({"bootstrap.servers": broker.bootstrap_servers})
        producer.produce("events", key=b"u1", value=json.dumps(EVENT).encode())
        assert producer.flush(30) == 0
        yield f"{LOOPBACK}:{port}"
    finally:
        table.end_all()


def explained(tmp_path: Path, servers: str, password: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "segments.yaml").write_text("segments: [{name: seen, when: {recency: {event: any, within: 1h}}}]")
    settings = tmp_path / "job.yaml"
    properties = {
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "PLAIN",
        "sasl.jaas.config": f'{LOGIN} username="me" password="{password}";',
    }
    settings.write_text(json.dumps({"kafka": {"bootstrap_servers": servers, "consumer_properties": properties}}))
    command = [sys.executable, "-c", "from jobs.cli import app; app()", "explain", "u1", "--format", "json"]
    # a process of its own: kafka-python leaves sockets open when it is refused
    return subprocess.run(
        [*command, "--settings", str(settings)], cwd=ROOT, capture_output=True, text=True, timeout=90, check=False
    )


def test_a_password_opens_the_topic_and_a_wrong_one_is_said(secured: str, tmp_path: Path) -> None:
    right = explained(tmp_path, secured, "hush")
    assert right.returncode == 0, right.stderr
    assert json.loads(right.stdout)["segments"][0]["conditions"][0]["events"][0]["message_id"] == "m1"
    wrong = explained(tmp_path, secured, "guess")
    assert wrong.returncode == 1
    assert f"Kafka at {secured}" in wrong.stderr
    assert "are its address and kafka.consumer_properties right?" in wrong.stderr
    assert "guess" not in wrong.stderr
