"""Kafka and Redis that require TLS and a login: all that connects obeys, and no secret shows anywhere."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from typer.testing import CliRunner

from jobs.cli import app
from jobs.player import play
from jobs.settings import Settings, load_settings
from jobs.stack.kafka_broker import create_topics
from jobs.stack.stack import Stack
from jobs.stack.waiting import wait_until
from jobs.topics import TopicReader
from tests.conftest import ROOT
from tests.stack.commands import ended
from tests.stack.secured import KAFKA_PASSWORD, REDIS_PASSWORD, Secured, secured_servers
from tests.stack.support import track

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

ACTIVE = "segments: [{name: active, when: {count: {event: any, within: 1h, gte: 2}}}]\n"
SECRETS = [KAFKA_PASSWORD.encode(), KAFKA_PASSWORD.replace('"', r"\"").encode(), REDIS_PASSWORD.encode()]
TOPICS = ("events", "segment-changes", "segment-memberships", "segment-dead-letters", "segment-late-events")
ALL_TOPICS = (*TOPICS, "segment-control", "segment-audit", "segment-shadow-changes", "segment-internal")


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    with secured_servers(tmp_path_factory.mktemp("secured")) as servers:
        create_topics(servers.plain, TOPICS, compacted=["segment-memberships"], partitions=2)
        yield servers


def client(secured: Secured, mechanism: str = "SCRAM-SHA-512") -> dict[str, str]:
    return {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": mechanism,
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": secured.certificates.path("ca"),
    }


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The passwords as a cluster mounts them."""
    folder = tmp_path_factory.mktemp("mounted")
    (folder / "kafka").write_text(f"{KAFKA_PASSWORD}\n")
    (folder / "redis").write_text(REDIS_PASSWORD)
    return {
        "SEGMENTS__KAFKA__PASSWORD_FILE": str(folder / "kafka"),
        "SEGMENTS__REDIS__PASSWORD_FILE": str(folder / "redis"),
    }


@pytest.fixture(scope="module")
def settings(secured: Secured, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("settings")
    (folder / "segments.yaml").write_text(ACTIVE)
    values = {
        "kafka": {
            "bootstrap_servers": secured.kafka["login"],
            "user": "me",
            "client_properties": client(secured),
            "delivery": "exactly_once",
        },
        "redis": {
            "url": f"rediss://127.0.0.1:{secured.redis['server']}/0",
            "user": "app",
            "tls_ca": secured.certificates.path("ca"),
        },
        "flink": {"parallelism": 2, "shards": 16, "checkpoint_interval": "1s"},
        "definitions": {"path": "segments.yaml"},
    }
    (folder / "job.yaml").write_text(yaml.safe_dump(values))
    return folder / "job.yaml"


def test_the_job_and_the_commands_obey_and_show_no_secret(
    stack: Stack, settings: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    loaded = load_settings(settings, environment)
    job = stack.submit(["-py", str(ROOT / "jobs/segmentation.py"), "--settings", str(settings)], environment)
    try:
        now = time.time_ns() // 1_000_000
        events = [track("u1", "Page", now + number, f"m{number}") for number in range(2)]
        played = play(events, loaded.kafka.bootstrap_servers, "events", properties=loaded.kafka.producer_properties)
        assert (played.sent, played.failed) == (2, 0)
        wait_until(lambda: len(read(loaded, "segment-changes")) == 1, 180, "the change")
        new = tmp_path / "new.yaml"
        new.write_text(ACTIVE.replace("active", "busy"))
        said = [commanded(environment, "release", str(new), "--settings", str(settings))]
        wait_until(lambda: len(read(loaded, "segment-changes")) == 3, 180, "the release's changes")
        commands = {"explain u1": "", "history": "", "reconcile": "reconciled: job = replay = redis"}
        said += [
            commanded(environment, *command.split(), "--settings", str(settings), says=says)
            for command, says in commands.items()
        ]
        shown = rest_answers(stack, job)
        assert found_in("\n".join(said).encode()) == []
        assert {path: found for path, text in shown.items() if (found := found_in(text.encode()))} == {}
        assert [line for line in command_lines(stack) if found_in(line.encode())] == []
    finally:
        stack.cancel(job)
    assert {topic for topic in ALL_TOPICS for each in read(loaded, topic) if found_in(each)} == set()
    written = [path for path in stack._layout.home.rglob("*") if path.is_file() and not path.is_symlink()]
    assert any("taskmanager" in path.name for path in written)
    assert any("chk-" in str(path) or "shared" in str(path) for path in written)
    assert [str(path) for path in written if found_in(path.read_bytes())] == []


def read(settings: Settings, topic: str) -> list[bytes]:
    kafka = settings.kafka
    with TopicReader(
        kafka.bootstrap_servers, [topic], committed_only=True, properties=kafka.consumer_properties
    ) as reader:
        return [each.value or b"" for each in reader.to_the_end()]


def commanded(environment: dict[str, str], *arguments: str, says: str = "") -> str:
    return ended(CliRunner().invoke(app, arguments, env=environment), says)


def found_in(content: bytes) -> list[bytes]:
    return [secret for secret in SECRETS if secret in content]


def rest_answers(stack: Stack, job: str) -> dict[str, str]:
    """What Flink's web page can show of a job."""
    vertices = [each["id"] for each in stack.rest._call("GET", f"/jobs/{job}")["vertices"]]
    paths = [f"/jobs/{job}{part}" for part in ("", "/config", "/plan", "/exceptions", "/checkpoints", "/accumulators")]
    paths += [f"/jobs/{job}/vertices/{each}{part}" for each in vertices for part in ("", "/metrics", "/accumulators")]
    paths += ["/jobmanager/config", "/jobmanager/environment", "/jobmanager/metrics", "/taskmanagers", "/jobs/overview"]
    return {path: json.dumps(stack.rest._call("GET", path)) for path in paths}


def command_lines(stack: Stack) -> list[str]:
    members = [member for process in stack._table for member in process.members()]
    return [" ".join(psutil.Process(each.pid).cmdline()) for each in members]


CASES = """
import json, sys
from concurrent.futures import ThreadPoolExecutor
from jobs.settings import RedisSettings, KafkaSettings, SettingsError
from jobs.redis_access import RedisRefused, check_redis
from jobs.topics import TopicError, TopicReader

def tried(case):
    kind, given = case
    try:
        if kind == "redis":
            return check_redis(RedisSettings.model_validate(given)) or "in"
        kafka = KafkaSettings.model_validate(given)
        TopicReader(kafka.bootstrap_servers, ["events"], properties=kafka.consumer_properties).close()
    except (TopicError, RedisRefused, SettingsError) as error:
        return str(error)
    return "in"

cases = json.load(sys.stdin)
with ThreadPoolExecutor(len(cases)) as pool:
    json.dump(dict(zip(cases, pool.map(tried, cases.values()))), sys.stdout)
"""


def cases(secured: Secured) -> dict[str, tuple[str, dict[str, Any], str]]:
    path, login = secured.certificates.path, client(secured)
    tls = {"security.protocol": "SSL", "ssl.truststore.type": "PEM", "ssl.truststore.location": path("ca")}
    own = {"ssl.keystore.type": "PEM", "ssl.keystore.location": path("client")}

    def kafka(listener: str, properties: dict[str, str], password: str | None = None) -> dict[str, Any]:
        given = {"bootstrap_servers": secured.kafka.get(listener, secured.plain), "client_properties": properties}
        return given | ({"user": "me", "password": password} if password else {})

    def redis(listener: str, user: str = "app", scheme: str = "rediss", **more: str) -> dict[str, Any]:
        url = f"{scheme}://127.0.0.1:{secured.redis[listener]}/0"
        trust = {"tls_ca": path("ca")} if scheme == "rediss" else {}
        return {"url": url, "user": user, "password": REDIS_PASSWORD, "timeout": "10s", **trust, **more}

    other = {**login, "ssl.truststore.location": path("other-ca")}
    return {
        "SCRAM": ("kafka", kafka("login", login, KAFKA_PASSWORD), "in"),
        "PLAIN": ("kafka", kafka("login", client(secured, "PLAIN"), KAFKA_PASSWORD), "in"),
        "mutual": ("kafka", kafka("mutual", {**tls, **own}), "in"),
        "wrong password": ("kafka", kafka("login", login, "guess"), "are its address, kafka.user, password"),
        "unknown authority": ("kafka", kafka("login", other, KAFKA_PASSWORD), "by an authority that we do not know"),
        "expired": ("kafka", kafka("expired", tls), "its certificate has expired: renew it"),
        "another name": ("kafka", kafka("elsewhere", tls), "its certificate is not for 127.0.0.1"),
        "no certificate of ours": ("kafka", kafka("mutual", tls), "it asks for a certificate of ours"),
        "plain text to TLS": ("kafka", kafka("mutual", {}), "it speaks TLS, and we are told not to: set secur"),
        "TLS to plain text": ("kafka", kafka("plain", tls), "it speaks no TLS at this port"),
        "redis": ("redis", redis("server"), "in"),
        "redis, wrong password": ("redis", redis("server", password="guess"), "does not accept redis.user"),  # noqa: S106
        "redis, no password": ("redis", {**redis("server"), "user": None, "password": None}, "it asks for a password"),
        "redis, not allowed": ("redis", redis("server", "reader"), "its ACL must allow the user"),
        "redis, unknown authority": (
            "redis", redis("server", tls_ca=path("other-ca")), "by an authority that we do not know"
        ),
        "redis, expired": ("redis", redis("expired"), "its certificate has expired"),
        "redis, plain text to TLS": ("redis", redis("server", scheme="redis"), "write rediss:// in redis.url"),
        "redis, TLS to plain text": ("redis", redis("plain"), "it speaks no TLS at this port"),
    }  # fmt: skip


def test_what_is_wrong_is_said_and_never_falls_back_to_plain_text(secured: Secured) -> None:
    wanted = cases(secured)
    given = json.dumps({name: (kind, values) for name, (kind, values, _) in wanted.items()})
    # a process of its own: kafka-python leaves sockets open when it is refused
    done = subprocess.run(
        [sys.executable, "-c", CASES], input=given, cwd=ROOT, capture_output=True, text=True, timeout=400, check=False
    )
    ended(done)
    said = json.loads(done.stdout)
    assert {name: text for name, text in said.items() if wanted[name][2] not in text} == {}
    assert "guess" not in done.stdout + done.stderr
    assert found_in((done.stdout + done.stderr).encode()) == []
