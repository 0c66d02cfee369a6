"""A Kafka broker and a Redis that let nobody in without TLS and a login, with certificates made for the test."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import trustme
from confluent_kafka.admin import AdminClient, ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion
from cryptography.hazmat.primitives import serialization as keys

from jobs.stack import kafka_broker
from jobs.stack.java import find_java_home
from jobs.stack.kafka_broker import KafkaBroker
from jobs.stack.layout import Layout
from jobs.stack.ports import LOOPBACK, free_ports
from jobs.stack.processes import ProcessTable
from jobs.stack.redis_server import find_binary
from jobs.stack.waiting import wait_until
from tests.conftest import ROOT

KAFKA_PASSWORD = 'canary-kafka-7f3a"9'  # noqa: S105 - what the tests look for everywhere
REDIS_PASSWORD = "canary-redis-51c0/e"  # noqa: S105 - as above
PROTOCOLS = "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,LOGIN:SASL_SSL,MUTUAL:SSL,EXPIRED:SSL,ELSEWHERE:SSL"
PLAIN_LOGIN = "org.apache.kafka.common.security.plain.PlainLoginModule required"
_HANDSHAKE = b"\x16"  # what TLS begins with
SCRAM_LOGIN = "org.apache.kafka.common.security.scram.ScramLoginModule required"


@dataclass
class Certificates:
    """PEM files: an authority and what it signed, in the form that both Java and Python read."""

    folder: Path
    authority: trustme.CA = field(default_factory=trustme.CA)

    def __post_init__(self) -> None:
        self.authority.cert_pem.write_to_path(str(self.folder / "ca.pem"))
        trustme.CA().cert_pem.write_to_path(str(self.folder / "other-ca.pem"))
        yesterday = datetime.now(UTC) - timedelta(days=1)
        self._write("server", self.authority.issue_cert(LOOPBACK))
        self._write("expired", self.authority.issue_cert(LOOPBACK, not_after=yesterday))
        self._write("elsewhere", self.authority.issue_cert("elsewhere.example"))
        self._write("client", self.authority.issue_cert("segments"))

    def path(self, name: str) -> str:
        return str(self.folder / f"{name}.pem")

    def _write(self, name: str, issued: trustme.LeafCert) -> None:
        key = keys.load_pem_private_key(issued.private_key_pem.bytes(), None)
        text = key.private_bytes(keys.Encoding.PEM, keys.PrivateFormat.PKCS8, keys.NoEncryption())  # for Java
        Path(self.path(name)).write_bytes(text + b"".join(each.bytes() for each in issued.cert_chain_pems))


@dataclass(frozen=True)
class Secured:
    """Addresses by what they ask for; `plain` is for the tests' own set-up."""

    certificates: Certificates
    plain: str
    kafka: dict[str, str]
    redis: dict[str, int]


@contextmanager
def secured_servers(folder: Path) -> Iterator[Secured]:
    """Start both; they end on the way out."""
    certificates = Certificates(folder)
    ports = dict(zip(("login", "mutual", "expired", "elsewhere"), free_ports(4), strict=True))
    table = ProcessTable(folder / "pids.json")
    stop = threading.Event()
    try:
        with patch.object(kafka_broker, "_server_properties", _with_listeners(certificates, ports)):
            jars = Layout(ROOT, "secured").kafka_jars()
            broker = KafkaBroker.start(jars, folder / "kafka", find_java_home(), table, folder)
        redis_port = _redis(folder, table)
        redis = {name: tls_proxy(certificates, name, redis_port, stop) for name in ("server", "expired")}
        broker.wait_ready(table)
        _scram_user(broker.bootstrap_servers)
        kafka = {name: f"{LOOPBACK}:{port}" for name, port in ports.items()}
        yield Secured(certificates, broker.bootstrap_servers, kafka, {**redis, "plain": redis_port})
    finally:
        stop.set()
        table.end_all()


def _with_listeners(certificates: Certificates, ports: dict[str, int]):  # type: ignore[no-untyped-def] # noqa: ANN202
    plain = kafka_broker._server_properties

    def properties(log: Path, port: int, controller_port: int) -> str:
        extra = "".join(f",{name.upper()}://{LOOPBACK}:{number}" for name, number in ports.items())
        lines = [
            line + extra if line.startswith(("listeners=", "advertised.listeners=")) else line
            for line in plain(log, port, controller_port).splitlines()
        ]
        password = KAFKA_PASSWORD.replace('"', r'\\"')  # once for the file of properties, once for JAAS
        login = f'{PLAIN_LOGIN} username="admin" password="admin" user_admin="admin" user_me="{password}";'
        stores = {"login": "server", "mutual": "server", "expired": "expired", "elsewhere": "elsewhere"}
        lines += [
            f"listener.security.protocol.map={PROTOCOLS}",
            "sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512",
            f"listener.name.login.plain.sasl.jaas.config={login}",
            f"listener.name.login.scram-sha-512.sasl.jaas.config={SCRAM_LOGIN};",
            "listener.name.mutual.ssl.client.auth=required",
            "ssl.truststore.type=PEM",
            f"ssl.truststore.location={certificates.path('ca')}",
        ]
        for listener, store in stores.items():
            lines.append(f"listener.name.{listener}.ssl.keystore.type=PEM")
            lines.append(f"listener.name.{listener}.ssl.keystore.location={certificates.path(store)}")
        return "\n".join(lines) + "\n"

    return properties


def _scram_user(servers: str) -> None:
    info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
    wanted = UserScramCredentialUpsertion("me", info, KAFKA_PASSWORD.encode())
    admin = AdminClient({"bootstrap.servers": servers})
    for done in admin.alter_user_scram_credentials([wanted]).values():
        done.result(timeout=30)


def _redis(folder: Path, table: ProcessTable) -> int:
    (port,) = free_ports(1)
    config = folder / "redis.conf"
    config.write_text(
        f"bind {LOOPBACK}\nport {port}\nsave ''\nuser default off\n"
        f"user app on >{REDIS_PASSWORD} ~seg:* ~segment:* ~segments:* +@all\n"
        f"user reader on >{REDIS_PASSWORD} ~other:* +@all\n"
    )
    table.spawn("redis", [str(find_binary()), str(config)], {}, folder / "redis.log")

    def listens() -> bool:
        with socket.create_connection((LOOPBACK, port), 1.0):
            return True

    wait_until(listens, 60, "Redis")
    return port


def tls_proxy(
    certificates: Certificates, name: str, target: int, stop: threading.Event, *, plain_too: bool = False
) -> int:
    """Return the port of TLS in front of a plain server: the Redis that a wheel brings is built without.

    `plain_too` passes on what begins with no TLS.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.path(name))
    listening = socket.create_server((LOOPBACK, 0))
    listening.settimeout(0.2)

    def accept() -> None:
        with listening:
            while not stop.is_set():
                with suppress(TimeoutError):
                    plain, _ = listening.accept()
                    threading.Thread(target=_serve, args=(context, plain, target, plain_too), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return int(listening.getsockname()[1])


def _serve(context: ssl.SSLContext, plain: socket.socket, target: int, plain_too: bool) -> None:
    """Pass bytes on, both ways."""
    with suppress(OSError), plain:
        plain.settimeout(60)
        is_tls = not plain_too or plain.recv(1, socket.MSG_PEEK) == _HANDSHAKE
        outside = context.wrap_socket(plain, server_side=True) if is_tls else plain
        with outside, socket.create_connection((LOOPBACK, target)) as inside:
            back = threading.Thread(target=_copy, args=(inside, outside), daemon=True)
            back.start()
            _copy(outside, inside)
            back.join(5)


def _copy(source: socket.socket, to: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            to.sendall(data)
    with suppress(OSError):
        to.shutdown(socket.SHUT_RDWR)
